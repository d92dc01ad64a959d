"""LTX-2, whose clips have sound: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny
import tiny_clips
import torch
from torch import Tensor
from video_parity import NEGATIVE, PROMPT, as_pil, check_equal, picture, task_of, theirs

import gen
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree
from gen.diffusion.joint import Part
from gen.model import Edits, Model, Task
from gen.presets import solver
from gen.run.joint_run import sample_parts
from gen_video.families import ltx_2

CLIP = {"width": 32, "height": 32, "frames": 5, "fps": "10"}
THEIRS = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "num_frames": 5,
    "width": 32,
    "height": 32,
    "frame_rate": 10,
    "guidance_scale": 4.0,
    "audio_guidance_scale": 2.0,
    # What they add to guidance away from the negative prompt, they take from further evaluations.
    **dict.fromkeys(("stg_scale", "audio_stg_scale", "guidance_rescale", "audio_guidance_rescale"), 0.0),
    **dict.fromkeys(("modality_scale", "audio_modality_scale"), 1.0),
}


@pytest.fixture(autouse=True)
def _as_in_a_run() -> Any:
    with torch.inference_mode():
        yield


def started(model: Model, task: Task) -> dict[str, Tensor]:
    """The noise that our run starts from."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    return dict(stage.prior(task, stage.own_grid(task)))


def ours(model: Model, task: Task) -> dict[str, Tensor]:
    """The latents at the end of our run."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    given = model.codec.given(task)
    edits = Edits() if given is None else Edits(keep=given[0], known=given[1])
    parts = {name: Part(process, solver("ddim")) for name, process in stage.process.items()}
    guidance = stage.guidance(task, ClassifierFree(task.guidance))
    assert isinstance(guidance, dict)
    return sample_parts(
        stage, stage.denoiser(task), parts, task, edits, stage.encode(task), guidance,
        stage.own_grid(task), lambda *_: None,
    )  # fmt: skip


@pytest.mark.parametrize("first", [None, picture(32, 32)], ids=["text", "first-frame"])
def test_ltx_2(first: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, options = tiny_clips.ltx_2(crossed=first is not None), {}
    if first is not None:
        pipeline = diffusers.LTX2ImageToVideoPipeline(**pipeline.components)
        options = {"image": as_pil(first), "image_crf": 0}
    folder = tiny.saved(pipeline, tmp_path / "tiny-ltx-2")
    model = ltx_2.load(Checkpoint(folder), "cpu", "float32")
    task = task_of({**CLIP, "first": first, "sound_guidance": 2.0})
    start = started(model, task)
    frames = start["frames"]
    if first is None:
        options = {"latents": frames.flatten(2).transpose(1, 2)}
    module = __import__(type(pipeline).__module__, fromlist=["_"])
    monkeypatch.setattr(
        module,
        "randn_tensor",
        lambda shape, **_: frames if tuple(shape) == frames.shape else torch.zeros(shape),
    )
    # They standardise what they are given of the sound, as if it were latents.
    mean, std = pipeline.audio_vae.latents_mean, pipeline.audio_vae.latents_std
    sound = start["sound"].transpose(1, 2).flatten(2) * std + mean
    heard = {}
    monkeypatch.setattr(
        pipeline.vocoder, "forward", lambda mel, run=pipeline.vocoder.forward: heard.setdefault(0, run(mel))
    )
    crossed = first is not None
    made = theirs(pipeline, audio_latents=sound, use_cross_timestep=crossed, **THEIRS, **options)
    state = ours(model, task)
    [clip] = model.codec.decode(state, task)
    check_equal((state["frames"].flatten(2).transpose(1, 2), clip.arrays["frames"]), made)
    waves = model.codec.waves(state["sound"])
    assert waves.shape == heard[0].shape
    assert float((waves - heard[0]).abs().max() / heard[0].abs().max()) < 1e-4
    assert clip.arrays["samples"].shape == (2, 100)
    clip = gen.video("a red fox", model=folder, steps=2, seed=1, first=first, **CLIP)
    assert np.abs(clip.arrays["samples"]).max() > 0.01
    assert clip.attributes["sample_rate"] == 200
