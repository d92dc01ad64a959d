"""Checkpoints that make clips of a picture: ours beside diffusers' pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_clips
import torch
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    _resize_with_antialiasing,
)
from video_parity import as_pil, check_equal, drawn, ours, picture, started, task_of, theirs

import gen
from gen.checkpoints import Checkpoint
from gen.errors import UsageError
from gen_video.families import stable_video


@pytest.fixture(autouse=True)
def _as_in_a_run() -> Any:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def svd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    pipeline = tiny_clips.stable_video()
    return pipeline, tiny.saved(pipeline, tmp_path_factory.mktemp("tiny-svd"))


def test_stable_video(svd: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, folder = svd
    model = stable_video.load(Checkpoint(folder), "cpu", "float32")
    first = picture(32, 16)
    task = task_of({"width": 32, "height": 16, "first": first, "fps": "9", "motion_bucket": 60})
    drawn(monkeypatch, pipeline, task.noise.child("augment").normal((3, 16, 32), "picture"))
    latents = started(model, task).transpose(1, 2)
    made = theirs(
        pipeline, image=as_pil(first), width=32, height=16, fps=9, motion_bucket_id=60,
        max_guidance_scale=4.0, latents=latents,
    )  # fmt: skip
    state, frames = ours(model, task)
    check_equal((state.transpose(1, 2), frames), made)


def test_pictures_are_squashed_as_stable_video_does() -> None:
    pixels = torch.rand(31, 90, 3, generator=torch.Generator().manual_seed(1))
    theirs = _resize_with_antialiasing(pixels.permute(2, 0, 1)[None], (24, 24))
    assert torch.allclose(stable_video.squashed(pixels.numpy(), 24), theirs, atol=1e-5)


def test_stable_video_from_python(svd: tuple[Any, Path]) -> None:
    _, folder = svd
    options = {"model": folder, "width": 32, "height": 16, "steps": 1}
    clip = gen.video(first=picture(50, 40), seed=1, **options)
    assert clip.arrays["frames"].shape == (3, 16, 32, 3)
    assert clip.attributes["fps"] == "7"
    with pytest.raises(UsageError, match="makes clips of a picture"):
        gen.video(**options)
    with pytest.raises(UsageError, match="takes no prompt"):
        gen.video("a fox", first=picture(50, 40), **options)
    with pytest.raises(UsageError, match="takes no negative prompt"):
        gen.video(first=picture(50, 40), negative="a dog", **options)
