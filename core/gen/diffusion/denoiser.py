"""Denoisers: (x, level, conditioning) -> Prediction, the only thing that a solver sees of a model.

Whatever changes a prediction (guidance, clipping, caching, constraints) is a function Denoiser -> Denoiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

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
        variance: Where the variance of the Markov posterior is learned, how far its logarithm lies from the
            smallest (0) to the largest (1) admissible value (Nichol & Dhariwal 2021, arXiv 2102.09672,
            eq. 15), (B, ...); else None.
    """

    x0: Tensor
    eps: Tensor | None = None
    variance: Tensor | None = None

    def noise(self, x: Tensor, level: Level[float]) -> Tensor:
        """eps, or (x - alpha x0) / sigma; for sigma > 0."""
        return (x - level.alpha * self.x0) / level.sigma if self.eps is None else self.eps

    def map(self, change: Callable[[Tensor], Tensor]) -> Prediction:
        """``change`` applied to each tensor."""
        return Prediction(
            change(self.x0),
            None if self.eps is None else change(self.eps),
            None if self.variance is None else change(self.variance),
        )


Denoiser: TypeAlias = Callable[[Tensor, Level[float], Conditioning], Prediction]
Network: TypeAlias = Callable[[Tensor, Tensor, Conditioning], Tensor]
Memory: TypeAlias = dict[str, Any]
"""What denoisers remember within one run. Tensors in it are replaced, never changed in place."""


@runtime_checkable
class Remembering(Protocol):
    """A denoiser whose answers depend on those that it gave earlier in the same run."""

    def begin(self, memory: Memory) -> Denoiser:
        """The denoiser of one run, which reads and writes ``memory``; the original stays as it is."""


@runtime_checkable
class Finishing(Protocol):
    """A denoiser that knows part of the data exactly."""

    def finish(self, x: Tensor) -> Tensor:
        """The data (B, ...) at the end of a run, with the known part as it is known, bit for bit."""


def begin(denoiser: Denoiser, memory: Memory) -> Denoiser:
    """``denoiser`` for one run with this memory; itself where it remembers nothing."""
    return denoiser.begin(memory) if isinstance(denoiser, Remembering) else denoiser


def finish(denoiser: Denoiser, x: Tensor) -> Tensor:
    """The data (B, ...) at the end of a run, with what ``denoiser`` knows of it exactly."""
    return denoiser.finish(x) if isinstance(denoiser, Finishing) else x


def nested(denoiser: Denoiser, memory: Memory, name: str) -> Denoiser:
    """``denoiser`` within a wrapper's run: it remembers under ``memory[name]``.

    What stands there is replaced at every question, so that earlier copies of ``memory`` stay as they were.
    """

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning) -> Prediction:
        own = dict(memory.get(name, {}))
        prediction = begin(denoiser, own)(x, level, conditioning)
        if own:
            memory[name] = own
        return prediction

    return denoise


@dataclass(frozen=True, eq=False)
class ModelDenoiser:
    """A network as a denoiser.

    It may be asked about the levels of any process: a level that is not one of its own is mapped to the one
    of equal log_snr and x is rescaled, which is exact, since x / alpha depends on the log_snr alone. A level
    beyond its own is mapped to the nearest, and what is told of the noise is that of the nearest.

    Args:
        network: (c_in x (B, ...), c_noise (B,) float32, conditioning) -> F (B, ...). x is cast to the dtype
            of the network's first parameter, if it has any; all else stays in the dtype of the state. Null
            and other prompts are for guidance alone: the network is not told.
        process: The process that the network was trained on.
        parameterization: What F means.
        learned_variance: Whether the network returns twice the channels (dimension 1): F, then w in [-1, 1]
            for ``Prediction.variance`` = (w + 1) / 2 (Nichol & Dhariwal 2021, arXiv 2102.09672, sec. 3.1).
    """

    network: Network
    process: Process
    parameterization: Parameterization
    learned_variance: bool = False

    def __call__(self, x: Tensor, level: Level[float], conditioning: Conditioning) -> Prediction:
        own = self.process.level(level.t)
        if own != level:
            own = self.process.level(self.process.t_of_log_snr(level.log_snr))
            x = x * (math.hypot(own.alpha, own.sigma) / math.hypot(level.alpha, level.sigma))
        c = self.parameterization.coefficients(own)
        told = x.new_full((x.shape[0],), c.c_noise, dtype=torch.float32)
        # What the network is shown has no name, so that it is gone when the output is converted.
        output = self.network(_shown(x, c.c_in, self.network), told, conditioning.plain)
        shape = torch.Size((x.shape[0], 2 * x.shape[1], *x.shape[2:])) if self.learned_variance else x.shape
        if output.shape != shape:
            raise ValueError(f"the network must return {tuple(shape)}, not {tuple(output.shape)}")
        variance = None
        if self.learned_variance:
            output, w = output.chunk(2, 1)
            variance = w.to(x.dtype).add(1).div_(2)
        if output.dtype != x.dtype:
            output = output.to(x.dtype)
        if c.c_skip == 1:
            return Prediction(torch.add(x, output, alpha=c.c_out), variance=variance)
        return Prediction((x * c.c_skip).add_(output, alpha=c.c_out), variance=variance)


def _shown(x: Tensor, c_in: float, network: Network) -> Tensor:
    """c_in x in the dtype of the network's first parameter, if it has any."""
    scaled = x if c_in == 1 else x * c_in
    parameter = next(network.parameters(), None) if isinstance(network, nn.Module) else None
    if parameter is None or parameter.dtype == x.dtype or not parameter.is_floating_point():
        return scaled
    return scaled.to(parameter.dtype)
