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

from gen.diffusion.denoiser import Output, Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise

Denoise: TypeAlias = Callable[[Tensor, Level[float]], Prediction]
"""(x, level) -> Prediction: a denoiser with its conditioning."""


NEARLY_NOISE = Level(1.0, 0.001, 1.0)
ROUNDING = 1e-14


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
        predicted: The predicted data (B, ...), or the prediction that gives it.
        std: Standard deviation of the noise in x: one for all, or (B, ...); 0 where there is no z.
        z: The standard normal draw in x, so that x = mean + std z; None where the step is certain, or where x
            is not Gaussian given the state before, as the network was asked about a state with noise in it.
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
    """Carries x from one noise level to another: x_s given x_t."""

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise."""
        return False

    @property
    def corrects(self) -> bool:
        """Whether a step first corrects the one before, so that x must be as that one left it."""
        return False

    def on(self, levels: Sequence[Level[float]]) -> Solver:
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


def affine(x: Tensor, scale: float, *terms: tuple[float, Tensor | None]) -> Tensor:
    """scale x + sum of c * tensor over ``terms``, as a new tensor; terms without a tensor are left out."""
    given = [(factor, tensor) for factor, tensor in terms if tensor is not None]
    if len(given) == 1 and abs(scale + given[0][0] - 1) < ROUNDING:
        return torch.lerp(given[0][1], x, scale)  # on flows: one pass over memory in place of two
    result = None if abs(scale - 1) < ROUNDING else x * scale
    for factor, tensor in given:
        if result is None:
            result = torch.add(x, tensor, alpha=factor)
        else:
            result.add_(tensor, alpha=factor)
    return x.clone() if result is None else result


def step_by(
    prediction: Prediction, x: Tensor, scale: float, of_x0: float, *terms: tuple[float, Tensor | None]
) -> Tensor:
    """scale x + of_x0 x0 + terms, as ``affine``, where x0 = c_skip x + c_out F is put in where it is known:

        (scale + of_x0 c_skip) x + of_x0 c_out F + terms

    Args:
        prediction: That of x0, for x or for a state that differs from it.
        x: The state (B, ...).
        scale: Factor of x.
        of_x0: Factor of x0.
        terms: (factor, tensor) to add.
    """
    data = prediction.data
    if isinstance(data, Output) and data.x is x:
        return affine(x, scale + of_x0 * data.c_skip, (of_x0 * data.c_out, data.F), *terms)
    return affine(x, scale, (of_x0, prediction.x0), *terms)


def implied(prediction: Prediction, x: Tensor, level: Level[float]) -> Tensor:
    """alpha x0 + sigma eps of the prediction: x itself, unless the prediction has an eps of its own.

    A solver that starts from it follows the separate eps without a formula of its own. In first order
    x_s = alpha_s x0 + sigma_s eps, which is CFG++ (Chung et al. 2024, arXiv 2406.08070, algorithm 2).
    """
    return x if prediction.eps is None else affine(prediction.x0, level.alpha, (level.sigma, prediction.eps))


def log_snr(level: Level[float]) -> float:
    """lambda = log(alpha / sigma): -inf for pure noise, inf for clean data."""
    return level.log_snr


def rho(level: Level[float]) -> float:
    """rho = sigma / alpha, the sigma of EDM: inf for pure noise, 0 for clean data."""
    return level.sigma / level.alpha if level.alpha > 0 else math.inf


def flow_time(level: Level[float]) -> float:
    """u = sigma / (alpha + sigma), the time of a rectified flow: 1 for pure noise, 0 for clean data."""
    return level.sigma / (level.alpha + level.sigma)


def history(
    state: Sequence[Past], t: Level[float], s: Level[float], time: Callable[[Level[float]], float] = log_snr
) -> list[Past]:
    """The earlier predictions that a polynomial for the step from t to s can pass through, newest first.

    They are those that lead to t in the direction of s; the first other one, from before noise was added
    anew, and all before it are left out. A step of size 0 or infinity has none. A prediction from pure noise
    at an infinite time counts as one from alpha / sigma = 1 / 1000, where x0 is as good as the same.

    Args:
        state: Earlier predictions, newest first.
        t: Where the step starts.
        s: Where it ends.
        time: The variable of the polynomial.
    """
    last, step = time(t), time(s) - time(t)
    found: list[Past] = []
    if step == 0 or not math.isfinite(step):
        return found
    for past in state:
        earlier = past if math.isfinite(time(past.level)) else past._replace(level=NEARLY_NOISE)
        if not 0 < (last - time(earlier.level)) / step < math.inf:
            break
        found.append(earlier)
        last = time(earlier.level)
    return found


def decay(t: Level[float], s: Level[float]) -> float:
    """e**-h = alpha_t sigma_s / (alpha_s sigma_t): 0 from pure noise and to clean data, inf to pure noise."""
    denominator = s.alpha * t.sigma
    return t.alpha * s.sigma / denominator if denominator > 0 else math.inf


def steps_left(levels: Sequence[Level[float]], s: Level[float]) -> float:
    """The number of steps that a run over ``levels`` has left at the start of the one to s, that included.

    Args:
        levels: The last levels of the run; of none, the number is infinite.
        s: Where the step ends; of a level that is not among them, the number is infinite.
    """
    return len(levels) - levels.index(s) if s in levels else math.inf


def between(t: Level[float], s: Level[float], fraction: float) -> Level[float]:
    """The level a fraction of the way in log_snr; of no process, and with a t that only names the place.

    alpha and sigma are interpolated geometrically, so all three levels must have both above 0.
    """

    def mean(a: float, b: float) -> float:
        return a ** (1 - fraction) * b**fraction

    return Level(t.t + fraction * (s.t - t.t), mean(t.alpha, s.alpha), mean(t.sigma, s.sigma))
