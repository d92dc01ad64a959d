"""Distributions whose denoiser and probability flow are known, for the tests beside this file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from gen.diffusion import (
    Conditioning,
    Cosine,
    Denoiser,
    Level,
    Memory,
    Parameterization,
    Prediction,
    Process,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    VPrediction,
)

PROCESSES: dict[str, Process] = {
    "preserving": VariancePreserving(),
    "cosine": Cosine(),
    "exploding": VarianceExploding(),
    "flow": RectifiedFlow(),
}


class Distribution(Protocol):
    def x0(self, x: Tensor, level: Level[float]) -> Tensor: ...


@dataclass(frozen=True)
class Gaussian:
    """N(mean, std**2) in every dimension."""

    mean: float = 0.4
    std: float = 0.7

    def x0(self, x: Tensor, level: Level[float]) -> Tensor:
        variance = (level.alpha * self.std) ** 2 + level.sigma**2
        return (self.mean * level.sigma**2 + level.alpha * self.std**2 * x) / variance


@dataclass(frozen=True)
class Mixture:
    """Equal parts of N(-1, 0.3**2), N(0.2, 0.2**2) and N(1.1, 0.4**2) in every dimension."""

    means: tuple[float, ...] = (-1.0, 0.2, 1.1)
    stds: tuple[float, ...] = (0.3, 0.2, 0.4)

    def x0(self, x: Tensor, level: Level[float]) -> Tensor:
        mean = x.new_tensor(self.means)
        variance = (level.alpha * x.new_tensor(self.stds)) ** 2 + level.sigma**2
        distance = x[..., None] - level.alpha * mean
        weight = (-(distance**2) / (2 * variance) - variance.log() / 2).softmax(-1)
        gain = level.alpha * x.new_tensor(self.stds) ** 2 / variance
        return (weight * (mean + gain * distance)).sum(-1)


def named(value: object) -> str:
    """What pytest calls a parameter: without addresses, as all workers must name the same tests."""
    return re.sub(r"<(?:built-in )?function (?:<\w+>\.)*<?(\w+)>?(?: at 0x\w+)?>", r"\1", str(value))


def denoiser_of(distribution: Distribution, parameterization: Parameterization | None = None) -> Denoiser:
    """The exact denoiser, through the output that a network of this parameterization would have."""
    kind = parameterization or VPrediction()

    def denoise(x: Tensor, level: Level[float], _: Conditioning, memory: Memory) -> Prediction:
        x0 = distribution.x0(x, level)
        output = kind.target(x0, (x - level.alpha * x0) / level.sigma, level)
        return Prediction(kind.to_x0(output, x, level))

    return denoise


def flow_of(distribution: Distribution, start: Tensor, log_snrs: tuple[float, ...]) -> list[Tensor]:
    """x / alpha on the probability flow, d(x / alpha) / d rho = eps, at each log_snr from ``start`` on."""
    shape = start.shape

    def slope(log_snr: float, y: np.ndarray) -> np.ndarray:
        rho = math.exp(-log_snr)
        x = torch.from_numpy(y).reshape(shape)
        return -(x - distribution.x0(x, Level(0.5, 1.0, rho))).flatten().numpy()

    times = (log_snrs[0], log_snrs[-1])
    solution = solve_ivp(slope, times, start.flatten().numpy(), "DOP853", log_snrs, rtol=1e-12, atol=1e-13)
    return [torch.from_numpy(column.copy()).reshape(shape) for column in solution.y.T]


def level_at(process: Process, log_snr: float) -> Level[float]:
    """The process's level of this log_snr."""
    return process.level(process.t_of_log_snr(log_snr))


def no_noise(_: Tensor, stream: str) -> Tensor:
    """For solvers that must not draw."""
    raise AssertionError(f"drew noise for {stream}")


def slope_of(errors: dict[int, float]) -> float:
    """Least-squares slope of -log(error) over log(steps): the observed order of convergence."""
    return -float(np.polyfit(np.log(list(errors)), np.log(list(errors.values())), 1)[0])
