"""Checkpoints that make clips of a picture: ours beside diffusers' pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_clips
import torch
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    _resize_with_antialiasing,
)
from safetensors.torch import save_file
from video_parity import NEGATIVE, PROMPT, as_pil, check_equal, drawn, ours, picture, started, task_of, theirs

import gen
from gen.checkpoints import Checkpoint
from gen.checkpoints.vision import square
from gen.diffusion import TimeGrid
from gen.errors import UsageError
from gen_video.families import cogvideox, stable_video, wan


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


CLIP = {"width": 32, "height": 16, "frames": 5}
TEXTS = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 4.0, "num_frames": 5}
WAN: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "2.1": (tiny_clips.wan_of_pictures, ("first",)),
    "2.1-between": (partial(tiny_clips.wan_of_pictures, between=True), ("first", "last")),
    "2.2": (
        partial(tiny_clips.wan_of_pictures, 2, looks=False, boundary_ratio=0.8),
        ("first", "last"),
    ),
}


@pytest.mark.parametrize("kind", WAN)
def test_wan_of_pictures(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # This pipeline fails without ftfy, which repairs broken texts.
    monkeypatch.setattr("diffusers.pipelines.wan.pipeline_wan_i2v.prompt_clean", str)
    build, ends = WAN[kind]
    pipeline = build()
    folder = tiny.saved(pipeline, tmp_path)
    model = wan.load(Checkpoint(folder), "cpu", "float32")
    given = {name: picture(32, 16, seed) for seed, name in enumerate(ends)}
    task = task_of({**CLIP, **given, "guidance_2": 4.0})
    pipeline.scheduler.set_timesteps(5)
    grid = TimeGrid(tuple(map(float, pipeline.scheduler.sigmas)))
    pictures = {"image": as_pil(given["first"])}
    if "last" in given:
        pictures["last_image"] = as_pil(given["last"])
    start = started(model, task, grid)
    made = theirs(pipeline, width=32, height=16, latents=start.clone(), **pictures, **TEXTS)
    check_equal(ours(model, task, grid), made)

    with pytest.raises(UsageError, match="makes clips of a picture"):
        gen.video("a red fox", model=folder, steps=1, **CLIP)
    if kind == "2.1":
        with pytest.raises(UsageError, match="knows no last"):
            gen.video("a red fox", model=folder, last=picture(32, 16), first=picture(32, 16), **CLIP)
    if kind == "2.1-between":
        with pytest.raises(UsageError, match="makes clips of two pictures"):
            gen.video("a red fox", model=folder, first=picture(32, 16), steps=1, **CLIP)


def test_transparency_is_white_for_clip() -> None:
    pixels = np.concatenate([picture(14, 10).arrays["pixels"], np.zeros((10, 14, 1), np.float32)], -1)
    assert torch.equal(square(pixels, 8), torch.ones(1, 3, 8, 8))


@pytest.mark.parametrize(
    "options",
    [
        {"use_rotary_positional_embeddings": True},
        {"use_rotary_positional_embeddings": True, "patch_size_t": 2, "ofs_embed_dim": 8},
    ],
    ids=["5b", "1.5"],
)
def test_cogvideox_of_a_picture(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = tiny_clips.cogvideox(pictured=True, **options)
    folder = tiny.saved(pipeline, tmp_path)
    model = cogvideox.load(Checkpoint(folder), "cpu", "float32")
    first = picture(32, 32)
    task = task_of({"width": 32, "height": 32, "frames": 9, "first": first})
    monkeypatch.setattr(
        "diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.sample",
        lambda distribution, generator=None: distribution.mode(),
    )
    start = started(model, task).transpose(1, 2)
    texts = {**TEXTS, "num_frames": 9, "max_sequence_length": 12}
    made = theirs(pipeline, image=as_pil(first), width=32, height=32, latents=start, **texts)
    state, frames = ours(model, task)
    check_equal((state.transpose(1, 2), frames), made)
    with pytest.raises(UsageError, match="makes clips of a picture"):
        gen.video("a red fox", model=folder, width=32, height=32, frames=9)


def test_a_lora_changes_cogvideox(tmp_path: Path) -> None:
    folder = tiny.saved(tiny_clips.cogvideox(), tmp_path / "tiny-cogvideox")
    layer, drawn = "transformer.transformer_blocks.0.attn1.to_v", torch.Generator().manual_seed(1)
    factors = {"A": torch.randn(2, 32, generator=drawn), "B": torch.randn(32, 2, generator=drawn)}
    save_file(
        {f"{layer}.lora_{name}.weight": one for name, one in factors.items()}, tmp_path / "style.safetensors"
    )
    options = {"model": folder, "width": 32, "height": 32, "frames": 9, "steps": 1, "seed": 1}
    plain, changed, undone = (
        gen.video("a red fox", **options, lora=lora).arrays["frames"]
        for lora in (None, tmp_path / "style.safetensors", f"{tmp_path}/style.safetensors:0")
    )
    assert np.abs(changed - plain).max() > 1e-3
    assert np.array_equal(undone, plain)
