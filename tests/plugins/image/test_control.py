"""ControlNets and T2I-Adapters: ours beside diffusers' pipelines, from the shell, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from beside_diffusers import NEGATIVE, PROMPT, Family, error, ours, task_of
from PIL import Image

import gen
from gen.api import find_host, read_recipe
from gen.artifact import Artifact
from gen.checkpoints import Checkpoint, Component
from gen.checkpoints.checkpoint import open_folder
from gen.cli.main import main
from gen.errors import UsageError
from gen.recipe import Recipe
from gen_image.families import stable_diffusion, stable_diffusion_xl

DDIM = {**tiny.SD_CHAIN, "clip_sample": False, "steps_offset": 1}
EULER = {**tiny.SD_CHAIN, "timestep_spacing": "leading", "steps_offset": 1}
d = tiny.diffusers


def edges(width: int = 16, height: int = 16, phase: int = 0) -> Artifact:
    """Lines on black."""
    rows, columns = np.mgrid[:height, :width]
    lines = ((rows + columns + phase) % 5 == 0).astype(np.float32)
    return Artifact("image", {"pixels": np.stack([lines, lines, lines * (rows % 2)], -1).astype(np.float32)})


def tensor(artifact: Artifact) -> torch.Tensor:
    return torch.from_numpy(artifact.arrays["pixels"]).permute(2, 0, 1)[None]


def component(network: Any, folder: Path) -> Component:
    network.save_pretrained(folder)
    part = open_folder(folder, "control")
    assert isinstance(part, Component)
    return part


@dataclass(frozen=True)
class Case:
    """A network beside a U-Net, and how both sides are run."""

    pipeline: Any
    network: Any
    large: bool = False
    theirs: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)


def sd() -> Any:
    return tiny.stable_diffusion(d.DDIMScheduler(**DDIM))


def xl() -> Any:
    return tiny.stable_diffusion_xl(d.EulerDiscreteScheduler(**EULER))


CASES = {
    "sd1-controlnet": Case(d.StableDiffusionControlNetPipeline, tiny.controlnet),
    "sd1-controlnet-part": Case(
        d.StableDiffusionControlNetPipeline,
        tiny.controlnet,
        theirs={
            "controlnet_conditioning_scale": 0.7,
            "control_guidance_start": 0.2,
            "control_guidance_end": 0.8,
        },
        params={"control_scale": 0.7, "control_start": 0.2, "control_end": 0.8},
    ),
    "sdxl-controlnet": Case(
        d.StableDiffusionXLControlNetPipeline,
        lambda: tiny.controlnet(**tiny.XL_SIZES),
        True,
        theirs={"controlnet_conditioning_scale": 0.5},
        params={"control_scale": 0.5},
    ),
    "sd1-adapter": Case(
        d.StableDiffusionAdapterPipeline,
        tiny.adapter,
        theirs={"adapter_conditioning_scale": 0.8},
        params={"control_scale": 0.8},
    ),
    "sd1-adapter-gray": Case(d.StableDiffusionAdapterPipeline, lambda: tiny.adapter(in_channels=1)),
    "sdxl-adapter": Case(
        d.StableDiffusionXLAdapterPipeline,
        lambda: tiny.adapter(
            channels=[8, 16, 16, 16], downscale_factor=4, adapter_type="full_adapter_xl"
        ),
        True,
        theirs={"adapter_conditioning_factor": 0.6},
        params={"control_end": 0.6},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_parity(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    pipeline = xl() if case.large else sd()
    load = (stable_diffusion_xl if case.large else stable_diffusion).load
    model = load(Checkpoint(tiny.saved(pipeline, tmp_path / "model")), "cpu", "float32")
    network = case.network()
    part = component(network, tmp_path / "part")
    task = task_of(Family(lambda: None, load, steps=5))
    plain = ours(model, task)[1]
    params = {"control": part, "control_image": edges(), **case.params}
    start, latents = ours(model, replace(task, params={**task.params, **params}))
    parts = {
        name: part
        for name, part in pipeline.components.items()
        if name not in ("image_encoder", *(["feature_extractor"] if case.large else []))
    }
    parts["adapter" if isinstance(network, d.T2IAdapter) else "controlnet"] = network
    if not case.large:
        parts["requires_safety_checker"] = False
    theirs = case.pipeline(**parts)
    theirs.set_progress_bar_config(disable=True)
    shown = tensor(edges())
    if getattr(network.config, "in_channels", 3) == 1:
        shown = (shown * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    expected = theirs(
        prompt=PROMPT, negative_prompt=NEGATIVE, image=shown, width=16, height=16, guidance_scale=5.0,
        num_inference_steps=5, latents=start.clone(), output_type="latent", **case.theirs,
    ).images  # fmt: skip
    assert error(latents, expected) < 1e-5
    assert error(plain, expected) > 1e-3, "the network does nothing"


def test_several_at_once(tmp_path: Path) -> None:
    """Two ControlNets, each with a picture and a scale, and a T2I-Adapter."""
    model = stable_diffusion.load(Checkpoint(tiny.saved(sd(), tmp_path / "model")), "cpu", "float32")
    first, second = tiny.controlnet(), tiny.controlnet()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(0.8)
    parts = [component(one, tmp_path / str(index)) for index, one in enumerate((first, second))]
    task = task_of(Family(lambda: None, stable_diffusion.load, steps=5))
    params = {
        "control": parts[0], "control_image": edges(), "control_scale": 0.7,
        "control_2": parts[1], "control_image_2": edges(phase=2), "control_end_2": 0.6,
    }  # fmt: skip
    start, latents = ours(model, replace(task, params={**task.params, **params}))
    given = {name: part for name, part in sd().components.items() if name != "image_encoder"}
    theirs = d.StableDiffusionControlNetPipeline(
        **given, controlnet=[first, second], requires_safety_checker=False
    )
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(
        prompt=PROMPT, negative_prompt=NEGATIVE, image=[tensor(edges()), tensor(edges(phase=2))], width=16,
        height=16, guidance_scale=5.0, num_inference_steps=5, latents=start.clone(), output_type="latent",
        controlnet_conditioning_scale=[0.7, 1.0], control_guidance_start=[0.0, 0.0],
        control_guidance_end=[1.0, 0.6],
    ).images  # fmt: skip
    assert error(latents, expected) < 1e-5
    third = component(tiny.adapter(), tmp_path / "adapter")
    params |= {"control_3": third, "control_image_3": edges()}
    assert error(ours(model, replace(task, params={**task.params, **params}))[1], latents) > 1e-3


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, what goes beside it, and pictures."""
    folder = tmp_path_factory.mktemp("control")
    tiny.saved(sd(), folder / "sd")
    for name, network in (
        ("canny", tiny.controlnet()),
        ("sketch", tiny.adapter()),
        ("large", tiny.controlnet(**tiny.XL_SIZES)),
        ("canny-4", tiny.controlnet(conditioning_embedding_out_channels=(4, 4, 8))),
        ("sketch-4", tiny.adapter(downscale_factor=4)),
        ("vae", tiny.vae()),
    ):
        network.save_pretrained(folder / name)
    for name, sizes in (("edges", (64, 64)), ("wide", (96, 64))):
        pixels = (edges(*sizes).arrays["pixels"] * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def run(*words: object) -> int:
    try:
        return main(list(map(str, words)))
    except SystemExit as leaving:
        return int(leaving.code or 0)


def test_from_the_shell(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, again = tmp_path / "fox.png", tmp_path / "again.png"
    words = ["image", "a fox", "-m", folders / "sd", "--width", 64, "--steps", 2, "--seed", 3]
    both = ["--control", folders / "canny", "--control-image", folders / "edges.png", "--control-scale", 0.8]
    both += ["--control", folders / "sketch", "--control-image", folders / "edges.png"]
    assert run(*words, *both, "--control-end", 0.8, "-o", file) == 0
    recipe = read_recipe(file, find_host())
    assert isinstance(recipe, Recipe)
    assert [(one.role, one.name) for one in recipe.inputs] == [
        ("control_image", "edges.png"), ("control_image_2", "edges.png"),
        ("control", "canny"), ("control_2", "sketch"),
    ]  # fmt: skip
    assert recipe.params["control_scale"] == 0.8
    assert "control_scale_2" not in recipe.params
    inputs = {one.role: folders / one.name for one in recipe.inputs}
    flags = [word for role, path in inputs.items() for word in ("--input", f"{role}={path}")]
    assert run("rerun", file, "-m", folders / "sd", *flags, "-o", again) == 0
    assert np.array_equal(np.asarray(Image.open(file)), np.asarray(Image.open(again)))
    capsys.readouterr()
    assert run("rerun", file, "-m", folders / "sd", "-o", tmp_path / "other.png") == 2
    assert "the recipe needs edges.png as control_image" in capsys.readouterr().err
    inputs["control"] = folders / "sketch"
    with pytest.raises(UsageError, match="sketch is not the control of the recipe"):
        gen.rerun(file, model=folders / "sd", inputs=inputs)


def test_from_python_with_lists(folders: Path) -> None:
    options: dict[str, Any] = {"model": folders / "sd", "width": 64, "seed": 3, "steps": 2}
    one = gen.image("a fox", control=folders / "canny", control_image=edges(64, 64), **options)
    two = gen.image(
        "a fox",
        control=[folders / "canny", folders / "sketch"],
        control_image=[edges(64, 64), folders / "edges.png"],
        control_scale=[1.0, 0.0],
        **options,
    )
    assert np.array_equal(one.arrays["pixels"], two.arrays["pixels"])
    assert two.recipe.params["control_scale_2"] == 0
    model = gen.load(folders / "sd")
    del options["model"]
    plain = model("a fox", **options)
    again = model("a fox", control=folders / "canny", control_image=edges(64, 64), **options)
    assert np.array_equal(again.arrays["pixels"], one.arrays["pixels"])
    assert not np.array_equal(plain.arrays["pixels"], one.arrays["pixels"])
    with pytest.raises(UsageError, match="control_image takes at most 3 values, not 4"):
        model("a fox", control=folders / "canny", control_image=[edges(64, 64)] * 4, **options)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--control", "canny"], 2, "control needs a picture to follow (add --control-image FILE)"),
        (["--control-image", "edges.png"], 2, "control_image belongs to a network that is not given"),
        (
            ["--control", "canny", "--control-image", "wide.png"],
            2,
            "control_image has 96 × 64 pixels and the picture 64 × 64 (scale it, or draw it with --width 96",
        ),
        (["--control", "canny", "--control-image", "none.png"], 2, "none.png"),
        (
            ["--control", "canny", "--control-image", "edges.png", "-p", "control_end=0"],
            2,
            "control_start must be less than control_end, and 0 is not less than 0",
        ),
        (
            ["--control", "canny", "--control", "canny", "--control-image", "edges.png"],
            2,
            "control_2 needs a picture to follow (give --control-image FILE for each network)",
        ),
        (["--control", "nowhere", "--control-image", "edges.png"], 4, "there is no folder"),
        (["--control", "vae", "--control-image", "edges.png"], 4, "is AutoencoderKL, not a ControlNet"),
        (["--control", "sd", "--control-image", "edges.png"], 4, "is a whole pipeline, not a ControlNet"),
        (["--control", "large", "--control-image", "edges.png"], 4, "is made for another family than sd"),
        (
            ["--control", "canny-4", "--control-image", "edges.png"],
            4,
            "the ControlNetModel for control makes the picture 4 times smaller, and sd needs 2",
        ),
        (
            ["--control", "sketch-4", "--control-image", "edges.png"],
            4,
            "the T2IAdapter for control makes the picture 4 times smaller, and sd needs 2 times",
        ),
        (["--refiner", "sd"], 2, "model sd takes no refiner (leave it out, or use a checkpoint of stable-"),
        (["--control", "canny"] * 4, 2, "control takes at most 3 values, not 4"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    folders: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    given = [word if word.startswith("-") or "=" in word else folders / word for word in words]
    target = tmp_path / "fox.png"
    assert (
        run("image", "a fox", "-m", folders / "sd", "--width", 64, "--steps", 1, *given, "-o", target) == code
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gen: error")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not target.exists()
