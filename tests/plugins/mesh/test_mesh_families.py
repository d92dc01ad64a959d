"""Checkpoints that make shapes: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from pipelines import error, ours
from torch import Tensor

import gen
from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.diffusion import AdaptiveProjected, NoiseSource
from gen.errors import UsageError
from gen.model import Model, Task
from gen_mesh import surface
from gen_mesh.families import shap_e

PROMPT = "a red fox"
WIDTH = 12
"""Of the hidden layers of the implicit function."""


def build(picture: bool = False, **schedule: Any) -> Any:
    """A pipeline of Shap-E."""
    width, rows = 16, 4 * WIDTH
    renderer = tiny.seeded(
        tiny.diffusers.pipelines.shap_e.ShapERenderer,
        param_names=[f"nerstf.mlp.{layer}.weight" for layer in range(4)],
        param_shapes=[(WIDTH, 93), *[(WIDTH, WIDTH)] * 3],
        d_latent=width,
        d_hidden=WIDTH,
        n_hidden_layers=5,
    )
    first = renderer.params_proj.projections["nerstf__mlp__0__weight"]
    with torch.no_grad():
        # Of the waves of a place only the longest, so that the field is smooth.
        for values in (first.norm.weight, first.norm.bias, first.proj.bias.view(WIDTH, 93).T):
            values[6:48] = values[51:] = 0
    prior = tiny.seeded(
        tiny.diffusers.PriorTransformer,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        embedding_dim=width,
        num_embeddings=rows,
        additional_embeddings=0,
        time_embed_act_fn="gelu",
        time_embed_dim=32,
        norm_in_type="layer",
        embedding_proj_norm_type="layer" if picture else None,
        encoder_hid_proj_type=None,
        added_emb_type=None,
        embedding_proj_dim=16,
        clip_embed_dim=2 * width,
    )
    options = {"use_karras_sigmas": True, "clip_sample": True, **schedule}
    parts = {
        "prior": prior,
        "scheduler": tiny.diffusers.HeunDiscreteScheduler(
            beta_schedule="exp", num_train_timesteps=1024, prediction_type="sample", **options
        ),
        "shap_e_renderer": renderer,
    }
    if not picture:
        text = tiny.clip(16, projected=True)
        return tiny.diffusers.ShapEPipeline(text_encoder=text, tokenizer=tiny.clip_tokenizer(), **parts)
    config = tiny.transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
    )
    return tiny.diffusers.ShapEImg2ImgPipeline(
        image_encoder=tiny.seeded(tiny.transformers.CLIPVisionModel, config=config),
        image_processor=tiny.transformers.CLIPImageProcessor(size={"shortest_edge": 8}, crop_size=8),
        **parts,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.saved(build(), tmp_path_factory.mktemp("models") / "tiny-shap-e")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return shap_e.load(Checkpoint(folder), "cpu", "float32")


def task_of(**options: Any) -> Task:
    values = {"prompts": (PROMPT,), "params": {"resolution": 16}, "guidance": 4.0, "steps": 5}
    return Task(**{**values, "noise": NoiseSource([7]), **options})


def theirs(
    pipeline: Any, model: Model, monkeypatch: pytest.MonkeyPatch, *, start: Tensor, **options: Any
) -> Any:
    """Their latents, with the times of our levels: between the steps of the chain theirs are others."""
    process = model.stages[0].process
    monkeypatch.setattr(
        pipeline.scheduler,
        "_sigma_to_t",
        lambda sigma, _: np.array(process.t_of_log_snr(-math.log(sigma)) * 1024 - 1),
    )
    options = {"guidance_scale": 4.0, "num_inference_steps": 6, "output_type": "latent", **options}
    return pipeline(latents=start.clone(), **options).images


@pytest.mark.parametrize("karras", [False, True])
def test_shap_e(karras: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = build(use_karras_sigmas=karras)
    folder = folder if karras else tiny.saved(pipeline, tmp_path)
    model = shap_e.load(Checkpoint(folder), "cpu", "float32")
    # Four steps stand on the chain, where theirs interpolates nothing.
    steps = 6 if karras else 4
    with torch.inference_mode():
        start, latents = ours(model, task_of(steps=steps))
        options = {"start": start.flatten(1), "prompt": PROMPT, "num_inference_steps": steps}
        expected = theirs(pipeline, model, monkeypatch, **options)
    assert error(latents, expected) < 1e-5


def test_shap_e_of_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = build(picture=True)
    model = shap_e.load_of_picture(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    pixels = np.random.default_rng(3).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    picture = Artifact("image", {"pixels": pixels.astype(np.float32) / 255})
    task = task_of(prompts=("",), params={"resolution": 16, "picture": picture}, steps=6)
    with torch.inference_mode():
        start, latents = ours(model, task)
        # This pipeline takes latents that are scaled already.
        scaled = start * float(pipeline.scheduler.init_noise_sigma)
        expected = theirs(pipeline, model, monkeypatch, start=scaled, image=Image.fromarray(pixels))
    assert error(latents, expected) < 1e-5
    [stage] = model.stages
    with pytest.raises(UsageError, match="this model makes a shape of a picture"):
        stage.encode(task_of())


def their_field(renderer: Any, latents: Tensor, places: Tensor) -> Any:
    """What their network says of places (N, 3) in their box, where ours is (x, z, -y) / 2."""
    for name, value in renderer.params_proj(latents[None]).items():
        renderer.mlp.get_parameter(name.removeprefix("nerstf.")).data.copy_(value[0])
    return renderer.mlp(
        position=places[None], direction=None, ts=None, nerf_level="fine", rendering_mode="stf"
    )


@pytest.fixture(scope="module")
def latents(model: Model) -> Tensor:
    with torch.inference_mode():
        return ours(model, task_of(steps=2))[1]


def test_the_mesh_is_where_their_field_changes_sign(model: Model, latents: Tensor) -> None:
    with torch.inference_mode():
        places = torch.rand(200, 3, generator=torch.manual_seed(1)) * 2 - 1
        expected = their_field(build().shap_e_renderer, latents[0], places)
        turned = (torch.stack([places[:, 0], places[:, 2], -places[:, 1]], -1) / 2).numpy()
        distance, colours = model.codec.field(latents[0], turned)
        [mesh] = model.codec.decode(latents, task_of(params={"resolution": 24}))
        found, painted = model.codec.field(latents[0], mesh.arrays["vertices"])
    assert np.abs(distance + expected.signed_distance[0, :, 0].numpy()).max() < 1e-4
    assert np.abs(colours - expected.channels[0].numpy()).max() < 1e-4
    assert surface.closed(mesh.arrays["faces"])
    inner = np.abs(mesh.arrays["vertices"]).max(1) < 0.47
    assert inner.sum() > 100
    assert np.abs(found[inner]).max() < 0.2 * np.abs(distance).max()
    assert np.array_equal(mesh.arrays["colours"], painted)
    assert mesh.arrays["colours"].std() > 0.01


def test_their_mesh_is_smaller_than_its_field_and_its_colours_are_linear(
    model: Model, latents: Tensor
) -> None:
    """They pad the grid and spread the padding over the box, too; linear colours are darker."""
    decoder, side = build().shap_e_renderer.mesh_decoder, 18
    # Of the cases of marching cubes, that of a face across an axis.
    decoder.cases[85, :2] = torch.tensor([[0, 1, 2], [1, 3, 2]])
    decoder.masks[85, :2] = True
    x = torch.linspace(-1, 1, side - 2)
    field = torch.full((side,) * 3, -1.0)
    field[1:-1, 1:-1, 1:-1] = (0.6 - x)[:, None, None]
    box = torch.tensor([-1.0] * 3), torch.tensor([2.0] * 3)
    assert torch.allclose(decoder(field, *box).verts[:, 0], torch.tensor(0.6 * (side - 3) / (side - 1)))
    grid = (np.arange(32) + 0.5) / 16 - 1
    places, _ = surface.isosurface(np.broadcast_to((grid - 0.6)[:, None, None], (32,) * 3), 0.0, None)
    assert (2 * places[:, 0]).max() == pytest.approx(0.6, abs=1e-3)

    from diffusers.pipelines.shap_e.renderer import _convert_srgb_to_linear

    with torch.inference_mode():
        colours = model.codec.field(latents[0], np.zeros((1, 3), np.float32))[1]
    assert (_convert_srgb_to_linear(torch.from_numpy(colours)).numpy() < colours).all()


def test_solvers_and_a_guidance_that_their_pipeline_lacks(model: Model) -> None:
    """Long runs of all of them end near each other."""
    with torch.inference_mode():
        heun = ours(model, task_of(steps=20))[1]
        made = [ours(model, task_of(steps=30), solver)[1] for solver in ("unipc_3", "deis", "dpmpp_3m")]
        guided = ours(model, task_of(), "dpmpp_2m", guided_by=AdaptiveProjected)[1]
        plain = ours(model, task_of(), "dpmpp_2m")[1]
    assert all(error(one, heun) < 0.1 for one in made)
    assert error(guided, plain) > 1e-4


def test_a_folder_from_python(folder: Path, tmp_path: Path) -> None:
    options = {"model": folder, "steps": 1, "resolution": 16, "seed": 2}
    chair = gen.mesh("a chair", **options)
    assert (chair.recipe.solver, chair.recipe.guidance, chair.recipe.grid) == ("heun", 4.0, "model")
    assert chair.recipe.params["smoothing"] == 0
    points = gen.mesh("a chair", representation="points", points=100, **options)
    assert points.arrays["points"].shape == (100, 3)
    for wrong, message in (
        ({"init": chair}, "model tiny-shap-e starts from noise alone"),
        ({"thickening": 0.5}, "no thickening"),
        ({"picture": tmp_path / "a.png"}, "takes no picture"),
    ):
        with pytest.raises(UsageError, match=message):
            gen.mesh("a chair", **options, **wrong)
    seen = tiny.saved(build(picture=True), tmp_path / "tiny-shap-e-picture")
    Image.new("RGB", (20, 10), "red").save(tmp_path / "red.png")
    made = gen.mesh(picture=tmp_path / "red.png", **{**options, "model": seen})
    assert made.recipe.prompt == ""
    with pytest.raises(UsageError, match="takes no prompt"):
        gen.mesh("a chair", picture=tmp_path / "red.png", **{**options, "model": seen})
