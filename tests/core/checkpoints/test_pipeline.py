"""Folders that diffusers' own pipeline runs: ``-m diffusers:FOLDER``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gen
from gen.checkpoints.pipeline import read_call
from gen.cli.main import main
from gen.errors import GenError, ModelError, UsageError
from gen.run import Progress

pytest.importorskip("diffusers")

import tiny

SMALL: dict[str, Any] = {"width": 64, "height": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of a pipeline with a prompt that no family drives."""
    from diffusers import DDIMScheduler

    path = tmp_path_factory.mktemp("pipeline") / "tiny"
    tiny.saved(tiny.stable_diffusion(DDIMScheduler(steps_offset=1, clip_sample=False)), path)
    index = json.loads((path / "model_index.json").read_text())
    index["_class_name"] = "StableDiffusionPAGPipeline"
    # Its classes are known, and its files are not needed.
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (path / "model_index.json").write_text(json.dumps(index))
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Any:
    return gen.load(f"diffusers:{folder}")


def test_as_diffusers_makes_it(loaded: Any) -> None:
    """With the same noise, and with the numbers of steps that it reports."""
    reports: list[Progress] = []
    made = loaded("a fox", seed=7, steps=2, guidance=3.0, negative="a dog", **SMALL, on_step=reports.append)
    pipeline = loaded.model.loop.pipeline
    generator = torch.Generator().manual_seed(7)
    reference = pipeline(
        "a fox", negative_prompt="a dog", num_inference_steps=2, guidance_scale=3.0, **SMALL,
        generator=generator, output_type="np",
    ).images[0]  # fmt: skip
    assert np.abs(made.arrays["pixels"] - reference).max() < 1e-5
    assert [report.done for report in reports] == [0.5, 1.0]
    assert (made.recipe.solver, made.recipe.model.name) == ("diffusers", "diffusers:tiny")
    assert "diffusers" in made.recipe.versions


def test_items_do_not_depend_on_each_other(loaded: Any) -> None:
    one, two = loaded("a fox", count=2, seed=1, steps=1, **SMALL)
    alone = loaded("a fox", seed=2, steps=1, **SMALL)
    assert (two.arrays["pixels"] == alone.arrays["pixels"]).all()
    assert (one.arrays["pixels"] != alone.arrays["pixels"]).any()


def test_what_a_caller_raises_comes_out(loaded: Any) -> None:
    def stop(_: Progress) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        loaded("a fox", steps=2, **SMALL, on_step=stop)


