"""What a solver is. Each is a frozen configuration with one pure function; all state is passed in and out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise

Denoise: TypeAlias = Callable[[Tensor, Level[float]], Prediction]
"""A denoiser whose conditioning is settled."""


class Past(NamedTuple):
    """A prediction made at an earlier level."""

    level: Level[float]
    x0: Tensor


State: TypeAlias = tuple[Past, ...]
"""What a solver remembers: earlier predictions, the newest first; empty at the start. Can be pickled."""


class Update(NamedTuple):
    """The result of one step: the new state of the data, the solver's memory, and the predicted data."""

    x: Tensor
    state: State
    x0: Tensor


class Solver(Protocol):
    """Carries x from one level to the next."""

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise."""

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        here: Level[float],
        there: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        """One step.

        Args:
            state: What the previous step returned; () at first.
            x: The state (B, ...) at ``here``.
            denoise: Asked as often as the solver needs; every question is one function evaluation.
            here: Where x is; sigma > 0.
            there: Where to go.
            noise: The step's own noise.
        """


def affine(x: Tensor, scale: float, *terms: tuple[float, Tensor]) -> Tensor:
    """scale * x + sum of c * tensor over ``terms``, in one new tensor."""
    result = x * scale
    for factor, tensor in terms:
        result.add_(tensor, alpha=factor)
    return result


def decay(here: Level[float], there: Level[float]) -> float:
    """e**-h, h = log_snr(there) - log_snr(here): 0 from pure noise and to clean data, inf to pure noise."""
    denominator = there.alpha * here.sigma
    return here.alpha * there.sigma / denominator if denominator > 0 else math.inf
