"""Checkpoints that make clips: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import pytest
import tiny
import torch
from video_parity import NEGATIVE, PROMPT, as_pil, check_equal, drawn, ours, picture, started, task_of, theirs

import gen
from gen.checkpoints import Checkpoint
from gen.diffusion import TimeGrid
from gen.errors import UsageError
from gen_video.families import ltx, wan

CLIP = {"width": 32, "height": 16, "frames": 9}
WIDE = {"width": 64, "height": 32, "frames": 9}
THEIRS = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 4.0, "num_frames": 9}


@pytest.fixture(autouse=True)
def _as_in_a_run() -> Any:
    with torch.inference_mode():
        yield


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
    task = task_of({**CLIP, **params})
    pipeline.scheduler.set_timesteps(5)
    grid = TimeGrid(tuple(map(float, pipeline.scheduler.sigmas)))
    start = started(model, task, grid)
    made = theirs(pipeline, width=32, height=16, latents=start.clone(), **THEIRS, **options)
    check_equal(ours(model, task, grid), made)


def test_wan_from_a_first_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # This pipeline fails without ftfy, which repairs broken texts.
    monkeypatch.setattr("diffusers.pipelines.wan.pipeline_wan_i2v.prompt_clean", str)
    parts = tiny.wan(expand_timesteps=True).components
    pipeline = diffusers.WanImageToVideoPipeline(**parts, expand_timesteps=True)
    model = wan.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    first = picture(32, 16)
    task = task_of({**CLIP, "first": first})
    pipeline.scheduler.set_timesteps(5)
    grid = TimeGrid(tuple(map(float, pipeline.scheduler.sigmas)))
    latents = started(model, task, grid)
    made = theirs(pipeline, image=as_pil(first), width=32, height=16, latents=latents, **THEIRS)
    state, frames = ours(model, task, grid)
    # Their first latents are put in place only behind the last step.
    check_equal((state[:, :, 1:], frames), (made[0][:, :, 1:], made[1]))


def test_ltx(tmp_path: Path) -> None:
    pipeline = tiny.ltx()
    model = ltx.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    task = task_of(WIDE)
    tokens = started(model, task).flatten(2).transpose(1, 2)
    made = theirs(pipeline, width=64, height=32, frame_rate=25, latents=tokens, **THEIRS)
    state, frames = ours(model, task)
    check_equal((state.flatten(2).transpose(1, 2), frames), made)


def test_ltx_from_a_first_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = diffusers.LTXImageToVideoPipeline(**tiny.ltx().components)
    model = ltx.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    first = picture(64, 32)
    task = task_of({**WIDE, "first": first})
    drawn(monkeypatch, pipeline, started(model, task))
    monkeypatch.setattr(
        "diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.sample",
        lambda distribution, generator=None: distribution.mode(),
    )
    made = theirs(pipeline, image=as_pil(first), width=64, height=32, frame_rate=25, **THEIRS)
    state, frames = ours(model, task)
    check_equal((state.flatten(2).transpose(1, 2), frames), made)


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
