"""Extended reverse-time SDE solvers (Cui et al. 2023, arXiv 2309.06169)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.arguments import whole_number
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, implied, rho
from gen.diffusion.solvers.multistep import Past, history

POINTS = 200


def phi(r: float) -> float:
    """r (e**(r**0.3) + 10), the noise scale of ER SDE 5 (eq. 34)."""
    return r * (math.exp(min(r**0.3, 600.0)) + 10)


@dataclass(frozen=True)
class ERSDE(Solver):
    """VP ER-SDE-Solver-1 to -3: stochastic, one evaluation per step (algorithms 3 to 5).

    With rho = sigma / alpha, q = phi(rho_s) / phi(rho_t) and the divided differences d1 and d2 of x0 in rho,

        x_s = (alpha_s / alpha_t) q x_t + alpha_s (1 - q) x0
              + alpha_s (rho_s - rho_t + phi(rho_s) I_0) d1
              + alpha_s ((rho_s - rho_t)**2 / 2 + phi(rho_s) I_1) d2
              + alpha_s sqrt(rho_s**2 - q**2 rho_t**2) z,
        I_k = integral from rho_s to rho_t of (r - rho_t)**k / phi(r) dr

    The integrals are sums over 200 points, as in the authors' code. A step from pure noise or to clean data
    is of first order and gives x0, with new noise.

    Args:
        order: Number of predictions used, 1 to 3.
        scale: phi, a positive function of rho for which q rho_t <= rho_s.
    """

    order: int = 3
    scale: Callable[[float], float] = phi

    def __post_init__(self) -> None:
        whole_number(self.order, "order", most=3)

    @property
    def stochastic(self) -> bool:
        return True

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, x = prediction.x0, implied(prediction, x, t)
        if t.alpha == 0 or s.sigma == 0:
            z = noise(x, "step") if s.sigma > 0 else None
            return Update(affine(x0, s.alpha, (s.sigma, z)), ((Past(t, x0), None),), x0, s.sigma, z)
        rho_t, rho_s = rho(t), rho(s)
        end = self.scale(rho_s)
        q = end / self.scale(rho_t)
        terms: list[tuple[float, Tensor]] = [(s.alpha * (1 - q), x0)]
        slope: Tensor | None = None
        past = history([p for p, _ in state], t, s, rho)[: self.order - 1]
        if past:
            width = (rho_t - rho_s) / POINTS
            points = [rho_s + k * width for k in range(POINTS)]
            slope = (x0 - past[0].value) / (rho_t - rho(past[0].level))
            i_0 = sum(1 / self.scale(r) for r in points) * width
            terms.append((s.alpha * (rho_s - rho_t + end * i_0), slope))
            before = state[0][1]
            if len(past) > 1 and before is not None:
                bend = (slope - before) * (2 / (rho_t - rho(past[1].level)))
                i_1 = sum((r - rho_t) / self.scale(r) for r in points) * width
                terms.append((s.alpha * ((rho_s - rho_t) ** 2 / 2 + end * i_1), bend))
        std = s.alpha * math.sqrt(max(rho_s**2 - (q * rho_t) ** 2, 0.0))
        z = noise(x, "step") if std > 0 else None
        end_x = affine(x, s.alpha / t.alpha * q, *terms, (std, z))
        kept = ((Past(t, x0), slope), *state[:1])
        return Update(end_x, kept, x0, std, z)
