"""From data to noise: any deterministic solver on a rising grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine


@dataclass(frozen=True)
class Inverse(Solver):
    """``inner`` on a rising grid, also from t = 0, where there is no noise to follow.

    Every solver ends at clean data with x_0 = x0(x_t). The step from t = 0 undoes that by the prediction
    for the scaled data at the next level, x_t = alpha_t x_0 + sigma_t eps(alpha_t x_0, t), as DDIM
    inversion does (Mokady et al. 2023, arXiv 2211.09794, eq. 3). With rho = sigma / alpha of that level,
    what x_t then denoises to differs from x_0 by O(rho**4). On all other steps this is ``inner``.

    Args:
        inner: A solver that draws no noise.

    Raises:
        ValueError: ``inner`` draws noise.
    """

    inner: Solver

    def __post_init__(self) -> None:
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} draws noise and cannot run from data to noise")

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, inner=self.inner.on(levels))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if t.sigma > 0:
            return self.inner.step(state, x, denoise, t, s, noise=noise)
        scaled = x * (s.alpha / t.alpha)
        prediction = denoise(scaled, s)
        moved = affine(scaled, 1.0, (s.sigma, prediction.noise(scaled, s)))
        return Update(moved, state, prediction.x0)
