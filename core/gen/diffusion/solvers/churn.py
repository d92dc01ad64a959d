"""Noise added before a step, which the step then removes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine


@dataclass(frozen=True)
class Churn(Solver):
    """``inner`` from a noisier level than that of x (Karras et al. 2022, arXiv 2206.00364, algorithm 2).

    sigma grows by (1 + gamma) before the network is asked. Around Heun this is their stochastic sampler.

    Args:
        inner: Makes the step; it may draw noise of its own.
        gamma: >= 0; theirs is min(s_churn / steps, sqrt(2) - 1).
        within: (s_tmin, s_tmax), the lowest and highest sigma / alpha where noise is added.
        s_noise: Factor of the noise, > 0; 1 is right for an exact denoiser.

    Raises:
        ValueError: An argument is out of range.
    """

    inner: Solver
    gamma: float
    within: tuple[float, float] = (0.0, math.inf)
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < math.inf:
            raise ValueError(f"gamma must be a finite number of at least 0, not {self.gamma}")
        if not 0 <= self.within[0] <= self.within[1]:
            raise ValueError(f"within must be two numbers 0 <= lowest <= highest, not {self.within}")
        if not 0 < self.s_noise < math.inf:
            raise ValueError(f"s_noise must be a finite number above 0, not {self.s_noise}")

    @property
    def stochastic(self) -> bool:
        return self.gamma > 0 or self.inner.stochastic

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        low, high = self.within
        if self.gamma == 0 or t.alpha == 0 or not low <= t.sigma / t.alpha <= high:
            return self.inner.step(state, x, denoise, t, s, noise=noise)
        above = replace(t, sigma=t.sigma * (1 + self.gamma))
        added = self.s_noise * t.sigma * math.sqrt(self.gamma * (2 + self.gamma))
        churned = affine(x, 1.0, (added, noise(x, "churn")))
        update = self.inner.step(state, churned, denoise, above, s, noise=noise)
        return Update(update.x, update.state, update.x0)
