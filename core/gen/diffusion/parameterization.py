"""Parameterizations: what a network's output F means.

Every published choice is linear in data and noise, F = a x0 + b eps, so each class below is one pair (a, b),
and with x = alpha x0 + sigma eps everything else follows:

    x0 = c_skip x + c_out F,   c_skip = -b / d,   c_out = sigma / d,   d = a sigma - b alpha.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple

from torch import Tensor

from gen.diffusion.level import Level, broadcast
from gen.diffusion.real import Real, sqrt


class Coefficients(NamedTuple, Generic[Real]):
    """The network sees (c_in x, c_noise) and x0 = c_skip x + c_out F (Karras et al. 2022, eq. 7)."""

    c_in: Real
    c_skip: Real
    c_out: Real
    c_noise: Real


class Parameterization(ABC):
    """What F is, and what the network is shown. Works for one level or one level per item."""

    @abstractmethod
    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        """(a, b) of F = a x0 + b eps."""

    @abstractmethod
    def c_noise(self, level: Level[Real]) -> Real:
        """How the network is told the level."""

    def c_in(self, level: Level[Real]) -> Real:
        """What x is multiplied by before the network sees it."""
        return level.t * 0 + 1

    def coefficients(self, level: Level[Real]) -> Coefficients[Real]:
        """(c_in, c_skip, c_out, c_noise) at ``level``.

        Raises:
            ValueError: F says nothing about x0 at this level (Epsilon or Score where alpha = 0).
        """
        a, b = self.mix(level)
        determinant = a * level.sigma - b * level.alpha
        if (determinant == 0).any() if isinstance(determinant, Tensor) else determinant == 0:
            raise ValueError(
                f"{type(self).__name__} cannot tell x0 at alpha = {level.alpha}, sigma = {level.sigma}: "
                "keep the grid below t = 1 or use VPrediction, Velocity, Sample or EDM"
            )
        return Coefficients(
            self.c_in(level), -b / determinant, level.sigma / determinant, self.c_noise(level)
        )

    def to_x0(self, output: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """The data that the network's output stands for.

        Args:
            output: F (B, ...).
            x: The state that the network saw, before c_in, same shape.
            level: One level, or one per item.

        Raises:
            ValueError: As ``coefficients``.
        """
        c = self.coefficients(level)
        return broadcast(c.c_skip, x) * x + broadcast(c.c_out, x) * output

    def target(self, x0: Tensor, eps: Tensor, level: Level[Real]) -> Tensor:
        """What F should be: a x0 + b eps, shape (B, ...)."""
        a, b = self.mix(level)
        return broadcast(a, x0) * x0 + broadcast(b, x0) * eps


@dataclass(frozen=True, kw_only=True)
class _Timed(Parameterization):
    """The network is told c_noise = time_scale * t + time_shift.

    Args:
        time_scale: 1 for networks on t in [0, 1]; N for networks on the index of a chain of N steps.
        time_shift: 0, or -1 for an index counted from 0 (``DiscreteBetas``).
    """

    time_scale: float = 1.0
    time_shift: float = 0.0

    def c_noise(self, level: Level[Real]) -> Real:
        return level.t * self.time_scale + self.time_shift


@dataclass(frozen=True)
class Epsilon(_Timed):
    """F = eps (Ho et al. 2020, arXiv 2006.11239, eq. 14)."""

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        return level.t * 0, level.t * 0 + 1


@dataclass(frozen=True)
class Sample(_Timed):
    """F = x0 (Ho et al. 2020, sec. 3.2)."""

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        return level.t * 0 + 1, level.t * 0


@dataclass(frozen=True)
class VPrediction(_Timed):
    """F = v = alpha eps - sigma x0 (Salimans & Ho 2022, arXiv 2202.00512, sec. 4)."""

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        return -level.sigma, level.alpha


@dataclass(frozen=True)
class Velocity(_Timed):
    """F = sign (eps - x0), dx/dt of a rectified flow (Liu et al. 2023, arXiv 2209.03003, eq. 1).

    Args:
        sign: +1 points to the noise, -1 to the data.

    Raises:
        ValueError: ``sign`` is neither.
    """

    sign: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise ValueError(f"sign must be 1 or -1, not {self.sign}")

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        return level.t * 0 - self.sign, level.t * 0 + self.sign


@dataclass(frozen=True)
class Score(_Timed):
    """F = grad_x log p(x_t | x0) = -eps / sigma for sigma > 0 (Song et al. 2021, arXiv 2011.13456, eq. 7)."""

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        return level.t * 0, -1 / level.sigma


@dataclass(frozen=True)
class EDM(Parameterization):
    """The preconditioning of Karras et al. 2022 (arXiv 2206.00364, table 1), for x / alpha at sigma / alpha.

    With n = sqrt(sigma**2 + alpha**2 sigma_data**2): F = (sigma x0 - alpha sigma_data**2 eps) /
    (sigma_data n), c_in = 1 / n, c_noise = log(sigma / alpha) / 4; all but c_noise are finite at both ends.

    Args:
        sigma_data: Standard deviation of the data, > 0.

    Raises:
        ValueError: ``sigma_data`` is not above 0.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.sigma_data < math.inf:
            raise ValueError(f"sigma_data must be a finite number above 0, not {self.sigma_data}")

    def _norm(self, level: Level[Real]) -> Real:
        return sqrt(level.sigma**2 + (level.alpha * self.sigma_data) ** 2)

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        norm = self._norm(level) * self.sigma_data
        return level.sigma / norm, -level.alpha * self.sigma_data**2 / norm

    def c_in(self, level: Level[Real]) -> Real:
        return 1 / self._norm(level)

    def c_noise(self, level: Level[Real]) -> Real:
        return -level.log_snr / 4
