"""The general exponential integrator: most solvers are one of its cases, and are tested against it.

``ExponentialMultistep`` takes predictions of earlier steps, ``ExponentialRungeKutta`` predictions within
the step. Both interpolate x0 or eps by a polynomial in lambda = log_snr and integrate it exactly against
the exponential kernel of the diffusion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple

from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers import Denoise, Past, Solver, State, Update
from gen.diffusion.solvers.base import affine, between, decay, implied
from gen.diffusion.solvers.multistep import lagrange, moments


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
            return lagrange(nodes, [kernel.total, whole / 2])
        _, *higher = moments(kernel.rate, len(nodes))
        return lagrange(nodes, [kernel.total, *(kernel.peak * moment for moment in higher)])


def _finite(t: Level[float], s: Level[float]) -> bool:
    return min(t.alpha, s.alpha, s.sigma) > 0


def _nodes(history: State, s: Level[float]) -> list[float]:
    return node_list([past.level.log_snr for past in history], s.log_snr)


def node_list(values: Sequence[float], end: float) -> list[float]:
    """Where earlier predictions lie, in steps: this one is from 0 to 1, the one before begins at -1.

    Args:
        values: The variable of the polynomial, finite at the start (first) and at the earlier predictions.
        end: The variable at the end of the step, finite.

    Returns:
        The nodes of those predictions that lead to the start in one direction; none for a step of size 0. The
        first other one (of infinite value, or from before the run turned round) and all before it are left
        out.
    """
    start = values[0]
    found = [0.0]
    for value in values[1:] if end != start else ():
        node = (value - start) / (end - start)
        if not -math.inf < node < found[-1]:
            break
        found.append(node)
    return found


@dataclass(frozen=True)
class ExponentialRungeKutta(Solver):
    """Order 1 to 3 with as many evaluations per step, and no memory.

    The exact solution is that of ``ExponentialMultistep``. The prediction within the step is a line
    through the one made at its start and the last one made on the way, at the nodes c (fractions of the step
    in log_snr):

        order 2: c; in the last stage the line is replaced by its value at 1/2
        order 3: c = 1/3, then 2/3; all lines are integrated exactly

    The published methods, by target, order and node:

        DPM-Solver++ 2S (Lu et al. 2022, 2211.01095, algorithm 1) and 3S: x0, 2 or 3
        DPM-Solver-1, -2 and -3 (Lu et al. 2022, 2206.00927, algorithms 1 and 2): eps, 1, 2 or 3
        DPM2 of k-diffusion, the midpoint in log sigma: eps, 2, 1/2
        Heun on sigma / alpha (Karras et al. 2022, algorithm 1): eps, 2, 1
        DPM-Solver++ SDE of k-diffusion: x0, 2, 1/2 with eta = 1

    With ``Ancestral`` around it: 2S ancestral and DPM2 ancestral. A step with infinite h (from or to pure
    noise, to clean data) is of first order.

    Args:
        order: Number of evaluations per step, 1 to 3.
        target: What the lines are of.
        node: c of order 2, in (0, 1]; order 3 has nodes of its own.
        eta: Strength of the noise, >= 0, as in ``ExponentialMultistep``; above 0 for x0 and order 1 or 2. The
            noise of the stage is a part of that of the step.

    Raises:
        ValueError: An argument is out of range, or noise for a form that has none.
    """

    order: int = 2
    target: Literal["x0", "eps"] = "x0"
    node: float = 0.5
    eta: float = 0.0

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"order must be 1, 2 or 3, not {self.order}")
        if self.target not in ("x0", "eps"):
            raise ValueError(f"target must be 'x0' or 'eps', not {self.target!r}")
        if not 0 < self.node <= 1:
            raise ValueError(f"node must lie in (0, 1], not {self.node}")
        if not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be a finite number of at least 0, not {self.eta}")
        if self.eta > 0 and (self.target == "eps" or self.order == 3):
            raise ValueError("eta must be 0 for target 'eps' and for order 3")
        if self.eta > 0 and self.order == 2 and self.node == 1:
            raise ValueError("node must be below 1 where eta is above 0")

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

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
        x = implied(prediction, x, t)
        finite = min(t.alpha, s.alpha, s.sigma) > 0
        if self.order == 1 or not finite:
            std = self._std(t, s)
            z = noise(x, "step") if std > 0 else None
            moved = self._move(x, t, s, prediction.x0, "x0")
            return Update(moved if z is None else moved.add_(z, alpha=std), state, prediction.x0, std, z)
        first = self._value(prediction, x, t)
        if self.order == 3:
            near, far = between(t, s, 1 / 3), between(t, s, 2 / 3)
            at_near = self._move(x, t, near, first, self.target)
            second = self._value(denoise(at_near, near), at_near, near)
            at_far = self._move(x, t, far, first, self.target, second, 1 / 2)
            third = self._value(denoise(at_far, far), at_far, far)
            return Update(self._move(x, t, s, first, self.target, third, 2 / 3), state, prediction.x0)
        middle = s if self.node == 1 else between(t, s, self.node)
        stage = self._move(x, t, middle, first, self.target)
        fresh = None
        if self.stochastic:
            std, rest = self._std(t, middle), self._std(middle, s)
            z = noise.part("stage", t, middle)(x, "step")
            stage.add_(z, alpha=std)
            # What the noise of the stage has become at the end, and the noise that came after it.
            carried = std * s.sigma / middle.sigma * decay(middle, s) ** self.eta
            fresh = affine(z, carried, (rest, noise.part("rest", middle, s)(x, "step")))
        second = self._value(denoise(stage, middle), stage, middle)
        line = affine(first, 1 - 1 / (2 * self.node), (1 / (2 * self.node), second))
        moved = self._move(x, t, s, line, self.target)
        return Update(moved if fresh is None else moved.add_(fresh), state, prediction.x0)

    def _value(self, prediction: Prediction, x: Tensor, level: Level[float]) -> Tensor:
        return prediction.x0 if self.target == "x0" else prediction.noise(x, level)

    def _std(self, t: Level[float], s: Level[float]) -> float:
        return s.sigma * math.sqrt(1 - decay(t, s) ** (2 * self.eta)) if self.stochastic else 0.0

    def _move(
        self,
        x: Tensor,
        t: Level[float],
        s: Level[float],
        value: Tensor,
        target: Literal["x0", "eps"],
        later: Tensor | None = None,
        node: float = 1.0,
    ) -> Tensor:
        """The solution for a constant prediction, or a line through it and, at ``node``, ``later``."""
        if target == "x0":
            scale = s.sigma / t.sigma
            if self.stochastic:
                scale *= decay(t, s) ** self.eta
            total = s.alpha - t.alpha * scale
        else:
            scale = s.alpha / t.alpha
            total = s.sigma - t.sigma * scale
        if later is None:
            return affine(x, scale, (total, value))
        # The integral of the kernel times the fraction of the step, from that of the kernel by parts.
        h = s.log_snr - t.log_snr
        slope = (s.alpha - total / h if target == "x0" else s.sigma + total / h) / node
        return affine(x, scale, (total - slope, value), (slope, later))
