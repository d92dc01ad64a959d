"""Stable Diffusion XL with a refiner, holes and pictures to begin with; PNDM of Stable Diffusion 1.x."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from beside_diffusers import NEGATIVE, PROMPT, Family, error, hole, ours, picture, task_of

import gen
from gen import presets
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, TimeGrid, guided, sample
from gen.errors import ModelError, UsageError
from gen_image.families import stable_diffusion, stable_diffusion_xl
from gen_image.families.refiner import check_refiner, parts_of

EULER = {**tiny.SD_CHAIN, "timestep_spacing": "leading", "steps_offset": 1}
d = tiny.diffusers
XL = Family(lambda: None, stable_diffusion_xl.load)


def base(**options: Any) -> Any:
    return tiny.stable_diffusion_xl(d.EulerDiscreteScheduler(**EULER), **options)


def pixels(artifact: gen.Artifact) -> torch.Tensor:
    return torch.from_numpy(artifact.arrays["pixels"]).permute(2, 0, 1)[None]


def test_base_and_refiner(tmp_path: Path) -> None:
    pipeline, refiner = base(), tiny.refiner(d.EulerDiscreteScheduler(**EULER))
    model = stable_diffusion_xl.load(Checkpoint(tiny.saved(pipeline, tmp_path / "base")), "cpu", "float32")
    other = Checkpoint(tiny.saved(refiner, tmp_path / "refiner"))
    task = task_of(replace(XL, params={"refiner": other, "denoising_end": 0.6}, steps=10))
    with torch.inference_mode():
        start, latents = ours(model, task)
        options = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 5.0}
        options |= {"num_inference_steps": 10, "output_type": "latent"}
        half = pipeline(latents=start.clone(), denoising_end=0.6, width=16, height=16, **options).images
        expected = refiner(image=half, denoising_start=0.6, **options).images
        assert error(latents, expected) < 1e-5
        alone = replace(task, params={"width": 16, "height": 16})
        assert error(ours(model, alone)[1], expected) > 1e-3
        with pytest.raises(UsageError, match="denoising_end belongs to a refiner"):
            ours(model, replace(task, params={"denoising_end": 0.6, "width": 16}))


def test_where_the_refiner_takes_over() -> None:
    task = task_of(replace(XL, params={"refiner": object(), "denoising_end": 0.8}))
    grid = TimeGrid.leading(10, offset=1)
    first, last = parts_of(grid, task)
    assert first.times == grid.times[:9]
    assert last.times == grid.times[8:]
    assert parts_of(grid, replace(task, params={"refiner": object(), "denoising_end": 1.0})) == (grid, None)
    assert parts_of(grid, replace(task, params={"refiner": object(), "denoising_end": 0.0})) == (None, grid)
    assert parts_of(grid, replace(task, params={})) == (grid, None)


@pytest.mark.parametrize(
    ("pipeline", "parts", "reason"),
    [
        ("StableDiffusionXLPipeline", ["text_encoder", "text_encoder_2"], "is a base model"),
        ("StableDiffusionPipeline", ["text_encoder"], "is StableDiffusionPipeline, not"),
    ],
)
def test_what_is_no_refiner(tmp_path: Path, pipeline: str, parts: list[str], reason: str) -> None:
    index = {"_class_name": pipeline, **{name: ["transformers", "CLIPTextModel"] for name in parts}}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=reason):
        check_refiner(Checkpoint(tmp_path))


@pytest.mark.slow
def test_refiner_from_a_folder(tmp_path: Path) -> None:
    """In the recipe with its digest; edits reach both stages."""
    tiny.saved(base(), tmp_path / "base")
    tiny.saved(tiny.refiner(d.EulerDiscreteScheduler(**EULER)), tmp_path / "refiner")
    tiny.saved(tiny.stable_diffusion(d.DDIMScheduler(**tiny.SD_CHAIN)), tmp_path / "sd")
    options: dict[str, Any] = {"model": tmp_path / "base", "width": 64, "seed": 1, "steps": 4}
    plain = gen.image("a fox", **options)
    made = gen.image("a fox", refiner=tmp_path / "refiner", **options)
    assert [(one.role, one.name) for one in made.recipe.inputs] == [("refiner", "refiner")]
    again = gen.rerun(made, model=tmp_path / "base", inputs={"refiner": tmp_path / "refiner"})
    assert (again.arrays["pixels"] == made.arrays["pixels"]).all()
    assert not (plain.arrays["pixels"] == made.arrays["pixels"]).all()
    # The last half of the steps: the base has one, the refiner the other.
    edited = gen.image("a fox", init=plain, strength=0.5, refiner=tmp_path / "refiner", **options)
    unrefined = gen.image("a fox", init=plain, strength=0.5, **options)
    assert not (edited.arrays["pixels"] == unrefined.arrays["pixels"]).all()
    with pytest.raises(ModelError, match="the checkpoint for refiner is StableDiffusionPipeline, not"):
        gen.image("a fox", refiner=tmp_path / "sd", **options)
    with pytest.raises(ModelError, match="for refiner is a base model"):
        gen.image("a fox", refiner=tmp_path / "base", **options)


def test_filling_a_hole(tmp_path: Path) -> None:
    pipeline = base(in_channels=9)
    model = stable_diffusion_xl.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    task = task_of(XL, init=picture(), mask=hole())
    with torch.inference_mode():
        start, latents = ours(model, task)
        theirs = pipeline(
            prompt=PROMPT, negative_prompt=NEGATIVE, image=pixels(picture()) * 2 - 1,
            mask_image=pixels(hole())[:, :1], width=16, height=16, guidance_scale=5.0,
            num_inference_steps=6, strength=1.0, latents=start.clone(), output_type="latent",
        ).images  # fmt: skip
    assert error(latents, theirs) < 1e-5


def test_beginning_with_a_picture(tmp_path: Path) -> None:
    pipeline = base()
    model = stable_diffusion_xl.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    stage = model.stages[0]
    task = task_of(replace(XL, steps=10), init=picture())
    task = replace(task, shape=model.codec.shape(task))
    left_out = ("image_encoder", "feature_extractor")
    parts = {name: part for name, part in pipeline.components.items() if name not in left_out}
    theirs = d.StableDiffusionXLImg2ImgPipeline(**parts)
    theirs.set_progress_bar_config(disable=True)
    module = "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img.randn_tensor"
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        grid = stage.own_grid(task).truncate(0.5)
        x = sample(
            guided(stage.denoiser(task), ClassifierFree(5.0)), stage.process, grid, presets.solver("euler"),
            x=stage.init(task, grid, model.codec.encode([picture()], task)),
            conditioning=stage.encode(task), noise=task.noise,
        ).x  # fmt: skip
        patch.setattr(module, lambda shape, **_: task.noise.prior(tuple(shape[1:])))
        expected = theirs(
            prompt=PROMPT, negative_prompt=NEGATIVE, image=pixels(picture()) * 2 - 1, strength=0.5,
            guidance_scale=5.0, num_inference_steps=10, output_type="latent",
        ).images  # fmt: skip
    assert error(x, expected) < 1e-5


def test_pndm(tmp_path: Path) -> None:
    """The scheduler that most folders of Stable Diffusion 1.x name."""
    scheduler = d.PNDMScheduler(**tiny.SD_CHAIN, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    pipeline = tiny.stable_diffusion(scheduler)
    model = stable_diffusion.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    assert model.defaults.solver == "plms"
    task = task_of(Family(lambda: None, stable_diffusion.load, steps=10))
    with torch.inference_mode():
        start, latents = ours(model, task)
        expected = pipeline(
            prompt=PROMPT, negative_prompt=NEGATIVE, guidance_scale=5.0, num_inference_steps=10, width=16,
            height=16, latents=start.clone(), output_type="latent",
        ).images  # fmt: skip
    assert error(latents, expected) < 1e-5
