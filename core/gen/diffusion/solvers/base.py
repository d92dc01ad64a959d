"""The base class of solvers: a frozen configuration with one pure function, whose state is passed in and out.

The notation is that of DDIM and VDM: t is the level of x, s the level that a step goes to, and

    x_t = alpha_t x0 + sigma_t eps,   lambda = log_snr = log(alpha / sigma),   h = lambda_s - lambda_t.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from gen.diffusion.arguments import check_not_negative
from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise

Denoise: TypeAlias = Callable[[Tensor, Level[float]], Prediction]
"""(x, level) -> Prediction: a denoiser with its conditioning."""

State: TypeAlias = tuple[Any, ...]
"""A solver's memory, read by that solver alone; () at the start. Can be pickled."""

Target = Literal["x0", "eps"]
"""The prediction that a solver integrates."""

ROUNDING = 1e-14
"""Coefficients that differ by less are the same."""

NEARLY_NOISE = 15.0
"""The quotient of ``first_order_only``, above those of the grids of EDM and Stable Diffusion in 5 steps."""


class Update(NamedTuple):
    """The result of one step.

    Args:
        x: The new state of the data (B, ...).
        state: The solver's memory.
        predicted: The predicted data (B, ...), or the prediction that gives it.
        std: Standard deviation of the noise in x: one for all, or (B, ...); 0 where there is no z.
        z: The standard normal draw in x, so that x = mean + std z; None where the step is deterministic, or
            where x given the state before is not Gaussian, as the network's input had noise of this step.
    """

    x: Tensor
    state: State
    predicted: Tensor | Prediction
    std: float | Tensor = 0.0
    z: Tensor | None = None

    @property
    def x0(self) -> Tensor:
        """The predicted data (B, ...)."""
        return self.predicted.x0 if isinstance(self.predicted, Prediction) else self.predicted


