"""Problems whose right answer is known: mixtures of Gaussians, their denoisers and their probability flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from gen.diffusion import Conditioning, Level, Memory, Prediction, Process

END_ANGLE = 1e-6


@dataclass(frozen=True, eq=False)
class Mixture:
    """sum of softmax(logits)_k N(means_k, diag(stds_k**2)).

    Args:
        means: (K, d).
        stds: (K, d).
        logits: (K,).
    """

    means: Tensor
    stds: Tensor
    logits: Tensor

    def x0(self, x: Tensor, level: Level[float]) -> Tensor:
        """E[x0 | x], (B, d)."""
        variance = (level.alpha * self.stds) ** 2 + level.sigma**2
        precision = 1 / variance
        mean = level.alpha * self.means
        # |x - mean|**2 / variance without a tensor of (B, K, d).
        distance = (x**2) @ precision.T - 2 * x @ (mean * precision).T + (mean**2 * precision).sum(1)
        weight = (self.logits - variance.log().sum(1) / 2 - distance / 2).softmax(1)
        gain = level.alpha * self.stds**2 * precision
        return weight @ (self.means - gain * mean) + x * (weight @ gain)

    def scaled(self, scale: float) -> Mixture:
        """That of ``scale`` times the data."""
        return Mixture(self.means * scale, self.stds * scale, self.logits)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws of the data (count, d)."""
        chosen = torch.multinomial(self.logits.softmax(0), count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[chosen] + self.stds[chosen] * noise


@dataclass(frozen=True, eq=False)
class Problem:
    """A denoiser to follow.

    Args:
        name: What is printed.
        mixture: The data.
        guidance: Scale of classifier-free guidance towards ``part``; 1 is none.
        part: The mixture that guidance leads to.
        fault: Size of the error of the network, in units of its unit-variance output.
        seed: Of the fault and of the starting noise.
        scale: By which the data are multiplied.
    """

    name: str
    mixture: Mixture
    guidance: float = 1.0
    part: Mixture | None = None
    fault: float = 0.0
    seed: int = 0
    scale: float = 1.0
    _waves: tuple[Tensor, Tensor, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        d = self.mixture.means.shape[1]
        waves = (
            torch.randn(d, d, dtype=torch.float64, generator=generator) * (2 / math.sqrt(d)),
            torch.randn(d, dtype=torch.float64, generator=generator),
            torch.rand(d, dtype=torch.float64, generator=generator) * 2 * math.pi,
        )
        object.__setattr__(self, "_waves", waves)

    def scaled(self, scale: float) -> Problem:
        """The same with data that are ``scale`` times as large."""
        if scale == 1:
            return self
        part = None if self.part is None else self.part.scaled(scale)
        return Problem(
            f"{self.name}, scale {scale:g}", self.mixture.scaled(scale), self.guidance, part, self.fault,
            self.seed, self.scale * scale,
        )  # fmt: skip

    def x0(self, x: Tensor, level: Level[float]) -> Tensor:
        """What the network predicts: (B, d)."""
        x0 = self.mixture.x0(x, level)
        if self.part is not None:
            x0 = torch.lerp(x0, self.part.x0(x, level), self.guidance)
        if self.fault:
            norm = math.hypot(level.alpha, level.sigma)
            weights, slope, phase = self._waves
            # A smooth function of what a network sees, which fades with the noise as its errors do.
            angle = math.atan2(level.sigma, level.alpha)
            x0 = x0 + self.fault * level.sigma / norm * torch.sin(
                x / norm @ weights + 2 * angle * slope + phase
            )
        return x0

    def denoise(self, x: Tensor, level: Level[float], _: Conditioning, _memory: Memory) -> Prediction:
        """The network as a denoiser."""
        return Prediction(self.x0(x, level))

    def start(self, count: int) -> Tensor:
        """Standard normal noise (count, d)."""
        generator = torch.Generator().manual_seed(1000 + self.seed)
        return torch.randn(count, self.mixture.means.shape[1], dtype=torch.float64, generator=generator)

    def flow(self, z: Tensor, process: Process) -> Tensor:
        """Where the probability flow carries the noise ``z`` (B, d), given at the end of ``process``.

        In the angle phi of alpha = cos(phi), sigma = sin(phi), where it is finite everywhere:
        d x / d phi = cos(phi) eps - sin(phi) x0.
        """
        shape = z.shape
        end = process.level(1.0)

        def slope(phi: float, y: np.ndarray) -> np.ndarray:
            level = Level(0.5, max(math.cos(phi), 0.0), math.sin(phi))
            x = torch.from_numpy(y).reshape(shape)
            x0 = self.x0(x, level)
            eps = (x - level.alpha * x0) / level.sigma
            return (level.alpha * eps - level.sigma * x0).flatten().numpy()

        span = (math.atan2(end.sigma, end.alpha), END_ANGLE)
        solution = solve_ivp(slope, span, z.flatten().numpy(), "DOP853", (END_ANGLE,), rtol=1e-8, atol=1e-9)
        last = Level(0.0, math.cos(END_ANGLE), math.sin(END_ANGLE))
        return self.x0(torch.from_numpy(solution.y[:, -1].copy()).reshape(shape), last)


def _random(seed: int, d: int, count: int, spread: float, std: float, decay: float) -> Mixture:
    """Random centres and widths; the variances fall as i**-decay over the dimensions, 1 in all at first."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, d + 1, dtype=torch.float64) ** (-decay / 2)
    means = torch.randn(count, d, dtype=torch.float64, generator=generator) * spread * scale
    widths = std * scale * (0.5 + torch.rand(count, d, dtype=torch.float64, generator=generator))
    return Mixture(means, widths, torch.randn(count, dtype=torch.float64, generator=generator) * 0.3)


def _ring(count: int, radius: float, std: float) -> Mixture:
    angle = torch.arange(count, dtype=torch.float64) * 2 * math.pi / count
    means = radius * torch.stack((angle.cos(), angle.sin()), 1)
    return Mixture(
        means, torch.full((count, 2), std, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    )


def _part(mixture: Mixture, count: int) -> Mixture:
    return Mixture(mixture.means[:count], mixture.stds[:count], mixture.logits[:count])


def guided(problems: list[Problem], guidances: Sequence[float]) -> list[Problem]:
    """The densities of the problems without guidance and without fault, each at every scale of guidance
    towards a third of its components."""
    return [
        Problem(
            problem.name if w == 1 else f"{problem.name}, guidance {w:g}",
            problem.mixture,
            w,
            None if w == 1 else _part(problem.mixture, max(len(problem.mixture.logits) // 3, 2)),
            seed=problem.seed,
        )
        for problem in problems
        if problem.part is None and not problem.fault
        for w in guidances
    ]


def test_problems() -> list[Problem]:
    """The problems that are printed."""
    broad = _random(1, 16, 10, 1.0, 0.3, 0.0)
    natural = _random(2, 64, 20, 1.5, 0.8, 1.0)
    sharp = _random(3, 256, 30, 0.8, 0.05, 0.5)
    return [
        Problem("ring, 2 dimensions", _ring(8, 1.2, 0.1), seed=11),
        Problem("broad, 16 dimensions", broad, seed=12),
        Problem("ill-conditioned, 64 dimensions", natural, seed=13),
        Problem("sharp, 256 dimensions", sharp, seed=14),
        Problem("broad, guidance 3", broad, 3.0, _part(broad, 3), seed=15),
        Problem("ill-conditioned, guidance 6", natural, 6.0, _part(natural, 4), seed=16),
        Problem("broad, network error 0.05", broad, fault=0.05, seed=17),
        Problem("ill-conditioned, guidance 3, error 0.05", natural, 3.0, _part(natural, 5), 0.05, seed=18),
    ]


def tuning_problems() -> list[Problem]:
    """Other problems of the same kinds, on which the defaults were chosen; none of them is printed."""
    broad = _random(101, 8, 6, 0.9, 0.4, 0.0)
    natural = _random(102, 100, 15, 1.2, 1.0, 1.2)
    sharp = _random(103, 128, 25, 1.0, 0.08, 0.3)
    return [
        Problem("ring", _ring(5, 1.0, 0.2), seed=111),
        Problem("broad", broad, seed=112),
        Problem("ill-conditioned", natural, seed=113),
        Problem("sharp", sharp, seed=114),
        Problem("broad, guidance 4", broad, 4.0, _part(broad, 2), seed=115),
        Problem("ill-conditioned, guidance 5", natural, 5.0, _part(natural, 3), seed=116),
        Problem("broad, error 0.08", broad, fault=0.08, seed=117),
        Problem("ill-conditioned, guidance 2, error 0.03", natural, 2.0, _part(natural, 4), 0.03, seed=118),
    ]
