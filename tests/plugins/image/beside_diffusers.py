"""Checkpoints that draw pictures, run by us and by diffusers' pipelines: the same noise on the same grid."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import torch
from torch import Tensor
from torch.nn import functional

import gen
from gen import presets
from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, NoiseSource, TimeGrid, guided, sample
from gen.model import Model, Stage, Task
from gen_image.families.cells import tokens_of

PROMPT, NEGATIVE = "a red fox on tall grass", "tall fox"
SEED = 7


THEIRS = "theirs"


@dataclass(frozen=True)
class Family:
    """A tiny checkpoint, and how both sides are run on it.

    Args:
        build: Makes the pipeline.
        load: Our loader.
        steps, guidance: Of both.
        options: Of the pipeline's call.
        params: Of our task.
        pack: From a state of ours to theirs.
        size: Width and height in pixels.
        negative: The negative prompt of both.
        result: From a state of ours to what they return as latents, where it is not ``pack``.
        grid: ``THEIRS`` for the levels of their scheduler, which differ from ours where they err.
    """

    build: Callable[[], Any]
    load: Callable[[Checkpoint, str, str], Model]
    steps: int = 6
    guidance: float = 5.0
    options: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    pack: Callable[[Tensor], Tensor] = lambda x: x
    size: tuple[int, int] = (16, 16)
    negative: str | None = NEGATIVE
    grid: str = ""
    result: Callable[[Model, Tensor], Tensor] | None = None


def packed(x: Tensor) -> Tensor:
    """As tokens of 2 × 2 cells."""
    return tokens_of(functional.pixel_unshuffle(x, 2))


def ours(
    model: Model,
    task: Task,
    solver: str = "",
    grid: TimeGrid | None = None,
    guided_by: Callable[[float], Any] = ClassifierFree,
) -> tuple[Tensor, Tensor]:
    """The noise that our run starts from, and the latents at its end."""
    task = replace(task, shape=model.codec.shape(task), steps=grid.steps if grid else task.steps)
    start = None

    def own(stage: Stage, task: Task) -> TimeGrid:
        return grid or stage.own_grid(task)

    for stage in model.stages:
        times = stage.grid(task, partial(own, stage, task))
        if times is None:
            continue
        conditioning = stage.encode(task)
        denoiser = guided(stage.denoiser(task), stage.guidance(task, guided_by(task.guidance)))
        denoiser = denoiser if stage.clipping is None else stage.clipping(denoiser)
        x = stage.prior(task, times)
        start = x if start is None else start
        made = sample(
            denoiser, stage.process, times, presets.solver(solver or model.defaults.solver),
            x=x, conditioning=conditioning, noise=task.noise,
        )  # fmt: skip
        task = replace(task, previous=made.x)
    return start, task.previous


def task_of(family: Family, **options: Any) -> Task:
    width, height = family.size
    params = {"width": width, "height": height, **family.params}
    return Task(
        prompts=(PROMPT,), negatives=family.negative and (family.negative,), params=params,
        guidance=family.guidance, steps=family.steps, noise=NoiseSource([SEED]), **options,
    )  # fmt: skip


def their_grid(pipeline: Any, family: Family) -> TimeGrid | None:
    """The times of a flow's scheduler, where a family is compared on them."""
    if family.grid != THEIRS:
        return None
    pipeline.scheduler.set_timesteps(family.steps)
    return TimeGrid(tuple(map(float, pipeline.scheduler.sigmas)))


def error(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the other's largest value."""
    return float((one - other).abs().max() / other.abs().max())


def compare(family: Family, folder: Path) -> Model:
    """Compare latents and picture of both sides.

    Returns:
        Our model, for further tests.
    """
    pipeline = family.build()
    model = family.load(Checkpoint(tiny.saved(pipeline, folder)), "cpu", "float32")
    task = task_of(family)
    with torch.inference_mode():
        start, latents = ours(model, task, grid=their_grid(pipeline, family))
        picture, noise = (model.codec.decode(z, task)[0].arrays["pixels"] for z in (latents, start))
    width, height = family.size
    options = {
        "prompt": PROMPT, "guidance_scale": family.guidance, "width": width, "height": height,
        "num_inference_steps": family.steps, **family.options,
    }  # fmt: skip
    options |= {"negative_prompt": family.negative} if family.negative else {}
    calls = {
        kind: pipeline(latents=family.pack(start).clone(), output_type=kind, **options).images
        for kind in ("latent", "np")
    }
    result = family.pack(latents) if family.result is None else family.result(model, latents)
    assert error(result, calls["latent"]) < 1e-5
    assert np.abs(picture - calls["np"][0]).max() < 1e-4
    assert picture.shape == (height, width, 3)
    assert picture.std() > 0.05, "the picture is empty"
    assert np.abs(picture - noise).max() > 0.05, "the picture hardly depends on the latents"
    return model


def picture(width: int = 16, height: int = 16) -> Artifact:
    """Something to edit."""
    rows, columns = np.mgrid[:height, :width]
    return Artifact(
        "image",
        {
            "pixels": np.stack([rows / height, columns / width, (rows + columns) % 5 / 5], -1).astype(
                np.float32
            )
        },
    )


def hole(width: int = 16, height: int = 16) -> Artifact:
    """White where a picture is drawn anew."""
    pixels = np.zeros((height, width, 3), np.float32)
    pixels[4:12, 2:10] = 1
    return Artifact("image", {"pixels": pixels})


def make_freely(folder: Path, **params: object) -> None:
    """Run a checkpoint as its pipeline cannot: three solvers, a guidance, from a picture, within a mask."""
    model = gen.load(folder)
    options = {"steps": 3, "width": 64, "height": 64, "seed": 1, **params}
    first, *others = (
        model(PROMPT, solver=solver, **options).arrays["pixels"]
        for solver in ("dpmpp_2s", "dpmpp_2m_sde", "deis")
    )
    guided = model(PROMPT, solver="dpmpp_2s", guide="apg:eta=0", guidance=3.0, **options).arrays["pixels"]
    drawn = gen.Artifact("image", {"pixels": first})
    varied = model(PROMPT, init=drawn, strength=0.5, **options).arrays["pixels"]
    marks = np.zeros((64, 64, 3), np.float32)
    marks[:32] = 1
    mask = gen.Artifact("image", {"pixels": marks})
    filled = model(PROMPT, init=drawn, mask=mask, **options).arrays["pixels"]
    assert np.array_equal(filled[33:], first[33:])
    made = [first, *others, guided, varied, filled]
    assert all(np.isfinite(pixels).all() and pixels.std() > 0.02 for pixels in made)
    assert all(np.abs(one - other).max() > 1e-5 for one, other in itertools.combinations(made, 2))
