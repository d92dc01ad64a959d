"""Forward processes: how data turns into noise, x_t = alpha(t) * x0 + sigma(t) * eps, t from 0 to 1."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from torch import Tensor

from gen.diffusion.level import Level, broadcast
from gen.diffusion.real import (
    Real,
    angle_of,
    clip,
    cos,
    exp,
    expm1,
    interpolate,
    log,
    sin,
    softplus,
    sqrt,
    where,
)

HALF_PI = math.pi / 2


class Process(ABC):
    """A Gaussian forward process. Subclasses are frozen dataclasses that give the five functions of time.

    Every function takes a float, or a float64 tensor with one time per item, and returns the same type.
    """

    @abstractmethod
    def alpha(self, t: Real) -> Real:
        """Factor of the data; falls from 1 at t = 0."""

    @abstractmethod
    def sigma(self, t: Real) -> Real:
        """Factor of the noise; rises from 0 at t = 0."""

    @abstractmethod
    def d_alpha(self, t: Real) -> Real:
        """d alpha / d t."""

    @abstractmethod
    def d_sigma(self, t: Real) -> Real:
        """d sigma / d t."""

    @abstractmethod
    def t_of_log_snr(self, log_snr: Real) -> Real:
        """The time in [0, 1] whose level has this log_snr (the nearest end when none has)."""

    def level(self, t: Real) -> Level[Real]:
        """The level at time ``t`` in [0, 1]."""
        return Level(t, self.alpha(t), self.sigma(t))

    def diffuse(self, x0: Tensor, eps: Tensor, level: Level[Real]) -> Tensor:
        """x_t = alpha * x0 + sigma * eps.

        Args:
            x0: Data (B, ...).
            eps: Standard normal noise of the same shape.
            level: One level, or one per item.
        """
        return broadcast(level.alpha, x0) * x0 + broadcast(level.sigma, x0) * eps

    def prior_scale(self, level: Level[float]) -> float:
        """Standard deviation of x_t for data of unit variance: what pure noise is scaled by at the start."""
        return math.hypot(level.alpha, level.sigma)


class _IntegratedBeta(Process):
    """dx = -beta(t)/2 x dt + sqrt(beta(t)) dw, so that alpha = exp(-B/2) with B(t) = int_0^t beta."""

    @abstractmethod
    def beta(self, t: Real) -> Real:
        """Rate of the noise at time t."""

    @abstractmethod
    def beta_integral(self, t: Real) -> Real:
        """B(t), the integral of beta from 0 to t."""

    @abstractmethod
    def t_of_beta_integral(self, integral: Real) -> Real:
        """The inverse of ``beta_integral``."""

    def alpha(self, t: Real) -> Real:
        return exp(-self.beta_integral(t) / 2)

    def sigma(self, t: Real) -> Real:
        return sqrt(-expm1(-self.beta_integral(t)))

    def d_alpha(self, t: Real) -> Real:
        return -self.beta(t) / 2 * self.alpha(t)

    def d_sigma(self, t: Real) -> Real:
        sigma = self.sigma(t)
        # sigma grows like sqrt(t): its slope at t = 0 is infinite.
        slope = self.beta(t) / 2 * self.alpha(t) ** 2 / where(sigma, sigma, sigma + 1)
        return where(sigma, slope, slope * 0 + math.inf)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        # alpha**2 = sigmoid(2 lambda), hence B = -log alpha**2 = softplus(-2 lambda).
        return clip(self.t_of_beta_integral(softplus(-2 * log_snr)), 0.0, 1.0)


@dataclass(frozen=True)
class VariancePreserving(_IntegratedBeta):
    """The VP process with linear or scaled-linear betas in continuous time.

    Linear: beta(t) = beta_min + t (beta_max - beta_min) (Song et al. 2021, arXiv 2011.13456, eq. 32).
    Scaled linear: sqrt(beta) is linear in t (Rombach et al. 2022, arXiv 2112.10752, code).

    Args:
        beta_min: beta(0) > 0. A discrete beta of a chain of N steps is beta / N.
        beta_max: beta(1) > beta_min.
        betas: "linear" or "scaled_linear".

    Raises:
        ValueError: The betas are not 0 < beta_min < beta_max, or ``betas`` is unknown.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    betas: Literal["linear", "scaled_linear"] = "linear"

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max < math.inf:
            raise ValueError(f"betas must be 0 < beta_min < beta_max, not {self.beta_min}, {self.beta_max}")
        if self.betas not in ("linear", "scaled_linear"):
            raise ValueError(f"betas must be 'linear' or 'scaled_linear', not {self.betas!r}")

    @property
    def _roots(self) -> tuple[float, float]:
        low = math.sqrt(self.beta_min)
        return low, math.sqrt(self.beta_max) - low

    def beta(self, t: Real) -> Real:
        if self.betas == "linear":
            return self.beta_min + t * (self.beta_max - self.beta_min)
        low, rise = self._roots
        return (low + t * rise) ** 2

    def beta_integral(self, t: Real) -> Real:
        if self.betas == "linear":
            return t * (self.beta_min + t * (self.beta_max - self.beta_min) / 2)
        low, rise = self._roots
        return t * (low**2 + t * (low * rise + t * rise**2 / 3))

    def t_of_beta_integral(self, integral: Real) -> Real:
        if self.betas == "linear":
            rise = self.beta_max - self.beta_min
            # The root in the form that keeps its digits when B is small; B may be infinite.
            finite = clip(integral, 0.0, 1e6)
            return 2 * finite / (self.beta_min + sqrt(self.beta_min**2 + 2 * rise * finite))
        low, climb = self._roots
        cube = clip(integral, 0.0, 1e6) * 3 * climb + low**3
        return (exp(log(cube) / 3) - low) / climb


