"""Adams-Bashforth on the probability flow: LMS, iPNDM and PLMS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers import lagrange
from gen.diffusion.solvers.base import Denoise, Past, Solver, State, Update, affine, implied
from gen.diffusion.solvers.ddim import DDIM


@dataclass(frozen=True)
class AdamsBashforth(Solver):
    """Order 1 to 4, one evaluation per step: d(x / alpha) / d rho = eps with rho = sigma / alpha.

        x_s = (alpha_s / alpha_t) x_t + alpha_s (integral of eps from rho_t to rho_s)

    with eps replaced by the polynomial through its last ``order`` values (Butcher 2016, Numerical Methods for
    Ordinary Differential Equations, sec. 24). The first steps have fewer values and a lower order.

    In rho this is LMS (Katherine Crowson's k-diffusion), the same as DEIS with polynomials in rho (Zhang &
    Chen 2023, arXiv 2204.13902). By index, as if the steps were equal in rho, it is iPNDM (the same paper,
    appendix), and with the first step of Heun PLMS (Liu et al. 2022, arXiv 2202.09778, sec. 3): of order 4 on
    such a grid, of order 2 on any other. DEIS with polynomials in log rho is
    ``ExponentialMultistep(order, target="eps")``.

    A step from or to pure noise is of first order.

    Args:
        order: Number of predictions used, 1 to 4.
        variable: "rho", or "index" for the weights of equal steps.
        start: A step with no past: "euler" is of first order; "heun" averages eps at both ends of the step,
            with two evaluations (the pseudo improved Euler step), except to clean data.

    Raises:
        ValueError: An argument is out of range.
    """

    order: int = 4
    variable: Literal["rho", "index"] = "rho"
    start: Literal["euler", "heun"] = "euler"

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3, 4):
            raise ValueError(f"order must be 1, 2, 3 or 4, not {self.order}")
        if self.variable not in ("rho", "index"):
            raise ValueError(f"variable must be 'rho' or 'index', not {self.variable!r}")
        if self.start not in ("euler", "heun"):
            raise ValueError(f"start must be 'euler' or 'heun', not {self.start!r}")

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
        eps = prediction.noise(x, t)
        history = (Past(t, eps), *state)[: self.order]
        kept = history[: self.order - 1]
        if t.alpha == 0 or s.alpha == 0:
            update = DDIM().step((), x, lambda *_: prediction, t, s, noise=noise)
            return update._replace(state=kept)
        x = implied(prediction, x, t)
        scale = s.alpha / t.alpha
        total = s.sigma - t.sigma * scale  # alpha_s (rho_s - rho_t)
        nodes = self._nodes(history, s)
        if self.start == "heun" and len(nodes) == 1 and s.sigma > 0:
            ahead = affine(x, scale, (total, eps))
            end = denoise(ahead, s).noise(ahead, s)
            return Update(affine(x, scale, (total / 2, eps), (total / 2, end)), kept, prediction.x0)
        weights = lagrange.weights(nodes, [total / (k + 1) for k in range(len(nodes))])
        terms = [(weight, past.value) for weight, past in zip(weights, history, strict=False)]
        return Update(affine(x, scale, *terms), kept, prediction.x0)

    def _nodes(self, history: tuple[Past, ...], s: Level[float]) -> list[float]:
        if self.variable == "rho":
            return lagrange.nodes([_rho(past.level) for past in history], _rho(s))
        # Any variable tells how far the run has gone one way; this one is finite for pure noise as well.
        shares = [past.level.sigma / (past.level.alpha + past.level.sigma) for past in history]
        end = s.sigma / (s.alpha + s.sigma)
        return [-float(i) for i in range(len(lagrange.nodes(shares, end)))]


def _rho(level: Level[float]) -> float:
    return level.sigma / level.alpha if level.alpha > 0 else math.inf
