"""Solvers in flow time, as ComfyUI runs those of other processes on rectified flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, flow_time


@dataclass(frozen=True)
class FlowTime(Solver):
    """``inner`` for y = x / (alpha + sigma) and u = sigma / (alpha + sigma), in place of x / alpha and rho.

        y = x0 + u v,   v = eps - x0,   as   x / alpha = x0 + rho eps

    so that ``inner`` integrates v where it integrates eps, and log u takes the place of log rho (ComfyUI's
    code, in which a flow's x and time pass for those of a variance exploding process; no paper has it).
    ``FlowTime(Heun())`` is ``FlowHeun()``, ``FlowTime(LMS(n))`` is ``FlowAdams(n)``, ``FlowTime(DDIM())`` is
    ``DDIM()``. Steps from pure noise are like others, as u = 1 is finite.

    Args:
        inner: A solver that draws no noise: in this form it would draw too much. ``Ancestral`` goes around.
    """

    inner: Solver

    def __post_init__(self) -> None:
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} must draw no noise in flow time")

    @property
    def corrects(self) -> bool:
        return self.inner.corrects

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, inner=self.inner.on([_exploding(level) for level in levels]))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        def of_flow(y: Tensor, level: Level[float]) -> Prediction:
            of_y = Level(level.t, 1 - level.sigma, level.sigma)
            prediction = denoise(y, of_y)
            if prediction.eps is None or of_y.alpha == 0:
                return Prediction(prediction.x0)
            # (y - u0) / u with u0 = (y - u eps) / (1 - u)
            return Prediction(prediction.x0, (prediction.eps - y) / of_y.alpha)

        y = affine(x, 1 / (t.alpha + t.sigma))
        update = self.inner.step(state, y, of_flow, _exploding(t), _exploding(s), noise=noise)
        return Update(affine(update.x, s.alpha + s.sigma), update.state, update.x0)


def _exploding(level: Level[float]) -> Level[float]:
    return Level(level.t, 1.0, flow_time(level))
