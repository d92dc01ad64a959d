"""Ralston's method in flow time."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gen.diffusion import Level, Solver, StepNoise
from gen.diffusion.solvers import Denoise, State, Update, flow_time


@dataclass(frozen=True)
class Ralston(Solver):
    """A Runge-Kutta method of two evaluations for v = eps - x0 in flow time u = sigma / (alpha + sigma).

        y_t = x_t / (alpha_t + sigma_t),   h = u_s - u_t,   c = place
        y_c = y_t + c h v_t
        y_s = y_t + h ((1 - 1 / (2 c)) v_t + 1 / (2 c) v_c)

    Second order for every c; c = 2/3 has the smallest bound of the error (Ralston 1962, "Runge-Kutta methods
    with minimum error bounds"), 1 is Heun's method, 1/2 the midpoint rule. A step to clean data with c = 1 is
    Euler's.

    Args:
        place: c, in (0, 1].
    """

    place: float = 2 / 3

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
        start = denoise(x, t)
        v = start.noise(x, t) - start.x0
        y, h, c = x / (t.alpha + t.sigma), flow_time(s) - flow_time(t), self.place
        norm = s.alpha + s.sigma
        u = flow_time(t) + c * h
        if u <= 0:
            return Update(norm * (y + h * v), state, start.x0)
        # The level at u of a rectified flow; a denoiser takes levels of any process.
        level = Level(u, 1 - u, u)
        middle = y + c * h * v
        at = denoise(middle, level)
        v_c = at.noise(middle, level) - at.x0
        weight = 1 / (2 * c)
        return Update(norm * (y + h * ((1 - weight) * v + weight * v_c)), state, start.x0)
