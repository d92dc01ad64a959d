"""DDIM and everything that is DDIM under another name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, State, Update, affine, decay


@dataclass(frozen=True)
class DDIM:
    """First order, one evaluation per step (Song et al. 2021, arXiv 2010.02502, eq. 12 and 16).

        x_s = alpha_s x0 + sqrt(sigma_s**2 - tau**2) eps + tau z
        tau = eta sigma_s sqrt(1 - (alpha_t sigma_s / (alpha_s sigma_t))**2)

    eta = 0 is the exponential Euler step of the probability flow: DDIM, Euler on sigma / alpha, Euler on a
    rectified flow. eta = 1 draws from the Markov posterior: DDPM, Euler ancestral.

    Args:
        eta: Share of fresh noise, in [0, 1].

    Raises:
        ValueError: ``eta`` is outside.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], not {self.eta}")

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        here: Level[float],
        there: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        prediction = denoise(x, here)
        tau = self.eta * there.sigma * math.sqrt(1 - decay(here, there) ** 2) if self.stochastic else 0.0
        kept = math.sqrt(there.sigma**2 - tau**2)
        fresh = ((tau, noise(x, "step")),) if tau > 0 else ()
        if prediction.eps is not None:
            moved = affine(prediction.x0, there.alpha, (kept, prediction.eps), *fresh)
        else:
            # eps = (x - alpha_t x0) / sigma_t put in; finite at alpha_t = 0.
            scale = kept / here.sigma
            moved = affine(x, scale, (there.alpha - here.alpha * scale, prediction.x0), *fresh)
        return Update(moved, state, prediction.x0)
