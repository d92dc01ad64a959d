"""Heun's method on the probability flow."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, decay
from gen.diffusion.solvers.ddim import DDIM


@dataclass(frozen=True)
class Heun(Solver):
    """Second order, two evaluations per step (Karras et al. 2022, arXiv 2206.00364, algorithm 1).

    The trapezoid rule for d(x / alpha) / d rho = eps with rho = sigma / alpha. In terms of x0 it is the DDIM
    step with x0 + (x0' - x0) / (2 r), where x0' is predicted at the end of the step and r = rho_s / rho_t.
    For r = 0 (from pure noise, to clean data) it is the DDIM step, with one evaluation.
    """

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
        euler = DDIM().step(state, x, denoise, t, s, noise=noise)
        ratio = decay(t, s)
        if ratio == 0 or s.alpha == 0:
            return euler
        weight = (s.alpha - t.alpha * s.sigma / t.sigma) / (2 * ratio)
        ahead = denoise(euler.x, s).x0
        return Update(affine(euler.x, 1.0, (weight, ahead), (-weight, euler.x0)), state, euler.x0)
