"""Distributions of the times that a network is trained at."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.process import Process


class Times(ABC):
    """A distribution of t in (0, 1), given by its quantiles; a batch draws one time from each stratum."""

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
    """Every time alike."""

    def quantile(self, share: Tensor) -> Tensor:
        return share


@dataclass(frozen=True)
class LogitNormalTimes(Times):
    """t = sigmoid(z), z ~ N(mean, std**2) (Esser et al. 2024, arXiv 2403.03206, eq. 19).

    Args:
        mean: Above 0 for more noise. Latents of many numbers betray what they are early, so that text matters
            at high noise only.
        std: Spread, > 0.
    """

    mean: float = 0.0
    std: float = 1.0

    def quantile(self, share: Tensor) -> Tensor:
        return torch.sigmoid(self.mean + self.std * torch.special.ndtri(share))


@dataclass(frozen=True)
class LogNormalSigmas(Times):
    """log(sigma / alpha) ~ N(mean, std**2) (Karras et al. 2022, arXiv 2206.00364, table 1).

    Args:
        process: Whose times are meant; levels that it lacks become its nearest end.
        mean: Of log(sigma / alpha).
        std: Spread, > 0.
    """

    process: Process
    mean: float = -1.2
    std: float = 1.2

    def quantile(self, share: Tensor) -> Tensor:
        return self.process.t_of_log_snr(-(self.mean + self.std * torch.special.ndtri(share)))


@dataclass(frozen=True)
class ModeTimes(Times):
    """t = 1 - u - s (cos(pi u / 2)**2 - 1 + u), u uniform (Esser et al. 2024, arXiv 2403.03206, eq. 20).

    Args:
        scale: s in [-1, 2 / (pi - 2)]: above 0 for more times in the middle, below for more at the ends.

    Raises:
        ValueError: ``scale`` is outside, where two u would have one t.
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