@dataclass(frozen=True)
class Cosine(Process):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2) (Nichol & Dhariwal 2021, 2102.09672, eq. 17, s = 0)."""

    def alpha(self, t: Real) -> Real:
        return sin(HALF_PI * (1 - t))  # exactly 0 at t = 1, which cos(pi / 2) is not

    def sigma(self, t: Real) -> Real:
        return sin(HALF_PI * t)

    def d_alpha(self, t: Real) -> Real:
        return -HALF_PI * sin(HALF_PI * t)

    def d_sigma(self, t: Real) -> Real:
        return HALF_PI * cos(HALF_PI * t)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return angle_of(log_snr) / HALF_PI


@dataclass(frozen=True)
class VarianceExploding(Process):
    """alpha = 1, sigma = sigma_min (sigma_max / sigma_min)**t for t > 0, and 0 at t = 0.

    Song et al. 2021 (arXiv 2011.13456), eq. 30 and the jump at t = 0 that their appendix C describes.

    Args:
        sigma_min: The smallest noise, > 0, in units of the data.
        sigma_max: The largest noise, > sigma_min.

    Raises:
        ValueError: Not 0 < sigma_min < sigma_max.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(
                f"sigmas must be 0 < sigma_min < sigma_max, not {self.sigma_min}, {self.sigma_max}"
            )

    @property
    def _log_ratio(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def alpha(self, t: Real) -> Real:
        return t * 0 + 1

    def sigma(self, t: Real) -> Real:
        return where(t, self.sigma_min * exp(self._log_ratio * t), t * 0)

    def d_alpha(self, t: Real) -> Real:
        return t * 0

    def d_sigma(self, t: Real) -> Real:
        return self._log_ratio * self.sigma_min * exp(self._log_ratio * t)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        t = (-log_snr - math.log(self.sigma_min)) / self._log_ratio
        return clip(t, 0.0, 1.0)


@dataclass(frozen=True)
class RectifiedFlow(Process):
    """alpha = 1 - t, sigma = t (Liu et al. 2023, arXiv 2209.03003; Lipman et al. 2023, arXiv 2210.02747)."""

    def alpha(self, t: Real) -> Real:
        return 1 - t

    def sigma(self, t: Real) -> Real:
        return t

    def d_alpha(self, t: Real) -> Real:
        return t * 0 - 1

    def d_sigma(self, t: Real) -> Real:
        return t * 0 + 1

    def t_of_log_snr(self, log_snr: Real) -> Real:
        # t = sigmoid(-lambda) = exp(-softplus(lambda))
        return exp(-softplus(log_snr))


@dataclass(frozen=True)
class DiscreteBetas(Process):
    """A chain of N variance-preserving steps (Ho et al. 2020, arXiv 2006.11239, eq. 4), made continuous.

    Step i (counted from 0) stands at t = (i + 1) / N, where alpha**2 is the product of (1 - beta) up to i;
    t = 0 is the data. Between the steps the angle phi, with alpha = cos(phi) and sigma = sin(phi), is linear
    in t: finite everywhere, also at a last beta of 1 (zero terminal signal).

    Args:
        betas: N >= 1 numbers in (0, 1); the last may be 1.

    Raises:
        ValueError: No betas, or one outside (0, 1).
    """

    betas: tuple[float, ...]

    def __init__(self, betas: Sequence[float]) -> None:
        values = tuple(float(beta) for beta in betas)
        if not values or not all(0 < beta < 1 for beta in values[:-1]) or not 0 < values[-1] <= 1:
            raise ValueError("betas must be at least one number, each in (0, 1); only the last may be 1")
        object.__setattr__(self, "betas", values)

    @cached_property
    def _times(self) -> tuple[float, ...]:
        steps = len(self.betas)
        return tuple(i / steps for i in range(steps + 1))

    @cached_property
    def _angles(self) -> tuple[float, ...]:
        angles, log_alpha_squared = [0.0], 0.0
        for beta in self.betas:
            log_alpha_squared += math.log1p(-beta) if beta < 1 else -math.inf
            angles.append(
                math.atan2(math.sqrt(-math.expm1(log_alpha_squared)), math.exp(log_alpha_squared / 2))
            )
        return tuple(angles)

    def alpha(self, t: Real) -> Real:
        return sin(HALF_PI - interpolate(t, self._times, self._angles)[0])

    def sigma(self, t: Real) -> Real:
        return sin(interpolate(t, self._times, self._angles)[0])

    def d_alpha(self, t: Real) -> Real:
        angle, slope = interpolate(t, self._times, self._angles)
        return -slope * sin(angle)

    def d_sigma(self, t: Real) -> Real:
        angle, slope = interpolate(t, self._times, self._angles)
        return slope * cos(angle)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return interpolate(angle_of(log_snr), self._angles, self._times)[0]


@dataclass(frozen=True)
class Shifted(Process):
    """``inner`` run on a warped clock, so that log_snr(t) = inner.log_snr(t) - log(shift) within its range.

    For rectified flow the clock is tau = s t / (1 + (s - 1) t) (Esser et al. 2024, arXiv 2403.03206, eq. 23);
    for any process it is the shift of Hoogeboom et al. 2023 (arXiv 2301.11093, sec. 3.1). A process whose
    noise ends above alpha = 0 keeps that end.

    Args:
        inner: The process to shift.
        shift: s > 0; above 1 means more noise at the same time.
    """

    inner: Process
    shift: float

    def __post_init__(self) -> None:
        if not 0 < self.shift < math.inf:
            raise ValueError(f"shift must be a finite number above 0, not {self.shift}")

    def _clock(self, t: Real) -> Real:
        return self.inner.t_of_log_snr(self.inner.level(t).log_snr - math.log(self.shift))

    def _speed(self, t: Real) -> Real:
        """d tau / d t, from tan(phi(tau)) = s tan(phi(t)), tan(phi) = sigma / alpha."""
        here, there = self.inner.level(t), self.inner.level(self._clock(t))
        ratio = self._wronskian(here) / self._wronskian(there)
        # Two forms of one number; each is 0/0 at the other's end.
        near_data = here.alpha - here.sigma
        low = self.shift * (there.alpha / where(near_data, here.alpha, here.alpha * 0 + 1)) ** 2
        high = (there.sigma / where(near_data, here.sigma * 0 + 1, here.sigma)) ** 2 / self.shift
        return ratio * where(near_data, low, high)

    def _wronskian(self, level: Level[Real]) -> Real:
        return level.alpha * self.inner.d_sigma(level.t) - level.sigma * self.inner.d_alpha(level.t)

    def alpha(self, t: Real) -> Real:
        return self.inner.alpha(self._clock(t))

    def sigma(self, t: Real) -> Real:
        return self.inner.sigma(self._clock(t))

    def d_alpha(self, t: Real) -> Real:
        return self.inner.d_alpha(self._clock(t)) * self._speed(t)

    def d_sigma(self, t: Real) -> Real:
        return self.inner.d_sigma(self._clock(t)) * self._speed(t)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return self.inner.t_of_log_snr(log_snr + math.log(self.shift))


def shifted(process: Process, shift: float) -> Process:
    """``process`` with its log_snr lowered by log(shift); the process itself when ``shift`` is 1.

    Raises:
        ValueError: ``shift`` is not a finite number above 0.
    """
    return process if shift == 1 else Shifted(process, shift)
