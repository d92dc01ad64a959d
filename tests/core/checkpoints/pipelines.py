"""Our run of a model of one stage, step by step, so that a reference can start from the same noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from gen import presets
from gen.diffusion import ClassifierFree, TimeGrid, guided, sample
from gen.model import Model, Task


def ours(
    model: Model,
    task: Task,
    solver: str = "",
    grid: TimeGrid | None = None,
    guided_by: Callable[[float], Any] = ClassifierFree,
) -> tuple[Tensor, Tensor]:
    """The noise that our run starts from, and the state at its end; by default as the checkpoint says."""
    [stage] = model.stages
    task = replace(task, shape=model.codec.shape(task), steps=grid.steps if grid else task.steps)
    grid = grid or stage.own_grid(task)
    denoiser = guided(stage.denoiser(task), stage.guidance(task, guided_by(task.guidance)))
    denoiser = denoiser if stage.clipping is None else stage.clipping(denoiser)
    start = stage.prior(task, grid)
    made = sample(
        denoiser, stage.process, grid, presets.solver(solver or model.defaults.solver),
        x=start, conditioning=stage.encode(task), noise=task.noise,
    )  # fmt: skip
    return start, made.x


def error(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the other's largest value."""
    return float((one - other).abs().max() / other.abs().max())
