"""Our run of a checkpoint, and that of diffusers' own pipeline, from the same noise on the same grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import ClassifierFree, NoiseSource, TimeGrid, guided
from gen.model import Edits, Model, Task
from gen.presets import solver
from gen.run.tensor_run import sample_tensor

PROMPT, NEGATIVE = "a red fox on tall grass", "tall fox"


def task_of(params: dict[str, object], **options: Any) -> Task:
    """A task of five steps at a guidance of 4."""
    made = Task(
        prompts=(PROMPT,), negatives=(NEGATIVE,), params=params, guidance=4.0, steps=5, noise=NoiseSource([7])
    )
    return replace(made, **options)


def picture(width: int, height: int, seed: int = 3) -> Artifact:
    """A random picture of whole numbers of 8 bits."""
    drawn = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return Artifact("image", {"pixels": (drawn / 255).astype(np.float32)})


def as_pil(artifact: Artifact) -> Image.Image:
    """A picture as diffusers take it."""
    return Image.fromarray((artifact.arrays["pixels"] * 255).round().astype(np.uint8))


def started(model: Model, task: Task, grid: TimeGrid | None = None) -> Tensor:
    """The noise that our run starts from."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    start = stage.prior(task, grid or stage.own_grid(task))
    assert isinstance(start, Tensor)
    return start


def ours(model: Model, task: Task, grid: TimeGrid | None = None) -> tuple[Tensor, np.ndarray]:
    """The latents at the end of our run, and the frames that they are decoded to."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task))
    grid = grid or stage.own_grid(task)
    given = model.codec.given(task)
    edits = Edits() if given is None else Edits(keep=given[0], known=given[1])
    denoiser = guided(stage.denoiser(task), stage.guidance(task, ClassifierFree(task.guidance)))
    state = sample_tensor(
        stage, stage.process, task, edits, denoiser, stage.encode(task), grid, solver("ddim"), lambda *_: None
    )
    [clip] = model.codec.decode(state, task)
    return state, clip.arrays["frames"]


def theirs(pipeline: Any, steps: int = 5, **options: Any) -> tuple[Tensor, np.ndarray]:
    """The latents at the end of their run, and the frames that they are decoded to."""
    seen: dict[str, Tensor] = {}

    def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.update(values)
        return {}

    made = pipeline(num_inference_steps=steps, output_type="np", callback_on_step_end=keep, **options)
    return seen["latents"], made.frames[0]


def check_equal(mine: tuple[Tensor, np.ndarray], other: tuple[Tensor, np.ndarray]) -> None:
    """Refuse latents that differ by 1e-5 of the largest one, and frames that differ by 1e-4."""
    assert mine[0].shape == other[0].shape
    assert float((mine[0] - other[0]).abs().max() / other[0].abs().max()) < 1e-5
    assert mine[1].shape == other[1].shape
    assert np.abs(mine[1] - other[1]).max() < 1e-4
    assert mine[1].std() > 0.05


def drawn(monkeypatch: pytest.MonkeyPatch, pipeline: Any, noise: Tensor) -> None:
    """Let a pipeline draw this noise."""
    module = __import__(type(pipeline).__module__, fromlist=["_"])
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: noise.clone())
