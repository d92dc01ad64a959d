"""Families of several stages: ours beside diffusers' pipelines, one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_pictures
import torch
from beside_diffusers import NEGATIVE, PROMPT, Family, error, make_freely, picture, task_of
from torch import Tensor

import gen
from gen.api import find_host
from gen.checkpoints import Checkpoint
from gen.diffusion import DDIM, DDPM, ClassifierFree, guided, sample
from gen.errors import ModelError, UsageError
from gen.model import Model, Task
from gen.plan import find_source
from gen.plan.abilities import abilities_of, edits_of
from gen.plan.choices import core_choices
from gen_image.families import deepfloyd_if, kandinsky, upscaler

MODULE = "diffusers.pipelines.deepfloyd_if.pipeline_if"
STEPS = 5


@pytest.fixture(scope="module")
def pipelines() -> tuple[Any, Any]:
    return tiny_pictures.deepfloyd_if(), tiny_pictures.deepfloyd_if(large=True)


@pytest.fixture(scope="module")
def folders(pipelines: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    small, large = (tiny.saved(one, tmp_path_factory.mktemp("if")) for one in pipelines)
    return small, large


def run(model: Model, task: Task) -> list[tuple[Tensor, Tensor]]:
    """The noise that each stage starts from, and the state at its end."""
    task = replace(task, shape=model.codec.shape(task))
    made: list[tuple[Tensor, Tensor]] = []
    for stage in model.path:
        current = replace(task, previous=made[-1][1] if made else None)
        current = replace(current, shape=stage.shape(current))
        grid = stage.own_grid(current)
        denoiser: Any = guided(
            stage.denoiser(current),
            stage.guidance(current, ClassifierFree(task.guidance)),  # type: ignore[arg-type]
        )
        start: Any = stage.prior(current, grid)
        process: Any = stage.process
        ways = stage.defaults or model.defaults
        end = sample(
            stage.clipping(denoiser) if stage.clipping else denoiser, process, grid,
            core_choices(ways.solver, ways.grid).make_solver(process), x=start,
            conditioning=stage.encode(current), noise=task.noise,
        ).x  # fmt: skip
        made.append((start, end))
    return made


def test_deepfloyd_if(
    pipelines: tuple[Any, Any], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dynamic thresholding, a variance that is learned, and a second stage that sees the first with noise."""
    model = deepfloyd_if.load(Checkpoint(folders[0]), "cpu", "float32")
    params = {"upscaler": Checkpoint(folders[1]), "upscaler_steps": STEPS, "upscaler_guidance": 3.0}
    family = Family(lambda: None, deepfloyd_if.load, steps=STEPS, guidance=4.0, params=params)
    task = task_of(family)
    options = {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "num_inference_steps": STEPS,
    }
    with torch.inference_mode():
        (start, small), (again, large) = run(model, task)
        monkeypatch.setattr(f"{MODULE}.randn_tensor", lambda *_, **__: start.clone())
        expected = pipelines[0](**options, guidance_scale=4.0, output_type="pt").images
        assert error(small, expected) < 1e-5
        draws = [again, task.noise.child("upscaler").prior((3, 32, 32))]
        monkeypatch.setattr(f"{MODULE}_superresolution.randn_tensor", lambda *_, **__: draws.pop(0).clone())
        upscaled = pipelines[1](**options, image=small.clone(), guidance_scale=3.0, output_type="pt").images
        assert error(large, upscaled) < 1e-5
    [made] = model.codec.decode(large, task)
    assert np.abs(made.arrays["pixels"] - (expected_pixels(upscaled))).max() < 1e-4


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What our solvers draw, which their schedulers then draw, too."""
    made: list[Tensor] = []

    def recording(step: Any) -> Any:
        def recorded(*args: Any, **options: Any) -> Any:
            update = step(*args, **options)
            made.extend([] if update.z is None else [update.z.clone()])
            return update

        return recorded

    def drawn(shape: Any, **_: object) -> Tensor:
        return made.pop(0).reshape(shape)

    for solver in (DDIM, DDPM):
        monkeypatch.setattr(solver, "step", recording(solver.step))
    for module in ("unclip", "ddpm"):
        monkeypatch.setattr(f"diffusers.schedulers.scheduling_{module}.randn_tensor", drawn)
    return made


def test_deepfloyd_if_with_noise(
    pipelines: tuple[Any, Any], tmp_path: Path, draws: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is published: its sampler draws noise, with the variance that the network gives."""
    # The largest value bounds the others, where ours and theirs find that of a rank differently.
    options = {"clip_sample": False, "dynamic_thresholding_ratio": 1.0}
    config = {**pipelines[0].scheduler.config, **options}
    scheduler = tiny.diffusers.DDPMScheduler.from_config(config)
    pipeline = type(pipelines[0])(
        **{**pipelines[0].components, "scheduler": scheduler}, requires_safety_checker=False
    )
    model = deepfloyd_if.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    with_a_fine_table(pipeline.scheduler)
    assert model.defaults.solver == "ddpm_large:variance=learned"
    family = Family(lambda: None, deepfloyd_if.load, steps=STEPS, guidance=4.0)
    task = task_of(family)
    with torch.inference_mode():
        [(start, small)] = run(replace(model, stages=model.stages[:1]), task)
        assert len(draws) == STEPS - 1
        monkeypatch.setattr(f"{MODULE}.randn_tensor", lambda *_, **__: start.clone())
        options = {"guidance_scale": 4.0, "num_inference_steps": STEPS, "output_type": "pt"}
        expected = pipeline(PROMPT, negative_prompt=NEGATIVE, **options).images
    assert error(small, expected) < 1e-5


