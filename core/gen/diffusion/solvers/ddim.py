"""DDIM and everything that is DDIM under another name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, implied
from gen.diffusion.solvers.fresh_noise import FreshNoise, rule_of


@dataclass(frozen=True)
class DDIM(Solver):
    """First order, one evaluation per step (Song et al. 2021, arXiv 2010.02502, eq. 12).

        x_s = alpha_s x0 + sqrt(sigma_s**2 - tau**2) eps + tau z

    eta = 0 is the exponential Euler step of the probability flow: DDIM, Euler on sigma / alpha, Euler on a
    rectified flow. eta = 1 draws from the Markov posterior: DDPM, Euler ancestral. ``Full()`` is how
    consistency models and LCM take several steps, ``Gamma`` is TCD, ``DownStep`` Euler ancestral on flows.

    Args:
        eta: Share of fresh noise, in [0, 1], or another rule for tau.

    Raises:
        ValueError: ``eta`` is outside.
    """

    eta: float | FreshNoise = 0.0

    def __post_init__(self) -> None:
        rule_of(self.eta)

    @property
    def stochastic(self) -> bool:
        return callable(self.eta) or self.eta > 0

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
        prediction = denoise(x, t)
        tau = rule_of(self.eta)(t, s) if self.stochastic else 0.0
        z = noise(x, "step") if tau > 0 else None
        fresh = () if z is None else ((tau, z),)
        # eps = (x - alpha_t x0) / sigma_t put in; finite at alpha_t = 0.
        scale = math.sqrt((s.sigma - tau) * (s.sigma + tau)) / t.sigma
        moved = affine(implied(prediction, x, t), scale, (s.alpha - t.alpha * scale, prediction.x0), *fresh)
        return Update(moved, state, prediction.x0, tau, z)
