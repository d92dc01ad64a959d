"""Checkpoints that make sound: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

import gen
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, NoiseSource, guided, sample
from gen.errors import UsageError
from gen.model import Model, Task
from gen.presets import solver
from gen_audio.families import stable_audio

PROMPT = "a red fox on tall grass"


def ours(model: Model, task: Task) -> tuple[Tensor, Tensor]:
    """The noise that our run starts from, and the latents at its end."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    grid = stage.own_grid(task)
    start = stage.prior(task, grid)
    denoiser = guided(stage.denoiser(task), stage.guidance(task, ClassifierFree(task.guidance)))
    made = sample(
        denoiser, stage.process, grid, solver(model.defaults.solver),
        x=start, conditioning=stage.encode(task), noise=task.noise,
    )  # fmt: skip
    return start, made.x


@pytest.mark.parametrize("negative", [None, "tall fox"])
def test_stable_audio(negative: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = tiny.stable_audio()
    model = stable_audio.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    noise = NoiseSource([7])
    task = Task(
        prompts=(PROMPT,), negatives=negative and (negative,), params={"duration": 1.2, "channels": "stereo"},
        guidance=4.0, steps=6, noise=noise,
    )  # fmt: skip

    class Draws:
        """The draws of our run, in the place of their Brownian path."""

        def __init__(self, x: Tensor, **_: object) -> None:
            self.shape, self.index = x.shape[1:], 0

        def __call__(self, *_: object) -> Tensor:
            self.index += 1
            return noise.normal(self.shape, "step", self.index - 1)

    module = "diffusers.schedulers.scheduling_cosine_dpmsolver_multistep"
    monkeypatch.setattr(f"{module}.BrownianTreeNoiseSampler", Draws)
    with torch.inference_mode():
        start, latents = ours(model, task)
        sound = model.codec.decode(latents, task)[0]
        theirs = [
            pipeline(
                prompt=PROMPT, negative_prompt=negative, audio_end_in_s=1.2, guidance_scale=4.0,
                num_inference_steps=6, latents=start.clone(), output_type=kind,
            ).audios
            for kind in ("latent", "np")
        ]  # fmt: skip
    assert float((latents - theirs[0]).abs().max() / theirs[0].abs().max()) < 1e-5
    samples = sound.arrays["samples"]
    assert sound.attributes["sample_rate"] == 100
    assert samples.shape == (2, 120)
    assert np.abs(samples - theirs[1][0].clip(-1, 1)).max() < 1e-4
    assert samples.std() > 0.01


def test_a_folder_from_python(tmp_path: Path) -> None:
    folder = tiny.saved(tiny.stable_audio(), tmp_path / "tiny-audio")
    sound = gen.audio("a fox", model=folder, steps=1, duration=1, channels="mono", sample_rate=8000, seed=1)
    assert sound.arrays["samples"].shape == (1, 8000)
    whole = gen.audio("a fox", model=folder, steps=1, seed=1, sample_rate=8000)
    assert whole.arrays["samples"].shape == (2, 12_800)
    for options, message in (({"duration": 2.0}, "at most 1.6 s, not 2 s"), ({"bpm": 120}, "knows no bpm")):
        with pytest.raises(UsageError, match=message):
            gen.audio("a fox", model=folder, steps=1, **options)
