"""Checkpoints that make clips: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

import gen
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, NoiseSource, TimeGrid, guided, sample
from gen.errors import UsageError
from gen.model import Model, Task
from gen.presets import solver
from gen_video.families import ltx, wan

PROMPT, NEGATIVE = "a red fox on tall grass", "tall fox"
CLIP = {"width": 32, "height": 16, "frames": 9}


def ours(model: Model, task: Task, grid: TimeGrid | None = None) -> tuple[Tensor, Tensor]:
    """The noise that our run starts from, and the latents at its end."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    grid = grid or stage.own_grid(task)
    guidance = stage.guidance(task, ClassifierFree(task.guidance))
    start = stage.prior(task, grid)
    made = sample(
        guided(stage.denoiser(task), guidance), stage.process, grid, solver("ddim"),
        x=start, conditioning=stage.encode(task), noise=task.noise,
    )  # fmt: skip
    return start, made.x


def task_of(**options: Any) -> Task:
    made = Task(
        prompts=(PROMPT,), negatives=(NEGATIVE,), params=CLIP, guidance=4.0, steps=5, noise=NoiseSource([7])
    )
    return replace(made, **options)


def error(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the other's largest value."""
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize(
    ("build", "options", "params"),
    [
        (tiny.wan, {}, {}),
        (partial(tiny.wan, 2, boundary_ratio=0.8), {"guidance_scale_2": 2.0}, {"guidance_2": 2.0}),
        (partial(tiny.wan, expand_timesteps=True), {}, {}),
    ],
    ids=["wan-2.1", "wan-2.2", "wan-2.2-small"],
)
def test_wan(build: Callable[[], Any], options: Any, params: Any, tmp_path: Path) -> None:
    pipeline = build()
    model = wan.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    task = task_of(params={**CLIP, **params})
    pipeline.scheduler.set_timesteps(5)
    grid = TimeGrid(tuple(map(float, pipeline.scheduler.sigmas)))
    with torch.inference_mode():
        start, latents = ours(model, task, grid)
        frames = model.codec.decode(latents, task)[0].arrays["frames"]
        theirs = [
            pipeline(
                prompt=PROMPT, negative_prompt=NEGATIVE, width=32, height=16, num_frames=9,
                guidance_scale=4.0, num_inference_steps=5, latents=start.clone(), output_type=kind, **options,
            ).frames
            for kind in ("latent", "np")
        ]  # fmt: skip
    assert error(latents, theirs[0]) < 1e-5
    assert frames.shape == (9, 16, 32, 3)
    assert np.abs(frames - theirs[1][0]).max() < 1e-4
    assert frames.std() > 0.05


WIDE = {"width": 64, "height": 32, "frames": 9}


def test_ltx(tmp_path: Path) -> None:
    pipeline = tiny.ltx()
    model = ltx.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    task = task_of(params=WIDE)
    with torch.inference_mode():
        start, latents = ours(model, task)
        frames = model.codec.decode(latents, task)[0].arrays["frames"]
        tokens = start.flatten(2).transpose(1, 2)
        theirs = [
            pipeline(
                prompt=PROMPT, negative_prompt=NEGATIVE, width=64, height=32, num_frames=9,
                guidance_scale=4.0, num_inference_steps=5, frame_rate=25,
                latents=tokens.clone(), output_type=kind,
            ).frames
            for kind in ("latent", "np")
        ]  # fmt: skip
    assert error(latents.flatten(2).transpose(1, 2), theirs[0]) < 1e-5
    assert np.abs(frames - theirs[1][0]).max() < 1e-4
    assert frames.std() > 0.05


def test_a_folder_from_python(tmp_path: Path) -> None:
    folder = tiny.saved(tiny.wan(), tmp_path / "tiny-wan")
    clip = gen.video("a red fox", model=folder, steps=1, seed=1, **CLIP)
    assert clip.arrays["frames"].shape == (9, 16, 32, 3)
    assert clip.attributes["fps"] == "16"
    longer = gen.video("a red fox", model=folder, steps=1, seconds=1, fps=8, width=32, height=16)
    assert longer.sizes["frames"] == 9
    for options, message in (
        ({"frames": 8}, "4 n \\+ 1 frames, not 8"),
        ({"loop": True}, "knows no loop"),
        ({"width": 24}, "width must be a multiple of 16"),
    ):
        with pytest.raises(UsageError, match=message):
            gen.video("a red fox", model=folder, **{**CLIP, **options})
