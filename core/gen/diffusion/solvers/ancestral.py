"""Fresh noise after the step of a deterministic solver."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine
from gen.diffusion.solvers.fresh_noise import FreshNoise, rule_of


@dataclass(frozen=True)
class Ancestral(Solver):
    """``inner`` to a level below the next one, then noise up to that one.

    The rule gives tau; ``inner`` goes to (alpha_s, sqrt(sigma_s**2 - tau**2)), and tau z is added. Around
    DDIM it is DDIM with that rule; around ``ExponentialRungeKutta`` it gives DPM-Solver++ 2S ancestral and
    DPM2 ancestral of k-diffusion, and with ``DownStep`` their forms for flows.

    Args:
        inner: A solver that draws no noise and needs no memory.
        eta: Share of fresh noise, in [0, 1], or another rule for tau.

    Raises:
        ValueError: ``eta`` is outside, or ``inner`` draws noise.
    """

    inner: Solver
    eta: float | FreshNoise = 1.0

    def __post_init__(self) -> None:
        rule_of(self.eta)
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} draws noise already")

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
        tau = rule_of(self.eta)(t, s) if self.stochastic else 0.0
        if tau == 0:
            return self.inner.step(state, x, denoise, t, s, noise=noise)
        down = replace(s, sigma=math.sqrt((s.sigma - tau) * (s.sigma + tau)))
        update = self.inner.step(state, x, denoise, t, down, noise=noise)
        z = noise(x, "step")
        return Update(affine(update.x, 1.0, (tau, z)), update.state, update.x0, tau, z)
