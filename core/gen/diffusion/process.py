"""Forward processes: how data turns into noise, x_t = alpha(t) * x0 + sigma(t) * eps, t from 0 to 1."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gen.diffusion.arguments import check_choice
from gen.diffusion.level import (
    Level,
    Real,
    Renoised,
    angle_of,
    asinh,
    clip,
    combine,
    exp,
    expm1,
    log,
    sin,
    softplus,
    sqrt,
    transition,
)
from gen.diffusion.noise import NoiseSource, StepNoise

HALF_PI = math.pi / 2
Betas = Literal["linear", "scaled_linear"]


class ForwardProcess(ABC):
    """Turns data into noise: numbers by a ``Process``, tokens by a ``CategoricalProcess``."""

    @abstractmethod
    def level(self, t: Real) -> Level[Real]:
        """The level at time ``t`` in [0, 1]."""

    def timed(self, level: Level[float]) -> Level[float]:
        """``level`` with its time in this process, which a solver does not know between t and s."""
        return level

    @abstractmethod
    def prior(self, noise: NoiseSource, shape: Sequence[int], level: Level[float]) -> Tensor:
        """Pure noise at ``level``, (B, *shape) on the CPU: float32, or int64 tokens."""

    @abstractmethod
    def renoise(self, x: Tensor, t: Level[float], s: Level[float], *, noise: StepNoise) -> Renoised:
        """x_s given x_t (B, ...), for s with more noise than t.

        Args:
            x: x_t.
            t: The level of x.
            s: The noisier level to go to.
            noise: That of the step.
        """

    @abstractmethod
    def placeholder(self, x: Tensor) -> Tensor:
        """Some x0 for the state x (B, ...), with which a solver of this process finishes its step."""


class Process(ForwardProcess):
    """A Gaussian forward process; subclasses are frozen dataclasses and refuse bad arguments by a ValueError.

    alpha, sigma and ``t_of_log_snr`` take a float, or a float64 tensor with one number per item, and return
    the same type; tensors can be differentiated.
    """

    @abstractmethod
    def alpha(self, t: Real) -> Real:
        """Factor of the data; falls from 1 at t = 0."""

    @abstractmethod
    def sigma(self, t: Real) -> Real:
        """Factor of the noise; rises from 0, or from a smallest noise, at t = 0."""

    @abstractmethod
    def t_of_log_snr(self, log_snr: Real) -> Real:
        """The time in [0, 1] whose level has this log_snr (the nearest end when none has)."""

    def level(self, t: Real) -> Level[Real]:
        return Level(t, self.alpha(t), self.sigma(t))

    def diffuse(self, x0: Tensor, eps: Tensor, level: Level[Real]) -> Tensor:
        """x_t = alpha * x0 + sigma * eps.

        Args:
            x0: Data (B, ...).
            eps: Standard normal noise of the same shape.
            level: One level, or one per item.
        """
        return combine(level.alpha, x0, level.sigma, eps)

    def timed(self, level: Level[float]) -> Level[float]:
        return level._replace(t=self.t_of_log_snr(level.log_snr))

    def prior(self, noise: NoiseSource, shape: Sequence[int], level: Level[float]) -> Tensor:
        return noise.prior(shape).mul_(self.prior_scale(level))

    def placeholder(self, x: Tensor) -> Tensor:
        return x

    def renoise(self, x: Tensor, t: Level[float], s: Level[float], *, noise: StepNoise) -> Renoised:
        """By ``transition``."""
        scale, std = transition(t, s)
        z = noise(x, "renoise")
        return Renoised(torch.add(x if scale == 1 else x * scale, z, alpha=std), std, z)

    def prior_scale(self, level: Level[float]) -> float:
        """sqrt(alpha**2 + sigma**2): the deviation of x_t for data of unit variance, or of pure noise."""
        return math.hypot(level.alpha, level.sigma)


@dataclass(frozen=True)
class _Betas(Process):
    """alpha = exp(-B / 2), where B(t) is the integral of beta from 0 to t; see ``VariancePreserving``."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    betas: Betas = "linear"

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max < math.inf:
            raise ValueError(f"betas must be 0 < beta_min < beta_max, not {self.beta_min}, {self.beta_max}")
        check_choice("betas", self.betas, Betas)

    @property
    def _roots(self) -> tuple[float, float]:
        low = math.sqrt(self.beta_min)
        return low, math.sqrt(self.beta_max) - low

    def beta_integral(self, t: Real) -> Real:
        """B(t), the integral of beta from 0 to t."""
        if self.betas == "linear":
            return t * (self.beta_min + t * (self.beta_max - self.beta_min) / 2)
        low, rise = self._roots
        return t * (low**2 + t * (low * rise + t * rise**2 / 3))

    def t_of_beta_integral(self, integral: Real) -> Real:
        """The inverse of ``beta_integral``."""
        if self.betas == "linear":
            rise = self.beta_max - self.beta_min
            # The root in the form that keeps its digits when B is small; B may be infinite.
            finite = clip(integral, 0.0, 1e6)
            return 2 * finite / (self.beta_min + sqrt(self.beta_min**2 + 2 * rise * finite))
        low, climb = self._roots
        cube = clip(integral, 0.0, 1e6) * 3 * climb + low**3
        return (exp(log(cube) / 3) - low) / climb

    def alpha(self, t: Real) -> Real:
        return exp(-self.beta_integral(t) / 2)


