"""Heun's method, the trapezoid rule, in sigma / alpha and in flow time."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, flow_time, implied, rho

NEARLY_NOISE = 100.0
"""rho above which a level is as good as pure noise; the sigma_max of EDM is 80."""


@dataclass(frozen=True)
class FlowHeun(Solver):
    """Heun's method for v = eps - x0 in flow time u = sigma / (alpha + sigma); second order, two evaluations.

        x'  = S (x_t / (alpha_t + sigma_t) + (u_s - u_t) v_t),   S = alpha_s + sigma_s
        x_s = S (x_t / (alpha_t + sigma_t) + (u_s - u_t) (v_t + v_s(x')) / 2)

    On a rectified flow u = t and S = 1. Finite from pure noise; the step to clean data, where v is not
    defined, is Euler's with one evaluation.
    """

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,  # noqa: ARG002
    ) -> Update:
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        v = prediction.noise(x, t) - prediction.x0
        norm = s.alpha + s.sigma
        scale, step = norm / (t.alpha + t.sigma), norm * (flow_time(s) - flow_time(t))
        ahead = affine(x, scale, (step, v))
        if s.sigma == 0:
            return Update(ahead, state, prediction.x0)
        end = denoise(ahead, s)
        v_end = end.noise(ahead, s) - end.x0
        return Update(affine(x, scale, (step / 2, v), (step / 2, v_end)), state, prediction.x0)


@dataclass(frozen=True)
class Heun(Solver):
    """Heun's method for eps in rho = sigma / alpha (Karras et al. 2022, arXiv 2206.00364, algorithm 1).

        x'  = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) eps_t
        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (eps_t + eps_s(x')) / 2

    Second order, two evaluations; the step to clean data is Euler's with one. From pure noise rho is
    infinite, and from nearly pure noise the trapezoid is far off: steps from rho > 100 are those of
    ``FlowHeun``.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if max(rho(t), rho(s)) > NEARLY_NOISE:
            return FlowHeun().step(state, x, denoise, t, s, noise=noise)
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        eps = prediction.noise(x, t)
        scale = s.alpha / t.alpha
        step = s.sigma - t.sigma * scale  # alpha_s (rho_s - rho_t)
        ahead = affine(x, scale, (step, eps))
        if s.sigma == 0:
            return Update(ahead, state, prediction.x0)
        eps_end = denoise(ahead, s).noise(ahead, s)
        return Update(affine(x, scale, (step / 2, eps), (step / 2, eps_end)), state, prediction.x0)