class Solver(ABC):
    """Carries x from one noise level to another: x_s given x_t.

    Solvers are frozen dataclasses. They refuse arguments out of range by a ValueError when they are made.
    """

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise."""
        return False

    @property
    def of_tokens(self) -> bool:
        """Whether the state is one of tokens, int64, and not of numbers."""
        return False

    @property
    def corrects(self) -> bool:
        """Whether a step first corrects the one before, so that x must be as that one left it."""
        return False

    @property
    def from_data(self) -> bool:
        """Whether a step may start at clean data, sigma_t = 0."""
        return False

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        """This solver for a run over ``levels``, first to last; solvers that need no more than (t, s) return
        themselves."""
        return self

    @abstractmethod
    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        """One step.

        Args:
            state: ``Update.state`` of the previous step; () in the first.
            x: x_t, (B, ...).
            denoise: (x, level) -> the prediction at that level; one call is one function evaluation.
            t: The level of x; sigma_t > 0, but for ``from_data``.
            s: The level to go to.
            noise: The step's own noise: (like, name) -> standard normal.

        Returns:
            x_s, with the predicted data and the next state.
        """


class SDESolver(Solver):
    """A solver with noise of strength eta, a finite number of at least 0: 0 is the ODE, 1 the SDE."""

    @property
    @abstractmethod
    def eta(self) -> float:
        """Strength of the noise."""

    def __post_init__(self) -> None:
        check_not_negative(eta=self.eta)

    @property
    def stochastic(self) -> bool:
        return self.eta > 0


def affine(x: Tensor, scale: float, *terms: tuple[float, Tensor | None]) -> Tensor:
    """scale x + sum of c * tensor over ``terms``, as a new tensor; terms without a tensor are left out."""
    given = [(factor, tensor) for factor, tensor in terms if tensor is not None]
    if not given:
        return x * scale
    (factor, tensor), *rest = given
    if -ROUNDING < scale - 1 < ROUNDING:
        result = torch.add(x, tensor, alpha=factor)
    elif not rest and -ROUNDING < scale + factor - 1 < ROUNDING:
        return torch.lerp(tensor, x, scale)  # on flows: one pass over memory in place of two
    else:
        result = (x * scale).add_(tensor, alpha=factor)
    for factor, tensor in rest:
        result.add_(tensor, alpha=factor)
    return result


def implied(prediction: Prediction, x: Tensor, level: Level[float]) -> Tensor:
    """alpha x0 + sigma eps of the prediction: x itself, unless the prediction has an eps of its own.

    A solver that starts from it follows the separate eps without a formula of its own. In first order
    x_s = alpha_s x0 + sigma_s eps, which is CFG++ (Chung et al. 2024, arXiv 2406.08070, algorithm 2).
    """
    return x if prediction.eps is None else affine(prediction.x0, level.alpha, (level.sigma, prediction.eps))


def x0_of(denoise: Denoise, x: Tensor, t: Level[float]) -> tuple[Tensor, Tensor]:
    """The evaluation that a step in x0 begins with: (``implied`` x, x0)."""
    prediction = denoise(x, t)
    return implied(prediction, x, t), prediction.x0


def eps_of(denoise: Denoise, x: Tensor, t: Level[float]) -> tuple[Tensor, Tensor, Tensor]:
    """The evaluation that a step in eps begins with: (``implied`` x, eps, x0)."""
    prediction = denoise(x, t)
    x = implied(prediction, x, t)
    return x, prediction.noise(x, t), prediction.x0


def log_snr(level: Level[float]) -> float:
    """lambda = log(alpha / sigma): -inf for pure noise, inf for clean data."""
    return level.log_snr


def rho(level: Level[float]) -> float:
    """rho = sigma / alpha, the sigma of EDM: inf for pure noise, 0 for clean data."""
    return level.sigma / level.alpha if level.alpha > 0 else math.inf


def flow_time(level: Level[float]) -> float:
    """u = sigma / (alpha + sigma), the time of a rectified flow: 1 for pure noise, 0 for clean data."""
    return level.sigma / (level.alpha + level.sigma)


def decay(t: Level[float], s: Level[float]) -> float:
    """e**-h = alpha_t sigma_s / (alpha_s sigma_t): 0 from pure noise and to clean data, inf to pure noise."""
    denominator = s.alpha * t.sigma
    return t.alpha * s.sigma / denominator if denominator > 0 else math.inf


def infinite(t: Level[float], s: Level[float]) -> bool:
    """Whether h is infinite, from or to pure noise or to clean data: most steps are then of first order."""
    return min(t.alpha, s.alpha, s.sigma) == 0


def first_order_only(t: Level[float], s: Level[float], m: Level[float]) -> bool:
    """Whether a step in eps with an evaluation at m, between t and s, is to be of first order.

    It is where h is infinite and where t is nearly pure noise. On data of unit variance eps is that of pure
    noise but for a share of 1 / (2 rho**2), so that the evaluation changes x / alpha by rho_t / (2 rho_m**2),
    where the error of an Euler step is 1 / (2 rho_s); with rho_m and rho_s of at least 1, that of the data.
    """
    return infinite(t, s) or rho(t) * max(rho(s), 1.0) / max(rho(m), 1.0) ** 2 > NEARLY_NOISE


def x0_step(t: Level[float], s: Level[float]) -> tuple[float, float]:
    """(sigma_s / sigma_t, alpha_s (1 - e**-h)): the factors of x_t and x0 where x0 is constant."""
    scale = s.sigma / t.sigma
    return scale, s.alpha - t.alpha * scale


def eps_step(t: Level[float], s: Level[float]) -> tuple[float, float]:
    """(alpha_s / alpha_t, alpha_s (rho_s - rho_t)): the factors of x_t and eps where eps is constant.

    alpha_s (rho_s - rho_t) = -sigma_s (e**h - 1); alpha_t > 0.
    """
    scale = s.alpha / t.alpha
    return scale, s.sigma - t.sigma * scale


def between(t: Level[float], s: Level[float], fraction: float) -> Level[float]:
    """The level a fraction of the way in log_snr; of no process, and with a t that only names the place.

    alpha and sigma are interpolated geometrically, so all three levels must have both above 0.
    """

    def mean(a: float, b: float) -> float:
        return a ** (1 - fraction) * b**fraction

    return Level(t.t + fraction * (s.t - t.t), mean(t.alpha, s.alpha), mean(t.sigma, s.sigma))