@dataclass(frozen=True)
class VariancePreserving(_Betas):
    """dx = -beta/2 x dt + sqrt(beta) dw, so that sigma**2 = 1 - exp(-B) = 1 - alpha**2.

    Song et al. 2021 (arXiv 2011.13456), eq. 11 and 29.

    Args:
        beta_min: beta(0) > 0. A discrete beta of a chain of N steps is beta / N.
        beta_max: beta(1) > beta_min.
        betas: "linear": beta(t) = beta_min + t (beta_max - beta_min) (Song et al., eq. 32);
            "scaled_linear": sqrt(beta) is linear in t (Rombach et al. 2022, arXiv 2112.10752, code).
    """

    def sigma(self, t: Real) -> Real:
        return sqrt(-expm1(-self.beta_integral(t)))

    def t_of_log_snr(self, log_snr: Real) -> Real:
        # alpha**2 = sigmoid(2 lambda), hence B = -log alpha**2 = softplus(-2 lambda).
        return clip(self.t_of_beta_integral(softplus(-2 * log_snr)), 0.0, 1.0)


@dataclass(frozen=True)
class SubVariancePreserving(_Betas):
    """The sub-VP process: alpha as ``VariancePreserving``, sigma = 1 - exp(-B), its square.

    Song et al. 2021 (arXiv 2011.13456), eq. 29 and appendix B. Args and errors as ``VariancePreserving``.
    """

    def sigma(self, t: Real) -> Real:
        return -expm1(-self.beta_integral(t))

    def t_of_log_snr(self, log_snr: Real) -> Real:
        # sigma / alpha = exp(B / 2) - exp(-B / 2) = 2 sinh(B / 2); the bound keeps exp finite.
        return clip(self.t_of_beta_integral(2 * asinh(exp(-clip(log_snr, -300.0, math.inf)) / 2)), 0.0, 1.0)


@dataclass(frozen=True)
class Cosine(Process):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2) (Nichol & Dhariwal 2021, 2102.09672, eq. 17, s = 0).

    Also known as ``TrigFlow`` (Lu & Song 2025, arXiv 2410.11081, sec. 3), whose time is the angle pi t / 2
    and whose data have unit deviation; its network is ``VPrediction(time_scale=math.pi / 2)``.
    """

    def alpha(self, t: Real) -> Real:
        return sin(HALF_PI * (1 - t))  # exactly 0 at t = 1, which cos(pi / 2) is not

    def sigma(self, t: Real) -> Real:
        return sin(HALF_PI * t)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return angle_of(log_snr) / HALF_PI


TrigFlow = Cosine


@dataclass(frozen=True)
class OffsetCosine(Process):
    """alpha = cos(u) / cos(u(0)), u = pi/2 (t + s) / (1 + s); sigma**2 = 1 - alpha**2.

    Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17, in continuous time; s = 0 would be ``Cosine``.
    ``DiscreteBetas.cosine`` is its chain, with the betas capped.

    Args:
        offset: s > 0, so that the first steps of a chain are not too small.
    """

    offset: float = 0.008

    def __post_init__(self) -> None:
        if not 0 < self.offset < math.inf:
            raise ValueError(f"offset must be a finite number above 0, not {self.offset}: 0 is Cosine()")

    @property
    def _width(self) -> float:
        """w with u = pi/2 - w (1 - t)."""
        return HALF_PI / (1 + self.offset)

    def alpha(self, t: Real) -> Real:
        return sin(self._width * (1 - t)) / math.sin(self._width)

    def sigma(self, t: Real) -> Real:
        # sin(w)**2 - sin(w (1 - t))**2 as a product, which keeps its digits near t = 0.
        w = self._width
        return sqrt(sin(w * (2 - t)) * sin(w * t)) / math.sin(w)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        w, phi = self._width, angle_of(log_snr)
        # sin(w (1 - t)) = sin(w) cos(phi), and the cosine of the same angle.
        sine = math.sin(w) * sin(HALF_PI - phi)
        cosine = sqrt(math.cos(w) ** 2 + (math.sin(w) * sin(phi)) ** 2)
        return clip(1 - angle_of(log(cosine) - log(sine)) / w, 0.0, 1.0)


@dataclass(frozen=True)
class VarianceExploding(Process):
    """alpha = 1, sigma = sigma_min (sigma_max / sigma_min)**t (Song et al. 2021, arXiv 2011.13456, eq. 30).

    Its first level, at t = 0, has the noise sigma_min; the step from there to clean data is the last of a
    ``TimeGrid``. Also known as ``EDMProcess`` (Karras et al. 2022, arXiv 2206.00364): x = x0 + sigma eps on
    another clock, which changes neither solvers nor networks; ``TimeGrid.karras`` spaces its levels, and
    ``LogNormalSigmas`` gives its times of training.

    Args:
        sigma_min: The smallest noise, > 0, in units of the data.
        sigma_max: The largest noise, > sigma_min.
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
        return self.sigma_min * exp(self._log_ratio * t)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return clip((-log_snr - math.log(self.sigma_min)) / self._log_ratio, 0.0, 1.0)


EDMProcess = VarianceExploding


@dataclass(frozen=True)
class RectifiedFlow(Process):
    """alpha = 1 - t, sigma = t (Liu et al. 2023, arXiv 2209.03003; Lipman et al. 2023, arXiv 2210.02747)."""

    def alpha(self, t: Real) -> Real:
        return 1 - t

    def sigma(self, t: Real) -> Real:
        return t

    def t_of_log_snr(self, log_snr: Real) -> Real:
        # t = sigmoid(-lambda) = exp(-softplus(lambda))
        return exp(-softplus(log_snr))
