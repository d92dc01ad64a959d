"""The base class of solvers: a frozen configuration with one pure function, whose state is passed in and out.

The notation is that of DDIM and VDM: t is the level of x, s the level that a step goes to, and

    x_t = alpha_t x0 + sigma_t eps,   lambda = log_snr = log(alpha / sigma),   h = lambda_s - lambda_t.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise

Denoise: TypeAlias = Callable[[Tensor, Level[float]], Prediction]
"""(x, level) -> Prediction: a denoiser with its conditioning."""


class Past(NamedTuple):
    """A prediction made at an earlier level: x0 or eps, whichever its solver works in."""

    level: Level[float]
    value: Tensor


State: TypeAlias = tuple[Any, ...]
"""What a solver remembers, read by that solver alone; () at the start. Can be pickled."""


class Update(NamedTuple):
    """The result of one step.

    Args:
        x: The new state of the data (B, ...).
        state: The solver's memory.
        x0: The predicted data.
        std: Standard deviation of the noise in x: one for all, or (B, ...); 0 where there is no z.
        z: The standard normal draw in x, so that x = mean + std z; None where the step is certain, or where x
            is not Gaussian given the state before, as the network was asked about a state with noise in it.
    """

    x: Tensor
    state: State
    x0: Tensor
    std: float | Tensor = 0.0
    z: Tensor | None = None


class Solver(ABC):
    """Carries x from one noise level to another: x_s given x_t."""

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise."""
        return False

    def on(self, levels: Sequence[Level[float]]) -> Solver:  # noqa: ARG002
        """This solver for a run over ``levels``, first to last; solvers that need no more than (t, s) return
        themselves."""
        return self

    @abstractmethod
    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        """One step.

        Args:
            state: ``Update.state`` of the previous step; () in the first.
            x: x_t, (B, ...).
            denoise: (x, level) -> the prediction at that level; one call is one function evaluation.
            t: The level of x, with sigma_t > 0.
            s: The level to go to.
            noise: The step's own noise: (like, name) -> standard normal.

        Returns:
            x_s, with the predicted data and the next state.
        """


def affine(x: Tensor, scale: float, *terms: tuple[float, Tensor]) -> Tensor:
    """scale * x + sum of c * tensor over ``terms``, in one new tensor."""
    if scale == 1 and terms:
        result, terms = torch.add(x, terms[0][1], alpha=terms[0][0]), terms[1:]
    else:
        result = x * scale
    for factor, tensor in terms:
        result.add_(tensor, alpha=factor)
    return result


def implied(prediction: Prediction, x: Tensor, level: Level[float]) -> Tensor:
    """The state that a prediction speaks of: x, or alpha x0 + sigma eps where it has an eps of its own.

    A solver that goes on from this state follows the separate eps with no formula of its own. In first order
    x_s = alpha_s x0 + sigma_s eps, which is CFG++ (Chung et al. 2024, arXiv 2406.08070, algorithm 2).
    """
    return x if prediction.eps is None else affine(prediction.x0, level.alpha, (level.sigma, prediction.eps))


def decay(t: Level[float], s: Level[float]) -> float:
    """e**-h = alpha_t sigma_s / (alpha_s sigma_t): 0 from pure noise and to clean data, inf to pure noise."""
    denominator = s.alpha * t.sigma
    return t.alpha * s.sigma / denominator if denominator > 0 else math.inf


def between(t: Level[float], s: Level[float], fraction: float) -> Level[float]:
    """The level a fraction of the way in log_snr; of no process, and with a t that only names the place.

    alpha and sigma are interpolated geometrically, so all three levels must have both above 0.
    """

    def mean(a: float, b: float) -> float:
        return a ** (1 - fraction) * b**fraction

    return Level(t.t + fraction * (s.t - t.t), mean(t.alpha, s.alpha), mean(t.sigma, s.sigma))
