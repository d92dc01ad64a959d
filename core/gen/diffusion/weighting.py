"""How much an error at a level counts in training: each weighting once, for every parameterization.

A weighting w is that of the squared error of x0; with SNR = (alpha / sigma)**2 the squared error of eps is
SNR times that of x0, and the squared error of a network's output F is 1 / c_out**2 times.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from gen.diffusion.level import Level
from gen.diffusion.parameterization import Parameterization
from gen.diffusion.process import Process
from gen.diffusion.real import Real, clip, exp, softplus


class Weighting(ABC):
    """A weight for every level with sigma > 0. Works for one level or one level per item."""

    @abstractmethod
    def __call__(self, level: Level[Real]) -> Real:
        """The weight of the squared error of x0."""

    def of_output(self, parameterization: Parameterization, level: Level[Real]) -> Real:
        """The weight of the squared error of the network's output F that means the same.

        Raises:
            ValueError: F says nothing about x0 at this level.
        """
        return self(level) * parameterization.coefficients(level).c_out ** 2


def _snr(level: Level[Real]) -> Real:
    return (level.alpha / level.sigma) ** 2


@dataclass(frozen=True)
class ConstantWeighting(Weighting):
    """Errors of x0 count alike."""

    def __call__(self, level: Level[Real]) -> Real:
        return level.alpha * 0 + 1


@dataclass(frozen=True)
class SNRWeighting(Weighting):
    """Errors of eps count alike: w = SNR, L_simple of Ho et al. 2020 (arXiv 2006.11239, eq. 14)."""

    def __call__(self, level: Level[Real]) -> Real:
        return _snr(level)


@dataclass(frozen=True)
class MinSNRWeighting(Weighting):
    """w = min(SNR, gamma) (Hang et al. 2023, arXiv 2303.09556).

    Args:
        gamma: > 0.
    """

    gamma: float = 5.0

    def __call__(self, level: Level[Real]) -> Real:
        return clip(_snr(level), 0.0, self.gamma)


@dataclass(frozen=True)
class TruncatedSNRWeighting(Weighting):
    """w = max(SNR, 1) (Salimans & Ho 2022, arXiv 2202.00512, sec. 4)."""

    def __call__(self, level: Level[Real]) -> Real:
        return clip(_snr(level), 1.0, math.inf)


@dataclass(frozen=True)
class EDMWeighting(Weighting):
    """w = SNR + 1 / sigma_data**2: errors of ``EDM``'s F count alike (Karras et al. 2022, table 1).

    Args:
        sigma_data: Standard deviation of the data, > 0.
    """

    sigma_data: float = 0.5

    def __call__(self, level: Level[Real]) -> Real:
        return _snr(level) + 1 / self.sigma_data**2


@dataclass(frozen=True)
class P2Weighting(Weighting):
    """w = SNR / (k + SNR)**gamma (Choi et al. 2022, arXiv 2204.00227).

    Args:
        k: > 0, keeps the weight of small SNR finite.
        gamma: >= 0; 0 is ``SNRWeighting``.
    """

    k: float = 1.0
    gamma: float = 1.0

    def __call__(self, level: Level[Real]) -> Real:
        snr = _snr(level)
        return snr / (self.k + snr) ** self.gamma


@dataclass(frozen=True)
class VariationalWeighting(Weighting):
    """w = -SNR'(t) / 2: with uniform times the loss is the variational bound of infinitely many steps.

    In nats per number where errors are averaged over numbers, without the terms of the prior and of the
    reconstruction (Kingma et al. 2021, arXiv 2107.00630, eq. 17).

    Args:
        process: That of the levels.
    """

    process: Process

    def __call__(self, level: Level[Real]) -> Real:
        fall = self.process.d_sigma(level.t) - self.process.d_alpha(level.t) * level.sigma / level.alpha
        return _snr(level) * fall / level.sigma


@dataclass(frozen=True)
class SigmoidWeighting(Weighting):
    """``VariationalWeighting`` times sigmoid(bias - log SNR), for uniform times.

    Kingma & Gao 2023 (arXiv 2303.00848, table 1); Hoogeboom et al. 2024 (arXiv 2410.19324).

    Args:
        process: That of the levels.
        bias: The log SNR at which half of the bound's weight is left; smaller looks less at fine detail.
    """

    process: Process
    bias: float = -1.0

    def __call__(self, level: Level[Real]) -> Real:
        sigmoid = exp(-softplus(2 * level.log_snr - self.bias))
        return VariationalWeighting(self.process)(level) * sigmoid
