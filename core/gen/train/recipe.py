"""What a training run consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a stage is optimised.

    The learning rate rises linearly over ``warmup`` steps, stays, and falls along a cosine to zero over the
    last ``decay`` share of the steps; so a run can be prolonged from any checkpoint before the fall.

    Args:
        steps: Number of updates.
        rate: Learning rate of AdamW, for everything but the matrices.
        matrix_rate: Learning rate of Muon, for the matrices that the task names, if any.
        warmup: Updates of linear rise.
        decay: Share of the steps at the end, in (0, 1].
        ema: Decay of the exponential moving average of the weights, in [0, 1).
        clip: Largest norm of the gradient.
        weight_decay: Decoupled weight decay.
        seed: Seed of the initial weights and of every draw.
    """

    steps: int
    rate: float
    matrix_rate: float = 0.0
    warmup: int = 100
    decay: float = 0.4
    ema: float = 0.999
    clip: float = 1.0
    weight_decay: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Task:
    """A module and what to do with it.

    Args:
        module: Trained in place.
        loss: (module, generator) -> scalar. The generator is fresh for every step, seeded by the run's seed
            and the step, so that an interrupted run continues with the same draws.
        matrix: Whether the parameter of that name is a matrix for Muon; None: none is.
        preview: (module with averaged weights, path of a PNG) -> None; None: there is nothing to show.
    """

    module: nn.Module
    loss: Callable[[nn.Module, torch.Generator], Tensor]
    matrix: Callable[[str], bool] | None = None
    preview: Callable[[nn.Module, Path], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One module to train.

    Args:
        name: Names its checkpoint and its log.
        settings: How it is optimised.
        start: (modules of the stages before, by name, with averaged weights; device) -> Task.
    """

    name: str
    settings: Settings
    start: Callable[[Mapping[str, nn.Module], torch.device], Task]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stages in order, and the model file that comes out.

    Args:
        name: As on the command line.
        stages: Trained one after the other.
        export: (modules by stage name, history, path) -> None writes the model file. The history holds, by
            stage, steps, seconds and the last loss.
    """

    name: str
    stages: tuple[Stage, ...]
    export: Callable[[Mapping[str, nn.Module], Mapping[str, Mapping[str, float]], Path], None]
