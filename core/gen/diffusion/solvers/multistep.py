"""Exponential multistep methods in x0: the DPM-Solver++ family."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Past, State, Update, affine, decay


@dataclass(frozen=True)
class ExponentialMultistep:
    """Order 1 to 3, one evaluation per step: exponential Adams-Bashforth in log_snr.

    With lambda = log_snr, h the step in it and z standard normal, the reverse process is solved exactly by

        x_s = (sigma_s / sigma_t) e**(-eta h) x_t + alpha_s I + sigma_s sqrt(1 - e**(-2 eta h)) z
        I = integral over u in [0, 1] of H e**(-H (1 - u)) x0(lambda_t + u h),   H = (1 + eta) h

    (Lu et al. 2022, arXiv 2211.01095, prop. 4.1 for eta = 0 and appendix for eta = 1). x0(lambda) is replaced
    by the polynomial through the last ``order`` predictions. eta = 0 gives DPM-Solver++ 2M and 3M, eta = 1
    their SDE forms. A step with infinite h (from pure noise, to clean data) is of first order.

    Args:
        order: Number of predictions used, 1 to 3.
        eta: Strength of the noise, >= 0; 0 is the probability flow, 1 the reverse diffusion.
        quadrature: "exact" integrates the polynomial exactly; "midpoint" takes its value at u = 1/2, which is
            the published DPM-Solver++ 2M (algorithm 2) and keeps order 2 only.

    Raises:
        ValueError: An argument is out of range, or the midpoint is asked for order 3.
    """

    order: int = 2
    eta: float = 0.0
    quadrature: Literal["exact", "midpoint"] = "exact"

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"order must be 1, 2 or 3, not {self.order}")
        if not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be a finite number of at least 0, not {self.eta}")
        if self.quadrature not in ("exact", "midpoint"):
            raise ValueError(f"quadrature must be 'exact' or 'midpoint', not {self.quadrature!r}")
        if self.quadrature == "midpoint" and self.order == 3:
            raise ValueError("quadrature must be 'exact' for order 3: the midpoint reaches order 2 at most")

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
        x0 = denoise(x, here).x0
        history = (Past(here, x0), *state)[: self.order]
        ratio = decay(here, there)
        scale = there.sigma / here.sigma * ratio**self.eta
        total = there.alpha - here.alpha * scale  # alpha_s (1 - e**-H), without its 0 / 0 at the ends
        weights = self._weights(history, here, there, total)
        terms = [(weight, past.x0) for weight, past in zip(weights, history, strict=False)]
        if self.stochastic and there.sigma > 0:
            terms.append((there.sigma * math.sqrt(1 - ratio ** (2 * self.eta)), noise(x, "step")))
        return Update(affine(x, scale, *terms), history[: self.order - 1], x0)

    def _weights(
        self, history: State, here: Level[float], there: Level[float], total: float
    ) -> tuple[float, ...]:
        """Weights of the predictions: the integral of each one's Lagrange polynomial."""
        h = there.log_snr - here.log_snr
        # A level of infinite log_snr is no node of a polynomial.
        nodes = [
            (past.level.log_snr - here.log_snr) / h for past in history if math.isfinite(past.level.log_snr)
        ]
        if not math.isfinite(h) or len(nodes) < 2:
            return (total,)
        # Integrals of H e**(-H (1 - u)) u and u**2, times alpha_s; the midpoint rule puts u = 1/2.
        span = (1 + self.eta) * h
        first = total / 2 if self.quadrature == "midpoint" else there.alpha - total / span
        if len(nodes) == 2:
            weight = first / nodes[1]
            return total - weight, weight
        second = there.alpha - 2 * first / span
        _, near, far = nodes
        nearer = (second - far * first) / (near * (near - far))
        farther = (second - near * first) / (far * (far - near))
        return total - nearer - farther, nearer, farther
