"""Denoisers: (x, level, conditioning) -> Prediction, the only thing that a solver sees of a model.

Whatever changes a prediction (guidance, clipping, caching, constraints) is a function Denoiser -> Denoiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.level import Level
from gen.diffusion.parameterization import Parameterization
from gen.diffusion.process import Process


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a denoiser says about a noisy state.

    Args:
        x0: The expected data (B, ...).
        eps: The noise, where it is not the one that x and x0 imply (as in CFG++); else None.
    """

    x0: Tensor
    eps: Tensor | None = None

    def noise(self, x: Tensor, level: Level[float]) -> Tensor:
        """eps, or (x - alpha x0) / sigma; for sigma > 0."""
        return (x - level.alpha * self.x0) / level.sigma if self.eps is None else self.eps


Denoiser: TypeAlias = Callable[[Tensor, Level[float], Conditioning], Prediction]
Network: TypeAlias = Callable[[Tensor, Tensor, Conditioning], Tensor]


@dataclass(frozen=True, eq=False)
class ModelDenoiser:
    """A network as a denoiser.

    It may be asked about the levels of any process: a level that is not one of its own is mapped to the one
    of equal log_snr and x is rescaled, which is exact, since x / alpha depends on the log_snr alone.

    Args:
        network: (c_in x (B, ...), c_noise (B,) float32, conditioning) -> F (B, ...). x is cast to the dtype
            of the network's first parameter, if it has any; all else stays in the dtype of the state.
        process: The process that the network was trained on.
        parameterization: What F means.
    """

    network: Network
    process: Process
    parameterization: Parameterization

    def __call__(self, x: Tensor, level: Level[float], conditioning: Conditioning) -> Prediction:
        own = self.process.level(level.t)
        if own != level:
            own = self.process.level(self.process.t_of_log_snr(level.log_snr))
            x = x * (math.hypot(own.alpha, own.sigma) / math.hypot(level.alpha, level.sigma))
        c = self.parameterization.coefficients(own)
        told = torch.full((x.shape[0],), c.c_noise, dtype=torch.float32, device=x.device)
        shown = x if c.c_in == 1 else x * c.c_in
        output = self.network(shown.to(_dtype(self.network, x)), told, conditioning)
        if output.shape != x.shape:
            raise ValueError(
                f"the network must return {tuple(x.shape)} as it was given, not {tuple(output.shape)}"
            )
        return Prediction((x * c.c_skip).add_(output.to(x.dtype), alpha=c.c_out))


def _dtype(network: Network, x: Tensor) -> torch.dtype:
    parameter = next(network.parameters(), None) if isinstance(network, nn.Module) else None
    return x.dtype if parameter is None or not parameter.is_floating_point() else parameter.dtype
