"""Checkpoints that make clips: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny
import tiny_clips
import torch
from video_parity import NEGATIVE, PROMPT, as_pil, check_equal, drawn, ours, picture, started, task_of, theirs

import gen
from gen.checkpoints import Checkpoint
from gen.diffusion import TimeGrid
from gen.errors import UsageError
from gen_video.families import animatediff, cogvideox, ltx, wan

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


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rotary_positional_embeddings": True},
        {"use_rotary_positional_embeddings": True, "patch_size_t": 2},
    ],
    ids=["2b", "5b", "1.5"],
)
def test_cogvideox(options: dict[str, Any], tmp_path: Path) -> None:
    pipeline = tiny_clips.cogvideox(**options)
    model = cogvideox.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    task = task_of({**WIDE, "width": 32})
    start = started(model, task).transpose(1, 2)
    made = theirs(pipeline, width=32, height=32, latents=start, max_sequence_length=12, **THEIRS)
    state, frames = ours(model, task)
    check_equal((state.transpose(1, 2), frames), made)


SQUARE = {"width": 16, "height": 16, "frames": 5}


def test_animatediff(tmp_path: Path) -> None:
    pipeline = tiny_clips.animatediff(timestep_spacing="leading")
    folder = tiny.saved(pipeline, tmp_path)
    model = animatediff.load(Checkpoint(folder), "cpu", "float32")
    task = task_of(SQUARE)
    options = {**THEIRS, "width": 16, "height": 16, "num_frames": 5, "latents": started(model, task)}
    made = theirs(pipeline, **options)
    check_equal(ours(model, task), made)
    # Stable Diffusion with the layers in a folder of their own.
    tiny.lively(tiny.unet(), 3.0).save_pretrained(folder / "unet")
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["diffusers", "UNet2DConditionModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    apart = animatediff.load(Checkpoint(folder), "cpu", "float32")
    check_equal(ours(apart, task), made)
    # What is longer than the layers see is made in pieces, and closed to a loop.
    sizes = {"width": 16, "height": 16, "frames": 8, "steps": 1, "seed": 1}
    longer, looped = (gen.video("a red fox", model=folder, loop=loop, **sizes) for loop in (False, True))
    assert longer.arrays["frames"].shape == looped.arrays["frames"].shape == (8, 16, 16, 3)
    assert not np.array_equal(longer.arrays["frames"], looped.arrays["frames"])


def test_ddim_of_diffusers_on_linspace_steps_beside_its_own_grid(tmp_path: Path) -> None:
    pipeline = tiny_clips.animatediff(timestep_spacing="linspace")
    model = animatediff.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    task = task_of(SQUARE, steps=4)
    start = started(model, task)
    options = {**THEIRS, "width": 16, "height": 16, "num_frames": 5, "steps": 4}
    mine = ours(model, task)
    made = theirs(pipeline, **options, latents=start)
    assert float((mine[0] - made[0]).abs().max() / made[0].abs().max()) > 1e-2
    # Their Euler sampler, the same rule, on the same steps; it scales the first noise by sigma.
    config = {**pipeline.scheduler.config, "timestep_spacing": "linspace"}
    pipeline.scheduler = diffusers.EulerDiscreteScheduler.from_config(config)
    pipeline.scheduler.set_timesteps(4)
    sigma = float(pipeline.scheduler.sigmas[0])
    check_equal(mine, theirs(pipeline, **options, latents=start * (1 + sigma**-2) ** 0.5))


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