def test_from_the_shell_and_made_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, model = str(tmp_path / "fox.png"), f"diffusers:{folder}"
    words = ("--steps", "1", "--width", "64", "--seed", "3")
    assert main(["image", "a fox", "-m", model, *words, "-o", picture]) == 0
    assert capsys.readouterr().err.count("\n") == 1, "nothing but the line about the picture"
    assert main(["rerun", picture, "-m", model, "--check"]) == 0
    assert main(["rerun", picture, "--check"]) == 4
    assert "--model diffusers:FOLDER" in capsys.readouterr().err
    assert main(["models", "show", model, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["data"]["model"]
    assert (shown["pipeline"], shown["modality"]) == ("StableDiffusionPAGPipeline", "image")
    assert list(shown["parameters"]) == ["width", "height"]
    assert shown["defaults"]["steps"] == 50
    assert "edits" not in shown


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"solver": "heun"}, "takes no solver"),
        ({"grid": "karras"}, "takes no grid"),
        ({"guide": "apg"}, "takes no guide"),
        ({"guidance_interval": "0.2:0.8"}, "takes no guide"),
        ({"cache": "easycache"}, "takes no cache"),
        ({"noise": "shared"}, "noise"),
        ({"interpolate": "seed:3"}, "takes no interpolate"),
        ({"lora": __file__}, "own loop, takes no LoRA"),
        ({"init": gen.Artifact("image", {"pixels": np.zeros((64, 64, 3), np.float32)})}, "starts from noise"),
        ({"dtype": "float32,vae=bfloat16"}, "one precision"),
        ({"width": 65}, "diffusers refuses: `height` and `width` have to be divisible by 8"),
    ],
)
def test_what_the_loop_cannot_heed(folder: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(GenError, match=reason) as refused:
        gen.image("a fox", model=f"diffusers:{folder}", steps=1, **options)
    if "takes no" in reason:
        assert "a checkpoint of stable-diffusion, " in str(refused.value.hint)


def test_without_the_scheme_the_way_out_is_named(folder: Path) -> None:
    with pytest.raises(ModelError) as refused:
        gen.image("a fox", model=str(folder))
    assert f"-m diffusers:{folder}" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ({"_class_name": "DDPMPipeline", "unet": ["subprocess", "Popen"]}, "which gen does not import"),
        ({"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]}, "lacks the folder 'unet'"),
        ({"_class_name": "NoSuchPipeline"}, "has no pipeline NoSuchPipeline"),
        ({"_class_name": "MarigoldDepthPipeline"}, "needs image, which gen does not give"),
        ({"_class_name": "AudioLDMPipeline"}, "makes audio, not image"),
    ],
)
def test_folders_that_cannot_be_run(tmp_path: Path, index: dict[str, Any], reason: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=reason):
        gen.image("a fox", model=f"diffusers:{tmp_path}")
    with pytest.raises(ModelError, match="there is no folder"):
        gen.image("a fox", model=f"diffusers:{tmp_path}/none")


def test_planning_imports_neither_torch_nor_diffusers(folder: Path) -> None:
    code = (
        "import sys; from gen.api import find_host; from gen.plan.sources import find_source;"
        f"found = find_source('diffusers:{folder}', 'image', find_host());"
        "found.defaults, found.params, found.sha256;"
        "print(sorted({'torch', 'diffusers', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_sound_without_a_prompt(tmp_path: Path) -> None:
    from diffusers import DanceDiffusionPipeline, IPNDMScheduler, UNet1DModel

    network = UNet1DModel(
        block_out_channels=(32, 32),
        extra_in_channels=64,
        sample_size=512,
        sample_rate=16_000,
        in_channels=2,
        out_channels=2,
        down_block_types=("DownBlock1DNoSkip", "DownBlock1D"),
        up_block_types=("UpBlock1D", "UpBlock1DNoSkip"),
        mid_block_type="UNetMidBlock1D",
    )
    DanceDiffusionPipeline(unet=network, scheduler=IPNDMScheduler()).save_pretrained(tmp_path)
    model = gen.load(f"diffusers:{tmp_path}")
    made = model(steps=2, duration=0.05, seed=1)
    assert made.attributes["sample_rate"] == 16_000
    assert made.arrays["samples"].shape == (2, 800)
    assert model(steps=1, duration=0.05, channels="mono").arrays["samples"].shape == (1, 800)
    with pytest.raises(UsageError, match="takes no prompt"):
        model("rain")
    with pytest.raises(UsageError, match="takes no bpm"):
        model(duration=0.05, bpm=120)


def test_a_library_without_its_parts_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gen.checkpoints.libraries._LEAN", {"diffusers"})
    with pytest.raises(ModelError, match="without what its pipelines need"):
        gen.load(f"diffusers:{folder}")


def test_a_clip() -> None:
    from gen.checkpoints.pipeline_model import OutputCodec
    from gen.model import Task

    call = read_call("LattePipeline")
    assert (call.output, call.argument("frames")) == ("frames", "video_length")
    (clip,) = OutputCodec("video", 0).decode(torch.rand(1, 3, 8, 8, 3), Task(params={"fps": "12"}))
    assert clip.arrays["frames"].shape == (3, 8, 8, 3)
    assert clip.attributes["fps"] == "12"


def test_every_pipeline_of_diffusers_can_be_read() -> None:
    import diffusers

    known = diffusers.pipelines._import_structure
    names = {name for group in known.values() for name in group if name.endswith("Pipeline")}
    some = sorted(names)[:: len(names) // 3]
    assert {read_call(name).output for name in some} <= {"images", "frames", "audios"}
    assert read_call("StableAudioPipeline").output == "audios"