def test_the_upscaler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that sees a small picture with noise."""
    pipeline = tiny_pictures.upscaler()
    folder = tiny.saved(pipeline, tmp_path / "tiny-upscaler")
    model = upscaler.load(Checkpoint(folder), "cpu", "float32")
    params = {"noise_level": 30}
    family = Family(lambda: None, upscaler.load, steps=STEPS, guidance=4.0, params=params, size=(32, 32))
    given = picture(16, 16)
    task = task_of(family, init=given, upscale=2)
    with torch.inference_mode():
        [(start, latents)] = run(model, task)
        noise = task.noise.child("upscaler").prior((3, 16, 16))
        module = type(pipeline).__module__
        monkeypatch.setattr(f"{module}.randn_tensor", lambda *_, **__: noise.clone())
        small = torch.tensor(given.arrays["pixels"]).permute(2, 0, 1)[None] * 2 - 1
        options = {"guidance_scale": 4.0, "num_inference_steps": STEPS, "latents": start, "noise_level": 30}
        expected, pixels = (
            pipeline(PROMPT, small, negative_prompt=NEGATIVE, output_type=kind, **options).images
            for kind in ("latent", "np")
        )
    assert error(latents, expected) < 1e-5
    [made] = model.codec.decode(latents, task)
    assert np.abs(made.arrays["pixels"] - pixels[0]).max() < 1e-4

    large = gen.image(PROMPT, model=folder, init=picture(48, 32), upscale=2, solver="dpmpp_2m", steps=1)
    assert large.arrays["pixels"].shape == (64, 96, 3)
    assert large.recipe.strength is None
    again = gen.rerun(large.recipe, model=folder, inputs={"init": picture(48, 32)})
    assert np.array_equal(again.arrays["pixels"], large.arrays["pixels"])
    host = find_host()
    source = find_source(str(folder), "image", host)
    assert edits_of(abilities_of(host.modality("image"), source.family), None) == ["upscale"]
    given = {"model": folder, "init": picture(48, 32)}
    for options in ({"upscale": 2, "strength": 0.5}, {"restore": "denoise"}, {"edit": "a dog"}, {}):
        with pytest.raises(UsageError, match="makes an input larger, and edits it in no other way"):
            gen.image(PROMPT, **given, **options)
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    for wrong in ({"init": None}, {"upscale": 1}, {"upscale": 3}):
        with pytest.raises(UsageError, match="makes pictures 2 times as large, and nothing else"):
            stage.encode(replace(task, **wrong))
    with pytest.raises(UsageError, match="picture is 35 × 16"):
        stage.encode(replace(task, init=picture(35, 16)))


def expected_pixels(state: Tensor) -> np.ndarray:
    return (state / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)[0].numpy()


@pytest.mark.slow
def test_what_the_pipelines_lack(folders: tuple[Path, Path]) -> None:
    make_freely(folders[0])
    options = {"model": folders[0], "width": 64, "height": 64, "steps": 2, "upscaler_steps": 2}
    large = gen.image(PROMPT, upscaler=folders[1], **options)
    assert large.arrays["pixels"].shape == (128, 128, 3)
    with pytest.raises(ModelError, match="no checkpoint of DeepFloyd IF II"):
        gen.image(PROMPT, upscaler=folders[0], **options)


@pytest.fixture(scope="module")
def two_of_kandinsky() -> tuple[Any, Any]:
    prior, decoder = tiny_pictures.kandinsky_prior(), tiny_pictures.kandinsky()
    with_a_fine_table(prior.scheduler)
    return prior, decoder


def with_a_fine_table(scheduler: Any) -> None:
    """Let a scheduler count in float64: else the factor of the data in the last step is off 1 by 3e-4."""
    scheduler.betas = scheduler.betas.double()
    scheduler.alphas_cumprod = (1 - scheduler.betas).cumprod(0)


@pytest.fixture(scope="module")
def kandinsky_folders(
    two_of_kandinsky: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    prior, decoder = (tiny.saved(one, tmp_path_factory.mktemp("kandinsky")) for one in two_of_kandinsky)
    return prior, decoder


@pytest.mark.parametrize("negative", [NEGATIVE, None])
def test_kandinsky(
    negative: str | None,
    two_of_kandinsky: tuple[Any, Any],
    kandinsky_folders: tuple[Path, Path],
    draws: list[Tensor],
) -> None:
    """An embedding that is drawn within bounds, and a picture of it with a variance that is learned."""
    model = kandinsky.load(Checkpoint(kandinsky_folders[1]), "cpu", "float32")
    params = {"prior": Checkpoint(kandinsky_folders[0]), "prior_steps": STEPS, "prior_guidance": 3.0}
    family = Family(lambda: None, kandinsky.load, steps=STEPS, guidance=4.0, params=params, negative=negative)
    task = task_of(family)
    options = {"num_inference_steps": STEPS}
    with torch.inference_mode():
        (start, embedding), (again, latents) = run(model, task)
        assert len(draws) == 2 * (STEPS - 1)
        sides = two_of_kandinsky[0](
            PROMPT, negative_prompt=negative, guidance_scale=3.0, latents=start[0].clone(), **options
        )
        prior = two_of_kandinsky[0].prior
        theirs = torch.cat([sides.image_embeds, sides.negative_image_embeds])[: embedding.shape[1]]
        assert error(prior.post_process_latents(embedding[0]), theirs) < 1e-5
        assert float(embedding.abs().max()) <= 0.5
        options |= {"guidance_scale": 4.0, "width": 16, "height": 16, "latents": again}
        kept = [one.clone() for one in draws]
        expected = two_of_kandinsky[1](*sides.values(), output_type="latent", **options).images
        assert error(latents, expected) < 1e-5
        draws[:] = kept
        picture = two_of_kandinsky[1](*sides.values(), output_type="np", **options).images[0]
    [made] = model.codec.decode(latents, task)
    assert np.abs(made.arrays["pixels"] - picture).max() < 1e-4
    assert picture.std() > 0.05


def test_what_kandinskys_pipelines_lack(kandinsky_folders: tuple[Path, Path]) -> None:
    prior, decoder = kandinsky_folders
    make_freely(decoder, prior=prior, prior_steps=3)
    with pytest.raises(UsageError, match="needs a prior"):
        gen.image(PROMPT, model=decoder, steps=2)
    with pytest.raises(ModelError, match="no checkpoint of Kandinsky"):
        gen.image(PROMPT, model=decoder, prior=decoder, steps=2)
