"""Training: the distribution of times, and how much an error at a level counts.

A weighting w weighs the squared error of x0, whatever the parameterization. With SNR = (alpha / sigma)**2
the squared error of eps is SNR times that of x0, and that of a network's output F is 1 / c_out**2 times that
of x0.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.arguments import check_not_negative, check_positive
from gen.diffusion.level import Level, Real, clip, derivative, exp, softplus
from gen.diffusion.parameterization import Parameterization
from gen.diffusion.process import Process


class Times(ABC):
    """A distribution of t in (0, 1), given by its quantiles; a batch draws one time from each stratum.

    Subclasses are frozen dataclasses and refuse arguments out of range by a ValueError.
    """

    @abstractmethod
    def quantile(self, share: Tensor) -> Tensor:
        """The times below which these shares in (0, 1) lie; both float64 (B,)."""

    def __call__(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` times in (0, 1), float64 on the CPU, one per stratum, in random order."""
        offsets = torch.rand(count, generator=generator, dtype=torch.float64)
        shares = (torch.randperm(count, generator=generator) + offsets) / count
        return self.quantile(shares.clamp(1e-6, 1 - 1e-6))


@dataclass(frozen=True)
class UniformTimes(Times):
    """t ~ U(0, 1)."""

    def quantile(self, share: Tensor) -> Tensor:
        return share


@dataclass(frozen=True)
class LogitNormalTimes(Times):
    """t = sigmoid(z), z ~ N(mean, std**2) (Esser et al. 2024, arXiv 2403.03206, eq. 19).

    Args:
        mean: Above 0 for more noise, as large latents need.
        std: Spread, > 0.
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        check_positive(std=self.std)

    def quantile(self, share: Tensor) -> Tensor:
        return torch.sigmoid(self.mean + self.std * torch.special.ndtri(share))


@dataclass(frozen=True)
class LogNormalSigmas(Times):
    """log(sigma / alpha) ~ N(mean, std**2) (Karras et al. 2022, arXiv 2206.00364, table 1).

    Args:
        process: Gives the times of these levels; levels beyond its ends have the time of the nearest end.
        mean: Of log(sigma / alpha).
        std: Spread, > 0.
    """

    process: Process
    mean: float = -1.2
    std: float = 1.2

    def __post_init__(self) -> None:
        check_positive(std=self.std)

    def quantile(self, share: Tensor) -> Tensor:
        return self.process.t_of_log_snr(-(self.mean + self.std * torch.special.ndtri(share)))


@dataclass(frozen=True)
class ModeTimes(Times):
    """t = 1 - u - s (cos(pi u / 2)**2 - 1 + u), u uniform (Esser et al. 2024, arXiv 2403.03206, eq. 20).

    Args:
        scale: s in [-1, 2 / (pi - 2)], else ValueError: above 0 for more times in the middle, below for more
            at the ends.
    """

    scale: float = 1.29

    def __post_init__(self) -> None:
        if not -1 <= self.scale <= 2 / (math.pi - 2):
            raise ValueError(f"scale must lie in [-1, 2 / (pi - 2)], not {self.scale}")

    def quantile(self, share: Tensor) -> Tensor:
        # The published formula at u = 1 - share, so that t rises with the share.
        return share + self.scale * (share - torch.sin(math.pi / 2 * share) ** 2)


@dataclass(frozen=True)
class CosMapTimes(Times):
    """t = 1 - 1 / (tan(pi u / 2) + 1): the levels of ``Cosine``, on a flow (Esser et al. 2024, eq. 21)."""

    def quantile(self, share: Tensor) -> Tensor:
        return 1 - 1 / (torch.tan(math.pi / 2 * share) + 1)


class Weighting(ABC):
    """A weight for every level with sigma > 0. Works for one level or one level per item.

    Subclasses are frozen dataclasses and refuse arguments out of range by a ValueError.
    """

    @abstractmethod
    def __call__(self, level: Level[Real]) -> Real:
        """The weight of the squared error of x0."""

    def of_output(self, parameterization: Parameterization, level: Level[Real]) -> Real:
        """w c_out**2: the same weighting, of the squared error of the network's output F.

        Raises:
            ValueError: F does not determine x0 at this level.
        """
        return self(level) * parameterization.coefficients(level).c_out ** 2


def _snr(level: Level[Real]) -> Real:
    return (level.alpha / level.sigma) ** 2


@dataclass(frozen=True)
class ConstantWeighting(Weighting):
    """w = 1: the squared error of x0."""

    def __call__(self, level: Level[Real]) -> Real:
        return level.alpha * 0 + 1


@dataclass(frozen=True)
class SNRWeighting(Weighting):
    """w = SNR: the squared error of eps, L_simple of Ho et al. 2020 (arXiv 2006.11239, eq. 14)."""

    def __call__(self, level: Level[Real]) -> Real:
        return _snr(level)


@dataclass(frozen=True)
class MinSNRWeighting(Weighting):
    """w = min(SNR, gamma) (Hang et al. 2023, arXiv 2303.09556).

    Args:
        gamma: > 0.
    """

    gamma: float = 5.0

    def __post_init__(self) -> None:
        check_positive(gamma=self.gamma)

    def __call__(self, level: Level[Real]) -> Real:
        return clip(_snr(level), 0.0, self.gamma)


@dataclass(frozen=True)
class TruncatedSNRWeighting(Weighting):
    """w = max(SNR, 1) (Salimans & Ho 2022, arXiv 2202.00512, sec. 4)."""

    def __call__(self, level: Level[Real]) -> Real:
        return clip(_snr(level), 1.0, math.inf)


@dataclass(frozen=True)
class EDMWeighting(Weighting):
    """w = SNR + 1 / sigma_data**2: the squared error of ``EDM``'s F (Karras et al. 2022, table 1).

    Args:
        sigma_data: Standard deviation of the data, > 0.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        check_positive(sigma_data=self.sigma_data)

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

    def __post_init__(self) -> None:
        check_positive(k=self.k)
        check_not_negative(gamma=self.gamma)

    def __call__(self, level: Level[Real]) -> Real:
        snr = _snr(level)
        return snr / (self.k + snr) ** self.gamma


@dataclass(frozen=True)
class VariationalWeighting(Weighting):
    """w = -SNR'(t) / 2 (Kingma et al. 2021, arXiv 2107.00630, eq. 17).

    With uniform times the loss is the variational bound of infinitely many steps, without the terms of the
    prior and of the reconstruction; in nats per number where errors are averaged over numbers.

    Args:
        process: That of the levels.
    """

    process: Process

    def __call__(self, level: Level[Real]) -> Real:
        return derivative(lambda t: _snr(self.process.level(t)), level.t) / -2


@dataclass(frozen=True)
class SigmoidWeighting(Weighting):
    """``VariationalWeighting`` times sigmoid(bias - log SNR), for uniform times.

    Kingma & Gao 2023 (arXiv 2303.00848, table 1); Hoogeboom et al. 2024 (arXiv 2410.19324).

    Args:
        process: That of the levels.
        bias: The log SNR at which half of the bound's weight is left; smaller weighs fine detail less.
    """

    process: Process
    bias: float = -1.0

    def __call__(self, level: Level[Real]) -> Real:
        sigmoid = exp(-softplus(2 * level.log_snr - self.bias))
        return VariationalWeighting(self.process)(level) * sigmoid
