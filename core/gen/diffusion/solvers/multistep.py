"""Exponential multistep methods: DPM-Solver++, DPM-Solver, DEIS, UniPC and SA-Solver are one method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers import lagrange
from gen.diffusion.solvers.base import Denoise, Past, Solver, State, Update, affine, decay, implied


class _Kernel(NamedTuple):
    """One step: x_s = scale x_t + integral over u in [0, 1] of peak e**(-rate (1 - u)) m(u) + std z.

    m is the prediction; total is the integral for m = 1.
    """

    scale: float
    total: float
    peak: float
    rate: float
    std: float


class _Predicted(NamedTuple):
    """What a corrector needs to know of the step before: where it went, and the weights of its history."""

    level: Level[float]
    weights: Sequence[float]


@dataclass(frozen=True)
class ExponentialMultistep(Solver):
    """Order 1 to 3, or 4 with the corrector, at one evaluation per step.

    With lambda = log_snr and h the step in it, the reverse diffusion of noise strength eta is solved exactly
    by either of

        x_s = (sigma_s / sigma_t) e**(-eta h) x_t + sigma_s sqrt(1 - e**(-2 eta h)) z
              + alpha_s integral over u in [0, 1] of H e**(-H (1 - u)) x0(lambda_t + u h),   H = (1 + eta) h

        x_s = (alpha_s / alpha_t) x_t + sigma_s sqrt(eta (e**(2 h) - 1)) z
              - (1 + eta) sigma_s integral over u in [0, 1] of h e**(h (1 - u)) eps(lambda_t + u h)

    with z standard normal (Lu et al. 2022, arXiv 2211.01095, prop. 4.1 for eta = 0 and appendix for eta = 1;
    Xue et al. 2023, arXiv 2309.05019, sec. 4 and appendix, for any eta = tau**2). The prediction, x0 or eps,
    is replaced by the polynomial in lambda through the last ``order`` ones. The corrector goes the last step
    again once the prediction at its end is known, with that one among the nodes and with the same noise.

    The published methods, by target, order, corrector and quadrature:

        DPM-Solver++ 2M (algorithm 2), and for eta = 1 its SDE: x0, 2, 0, midpoint
        DPM-Solver++ 2M "heun" and 3M, and for eta = 1 their SDEs: x0, 2 or 3, 0, exact
        DPM-Solver multistep (Lu et al. 2022, arXiv 2206.00927): eps, 2 or 3, 0, midpoint or exact
        DEIS in log rho (Zhang & Chen 2023, arXiv 2204.13902): eps, k, 0, exact
        UniP-k (Zhao et al. 2023, arXiv 2302.04867) with B1 or B2: x0 or eps, k, 0, endpoint or midpoint
        UniPC-k with B1 or B2: x0 or eps, k, k + 1, endpoint or midpoint
        SA-Solver, p-step predictor and c-step corrector: x0 or eps, p, c + 1, exact; endpoint in the code of
            its authors

    A step with infinite h (from or to pure noise, to clean data) is of first order, in x0, and uncorrected.

    Args:
        order: Number of predictions used, 1 to 3.
        eta: Strength of the noise, >= 0: one number, or a function of the level where a step starts; 0 is
            the probability flow, 1 the reverse diffusion.
        quadrature: How a line through two predictions is integrated: "exact"; "midpoint" takes its value at
            u = 1/2; "endpoint" integrates its slope as if the kernel were everywhere what it is at u = 1. All
            are of second order. Polynomials through three or four predictions are integrated exactly.
        target: What the polynomial is of.
        corrector: Number of predictions in the corrector, with the one at the end of the step, 1 to 4; 0 for
            no corrector. ``order`` + 1 makes the method of order ``order`` + 1.

    Raises:
        ValueError: An argument is out of range.
    """

    order: int = 2
    eta: float | Callable[[Level[float]], float] = 0.0
    quadrature: Literal["exact", "midpoint", "endpoint"] = "exact"
    target: Literal["x0", "eps"] = "x0"
    corrector: int = 0

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"order must be 1, 2 or 3, not {self.order}")
        if not callable(self.eta) and not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be a finite number of at least 0, not {self.eta}")
        if self.quadrature not in ("exact", "midpoint", "endpoint"):
            raise ValueError(f"quadrature must be exact, midpoint or endpoint, not {self.quadrature!r}")
        if self.target not in ("x0", "eps"):
            raise ValueError(f"target must be 'x0' or 'eps', not {self.target!r}")
        if self.corrector not in (0, 1, 2, 3, 4):
            raise ValueError(f"corrector must be a whole number from 0 to 4, not {self.corrector}")

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
        value = prediction.x0 if self.target == "x0" else prediction.noise(x, t)
        last, past = (state[0], state[1:]) if state and isinstance(state[0], _Predicted) else (None, state)
        changes = self._correction(past, last, t) if last is not None and last.level == t else []
        history = (Past(t, value), *past)
        kernel = self._kernel(t, s)
        finite = _finite(t, s)
        weights = self._weights(kernel, _nodes(history[: self.order], s)) if finite else []
        # The corrector only adds multiples of predictions to x, so one sum makes both moves.
        pairs = zip_longest(weights, changes, fillvalue=0.0)
        terms = [
            (weight + kernel.scale * change, earlier.value)
            for earlier, (weight, change) in zip(history, pairs, strict=False)
        ]
        if not finite:
            terms.append((kernel.total, prediction.x0))
        z = noise(x, "step") if kernel.std > 0 else None
        if z is not None:
            terms.append((kernel.std, z))
        moved = affine(implied(prediction, x, t), kernel.scale, *terms)
        # The corrector takes the predictor's whole share out again.
        size = max(self.order, self.corrector - 1) if self.corrector > 0 else self.order - 1
        kept: State = history[:size]
        if self.corrector > 0 and finite:
            kept = (_Predicted(s, weights), *kept)
        return Update(moved, kept, prediction.x0, kernel.std, z)

    def _correction(self, past: State, last: _Predicted, t: Level[float]) -> list[float]:
        """How much of the prediction made at t, and of each past one, brings x to the corrector's result."""
        kernel = self._kernel(past[0].level, t)
        newest, *weights = self._weights(kernel, [1.0, *_nodes(past, t)][: self.corrector])
        return [newest, *(now - then for now, then in zip_longest(weights, last.weights, fillvalue=0.0))]

    def _kernel(self, t: Level[float], s: Level[float]) -> _Kernel:
        eta = self.eta(t) if callable(self.eta) else self.eta
        if eta < 0:
            raise ValueError(f"eta must be at least 0, not {eta} as at log_snr {t.log_snr:.4g}")
        h = s.log_snr - t.log_snr
        if self.target == "eps" and _finite(t, s):
            scale = s.alpha / t.alpha
            reach, rise = t.sigma * scale, 1 + eta
            std = math.sqrt(eta * (reach**2 - s.sigma**2)) if eta > 0 else 0.0
            return _Kernel(scale, rise * (s.sigma - reach), -rise * h * s.sigma, -h, std)
        ratio = decay(t, s)
        scale = s.sigma / t.sigma * ratio**eta
        total = s.alpha - t.alpha * scale  # alpha_s (1 - e**-H), without its 0 / 0 at the ends
        rate = (1 + eta) * h
        return _Kernel(scale, total, s.alpha * rate, rate, s.sigma * math.sqrt(1 - ratio ** (2 * eta)))

    def _weights(self, kernel: _Kernel, nodes: Sequence[float]) -> list[float]:
        if len(nodes) == 1:
            return [kernel.total]
        if len(nodes) == 2 and self.quadrature != "exact":
            whole = kernel.total if self.quadrature == "midpoint" else kernel.peak
            return lagrange.weights(nodes, [kernel.total, whole / 2])
        _, *higher = lagrange.moments(kernel.rate, len(nodes))
        return lagrange.weights(nodes, [kernel.total, *(kernel.peak * moment for moment in higher)])


def _finite(t: Level[float], s: Level[float]) -> bool:
    return min(t.alpha, s.alpha, s.sigma) > 0


def _nodes(history: State, s: Level[float]) -> list[float]:
    return lagrange.nodes([past.level.log_snr for past in history], s.log_snr)
