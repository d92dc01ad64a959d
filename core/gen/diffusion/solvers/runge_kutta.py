"""Heun's method, the trapezoid rule, and Heun++."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import (
    Denoise,
    Solver,
    State,
    Update,
    affine,
    eps_step,
    first_order_only,
    implied,
    rho,
)
from gen.diffusion.solvers.first_order import DDIM
from gen.diffusion.solvers.wrappers import FlowTime


@dataclass(frozen=True)
class Heun(Solver):
    """Heun's method for eps in rho = sigma / alpha (Karras et al. 2022, arXiv 2206.00364, algorithm 1).

        x'  = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) eps_t
        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (eps_t + eps_s(x')) / 2

    Second order, two evaluations; the step to clean data is Euler's with one. Steps from or to (nearly) pure
    noise, where the trapezoid is inaccurate, are those of ``FlowTime(Heun())``.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if s.sigma == 0:
            return DDIM().step(state, x, denoise, t, s, noise=noise)
        if first_order_only(t, s, s):
            return FlowTime(self).step(state, x, denoise, t, s, noise=noise)
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        eps = prediction.noise(x, t)
        scale, step = eps_step(t, s)
        ahead = affine(x, scale, (step, eps))
        eps_end = denoise(ahead, s).noise(ahead, s)
        return Update(affine(x, scale, (step / 2, eps), (step / 2, eps_end)), state, prediction.x0)


@dataclass(frozen=True)
class HeunPlusPlus(Solver):
    """Heun++ of ComfyUI, in rho = sigma / alpha; three evaluations per step, and no paper.

        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (w_t eps_t + w_s eps_s + w_r eps_r)

    where x at s and then at r, the level after it, are predicted by Euler steps, and w_s = rho_s / (3 rho_0),
    w_r = rho_r / (3 rho_0) and w_t = 1 - w_s - w_r, with rho_0 at the start of the run. The step before the
    last has w_s = rho_s / (2 rho_0) and no r. First order. Euler's are the last step, all steps of a run
    from pure noise, where rho_0 is infinite, those towards noise, and those between levels unknown to ``on``.
    """

    levels: tuple[Level[float], ...] = field(default=(), repr=False)

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, levels=tuple(levels))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        after = self.levels[self.levels.index(s) + 1 :] if s in self.levels else ()
        if not after or s.log_snr < t.log_snr or min(t.alpha, s.alpha) == 0 or self.levels[0].alpha == 0:
            return DDIM().step(state, x, denoise, t, s, noise=noise)
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        places, values = [t, s] if len(after) == 1 else [t, s, after[0]], [prediction.noise(x, t)]
        ahead = x
        for start, end in pairwise(places):
            scale, step = eps_step(start, end)
            ahead = affine(ahead, scale, (step, values[-1]))
            values.append(denoise(ahead, end).noise(ahead, end))
        rest = [rho(level) / (len(places) * rho(self.levels[0])) for level in places[1:]]
        scale, step = eps_step(t, s)
        weights = [1 - sum(rest), *rest]
        terms = [(step * weight, eps) for weight, eps in zip(weights, values, strict=True)]
        return Update(affine(x, scale, *terms), state, prediction.x0)
