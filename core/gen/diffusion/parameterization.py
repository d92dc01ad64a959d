"""Parameterizations: the meaning of a network's output F.

Every published choice is linear in data and noise, F = a x0 + b eps, so each class below is one pair (a, b),
and with x = alpha x0 + sigma eps everything else follows:

    x0 = c_skip x + c_out F,   c_skip = -b / d,   c_out = sigma / d,   d = a sigma - b alpha.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple

import torch
from torch import Tensor

from gen.diffusion.arguments import check_not_negative, check_positive
from gen.diffusion.level import Level, Real, clip, combine, sqrt


class Coefficients(NamedTuple, Generic[Real]):
    """The network gets (c_in x, c_noise), and x0 = c_skip x + c_out F (Karras et al. 2022, eq. 7)."""

    c_in: Real
    c_skip: Real
    c_out: Real
    c_noise: Real


class Parameterization(ABC):
    """The meaning of F, and the inputs of the network, for one level or one level per item.

    Subclasses are frozen dataclasses and refuse bad arguments by a ValueError.
    """

    @abstractmethod
    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        """(a, b) of F = a x0 + b eps."""

    @abstractmethod
    def c_noise(self, level: Level[Real]) -> Real:
        """The network's second input, which stands for the level."""

    def c_in(self, level: Level[Real]) -> Real:
        """The factor of x in the network's input."""
        return level.t * 0 + 1

    def coefficients(self, level: Level[Real]) -> Coefficients[Real]:
        """(c_in, c_skip, c_out, c_noise) at ``level``.

        Raises:
            ValueError: F does not determine x0 at this level (Epsilon or Score where alpha = 0).
        """
        a, b = self.mix(level)
        determinant = a * level.sigma - b * level.alpha
        if _any_zero(determinant):
            raise ValueError(
                f"{type(self).__name__} does not determine x0 at alpha = {level.alpha}, "
                f"sigma = {level.sigma}: keep the grid below t = 1 or use VPrediction, Velocity, "
                "Sample or EDM"
            )
        return Coefficients(
            self.c_in(level), -b / determinant, level.sigma / determinant, self.c_noise(level)
        )

    def to_x0(self, output: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """x0 = c_skip x + c_out F.

        Args:
            output: F (B, ...).
            x: The state before c_in, same shape.
            level: One level, or one per item.

        Raises:
            ValueError: As ``coefficients``.
        """
        c = self.coefficients(level)
        return combine(c.c_skip, x, c.c_out, output)

    def target(self, x0: Tensor, eps: Tensor, level: Level[Real]) -> Tensor:
        """a x0 + b eps, which F is trained to be, (B, ...)."""
        a, b = self.mix(level)
        return combine(a, x0, b, eps)


@dataclass(frozen=True, kw_only=True)
class _Timed(Parameterization):
    """c_noise = time_scale * t + time_shift.

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
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        check_positive(sigma_data=self.sigma_data)

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        norm = _norm(level, self.sigma_data) * self.sigma_data
        return level.sigma / norm, -level.alpha * self.sigma_data**2 / norm

    def c_in(self, level: Level[Real]) -> Real:
        return 1 / _norm(level, self.sigma_data)

    def c_noise(self, level: Level[Real]) -> Real:
        return -level.log_snr / 4


class _Boundary(Parameterization):
    """Parameterizations that give x0 = x where no noise is left: by (c_skip, c_out) in place of (a, b)."""

    @abstractmethod
    def skip_and_out(self, level: Level[Real]) -> tuple[Real, Real]:
        """(c_skip, c_out) of x0 = c_skip x + c_out F."""

    def coefficients(self, level: Level[Real]) -> Coefficients[Real]:
        skip, out = self.skip_and_out(level)
        return Coefficients(self.c_in(level), skip, out, self.c_noise(level))

    def mix(self, level: Level[Real]) -> tuple[Real, Real]:
        """(a, b), from x0 = c_skip (alpha x0 + sigma eps) + c_out F.

        Raises:
            ValueError: At the boundary, where c_out = 0 and x0 does not depend on F.
        """
        skip, out = self.skip_and_out(level)
        if _any_zero(out):
            raise ValueError(f"{type(self).__name__} leaves F free where c_out = 0: train above the boundary")
        return (1 - skip * level.alpha) / out, -skip * level.sigma / out


@dataclass(frozen=True)
class Consistency(_Boundary):
    """A consistency model (Song et al. 2023, arXiv 2303.01469, eq. 5 and appendix C), for x / alpha.

    With rho = sigma / alpha and r = rho - sigma_min, not below 0: c_skip = sigma_data**2 / (r**2 +
    sigma_data**2), c_out = sigma_data r / sqrt(rho**2 + sigma_data**2); c_in is that of ``EDM`` and c_noise
    1,000 times that. From sigma_min down x0 is x / alpha.

    Args:
        sigma_data: Standard deviation of the data, > 0.
        sigma_min: The boundary, >= 0, in units of sigma / alpha.
    """

    sigma_data: float = 0.5
    sigma_min: float = 0.002

    def __post_init__(self) -> None:
        check_positive(sigma_data=self.sigma_data)
        check_not_negative(sigma_min=self.sigma_min)

    def c_in(self, level: Level[Real]) -> Real:
        return 1 / _norm(level, self.sigma_data)

    def c_noise(self, level: Level[Real]) -> Real:
        return 1000 * (-level.log_snr / 4)

    def skip_and_out(self, level: Level[Real]) -> tuple[Real, Real]:
        # Multiplied through by alpha: finite at alpha = 0.
        excess = clip(level.sigma - level.alpha * self.sigma_min, 0.0, math.inf)
        spread = level.alpha * self.sigma_data
        skip = level.alpha * self.sigma_data**2 / (excess**2 + spread**2)
        return skip, self.sigma_data * excess * self.c_in(level)


@dataclass(frozen=True)
class LatentConsistency(_Boundary):
    """The x0 of another parameterization, kept to x at the first timestep (Luo et al. 2023, 2310.04378).

    x0 = c_skip x + c_out x0_inner with s = timestep_scaling x timestep, c_skip = sigma_data**2 / (s**2 +
    sigma_data**2), c_out = s / sqrt(s**2 + sigma_data**2); the timestep is the c_noise of ``inner``.

    Args:
        inner: The meaning of F, with the index of a chain as its c_noise.
        sigma_data: > 0; their code has 0.5.
        timestep_scaling: > 0; their code has 10.
    """

    inner: Parameterization = Epsilon(time_scale=1000.0, time_shift=-1.0)
    sigma_data: float = 0.5
    timestep_scaling: float = 10.0

    def __post_init__(self) -> None:
        check_positive(sigma_data=self.sigma_data, timestep_scaling=self.timestep_scaling)

    def c_in(self, level: Level[Real]) -> Real:
        return self.inner.c_in(level)

    def c_noise(self, level: Level[Real]) -> Real:
        return self.inner.c_noise(level)

    def skip_and_out(self, level: Level[Real]) -> tuple[Real, Real]:
        # Between the data and the first timestep nothing is left to do.
        scaled = clip(self.timestep_scaling * self.c_noise(level), 0.0, math.inf)
        norm, c = sqrt(scaled**2 + self.sigma_data**2), self.inner.coefficients(level)
        kept, given = (self.sigma_data / norm) ** 2, scaled / norm
        return kept + given * c.c_skip, given * c.c_out


def _norm(level: Level[Real], sigma_data: float) -> Real:
    """The deviation of x for data of the deviation sigma_data."""
    return sqrt(level.sigma**2 + (level.alpha * sigma_data) ** 2)


def _any_zero(value: Real) -> bool:
    """Whether a number is 0; False for tensors in a graph of torch.compile, which cannot branch on them."""
    if isinstance(value, Tensor):
        return not torch.compiler.is_compiling() and bool((value == 0).any())
    return value == 0
