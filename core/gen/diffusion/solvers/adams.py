"""Adams-Bashforth methods: the prediction is integrated as the polynomial through its last values.

On the probability flow, with rho = sigma / alpha and u = sigma / (alpha + sigma),

    d(x / alpha) / d rho = eps   and   d(x / (alpha + sigma)) / du = eps - x0 = v,

so that a step is x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) eps, or the same with alpha + sigma,
u and v, where eps or v is the mean of the polynomial over the step (Butcher 2016, Numerical Methods for
Ordinary Differential Equations, sec. 24).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers import lagrange
from gen.diffusion.solvers.base import (
    Denoise,
    Past,
    Solver,
    State,
    Update,
    affine,
    flow_time,
    history,
    implied,
    rho,
    steps_left,
)
from gen.diffusion.solvers.dpmpp import SHORT
from gen.diffusion.solvers.unipc import Predicted, combined, corrections, split

EQUAL = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""The weights of equal steps, by order."""


class Weights(NamedTuple):
    """x_s = scale x_t + sum of c_k eps_k, newest first."""

    scale: float
    c: Sequence[float]


class _Multistep(Solver):
    """One evaluation per step: a sum of its prediction and those of earlier steps."""

    @property
    @abstractmethod
    def order(self) -> int:
        """Number of predictions used."""

    @abstractmethod
    def weights(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> Weights:
        """Those of the step, given the earlier predictions, newest first."""

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        """Whether the step is of first order whatever came before."""
        return min(t.alpha, s.alpha) == 0

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, x = prediction.x0, implied(prediction, x, t)
        known = (Past(t, prediction.noise(x, t)), *state)
        if self.first_order(t, s):
            scale = s.sigma / t.sigma
            end = affine(x, scale, (s.alpha - t.alpha * scale, x0))
        else:
            scale, c = self.weights(state, t, s)
            end = affine(x, scale, *((c_k, p.value) for c_k, p in zip(c, known, strict=False)))
        return Update(end, known[: self.order - 1], x0)


def _check(order: int, highest: int) -> None:
    if isinstance(order, bool) or order not in range(1, highest + 1):
        raise ValueError(f"order must be a whole number from 1 to {highest}, not {order}")


def _adams(nodes: Sequence[float]) -> list[float]:
    """The weights, of sum 1, of values at these fractions of the step, 0 first."""
    return lagrange.weights(nodes, [1 / (k + 1) for k in range(len(nodes))])


def _of_eps(t: Level[float], s: Level[float], weights: Sequence[float]) -> Weights:
    """(alpha_s / alpha_t) x + alpha_s (rho_s - rho_t) sum of w eps; alpha_t > 0."""
    scale = s.alpha / t.alpha
    return Weights(scale, [(s.sigma - t.sigma * scale) * weight for weight in weights])


@dataclass(frozen=True)
class FlowAdams(Solver):
    """Adams-Bashforth(-Moulton) for the velocity in flow time, one evaluation per step.

    With N = c alpha + sigma, u = sigma / N and v = eps - x0 / c, for data of scale c:

        x_s = N_s (x_t / N_t + (u_s - u_t) sum of w_k v_k)

    where w are the weights of Adams-Bashforth for the last ``order`` velocities. With the corrector each step
    is made again once the velocity at its end is known, by Adams-Moulton of one order more; that velocity,
    of the predicted state, stays (the mode PEC: Hairer, Norsett & Wanner 1993, Solving Ordinary Differential
    Equations I, sec. III.8; UniPC does so in log_snr).

    Nothing in it is infinite, on any process: steps from pure noise and to clean data have the order of the
    others. Order 1 without corrector is the Euler step of a rectified flow.

    Args:
        order: Number of predictions used, 1 to 4.
        corrector: Whether steps are corrected, all but the last.
        scale: c, the standard deviation of the data, > 0. The error of a run is the same, in units of the
            data, for data of any scale that is given here.
        first_order_above: u above which steps have order 1 (and the corrector 2), in [0, 1]; for guidance,
            with which v changes too fast near the noise for extrapolation.

    Raises:
        ValueError: An argument is out of range.
    """

    order: int = 2
    corrector: bool = False
    scale: float = 1.0
    first_order_above: float = 1.0

    def __post_init__(self) -> None:
        _check(self.order, 4)
        if not 0 <= self.first_order_above <= 1:
            raise ValueError(f"first_order_above must lie in [0, 1], not {self.first_order_above}")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be a finite number above 0, not {self.scale}")

    @property
    def corrects(self) -> bool:
        return self.corrector

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, x = prediction.x0, implied(prediction, x, t)
        v = torch.sub(prediction.noise(x, t), x0, alpha=1 / self.scale)
        last, past = split(state)
        known: State = (Past(t, v), *past)
        changes: list[float] = []
        if last is not None and last.level == t:
            used = past[: len(last.weights)]
            changes = corrections(self._weights(known[:1], used, past[0].level, t), last)
        order = self.order if self._time(t) <= self.first_order_above else 1
        weights = self._weights((), known[:order], t, s)
        scale = self._norm(s) / self._norm(t)
        end = affine(x, scale, *combined(known, weights, changes, scale))
        kept = known[: self.order if self.corrector else self.order - 1]
        return Update(end, (Predicted(s, weights), *kept) if self.corrector else kept, x0)

    def _norm(self, level: Level[float]) -> float:
        return self.scale * level.alpha + level.sigma

    def _time(self, level: Level[float]) -> float:
        return level.sigma / self._norm(level)

    def _weights(self, end: State, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        """N_s (u_s - u_t) w of the velocities at s, ``end``, and at t and before, ``past``."""
        u_t, step = self._time(t), self._time(s) - self._time(t)
        earlier = history(past[1:], t, s, self._time)
        nodes = [*(1.0 for _ in end), 0.0, *((self._time(p.level) - u_t) / step for p in earlier)]
        return [self._norm(s) * step * weight for weight in _adams(nodes)]


@dataclass(frozen=True)
class LMS(_Multistep):
    """Adams-Bashforth for eps in rho: the linear multistep method of k-diffusion, one evaluation per step.

    The same as DEIS with polynomials in rho (Zhang & Chen 2023, arXiv 2204.13902). A step from or to pure
    noise is of first order.

    Args:
        order: Number of predictions used, 1 to 4.
        lower_order_final: Whether the step to clean data is of first order, as in ComfyUI; in k-diffusion and
            diffusers it is not.

    Raises:
        ValueError: ``order`` is out of range.
    """

    order: int = 4
    lower_order_final: bool = False

    def __post_init__(self) -> None:
        _check(self.order, 4)

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        return super().first_order(t, s) or (s.sigma == 0 and self.lower_order_final)

    def weights(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> Weights:
        step = rho(s) - rho(t)
        nodes = [0.0, *((rho(p.level) - rho(t)) / step for p in history(past, t, s, rho))]
        return _of_eps(t, s, _adams(nodes))


@dataclass(frozen=True)
class IPNDM(_Multistep):
    """Improved PNDM: LMS with the weights of equal steps (Zhang & Chen 2023, arXiv 2204.13902, appendix).

    One evaluation per step; of order 4 on a grid of equal steps in rho, of order 2 on any other.

    Args:
        order: Number of predictions used, 1 to 4.
        lower_order_final: Whether the step to clean data is of first order, as in ComfyUI; in diffusers it
            is not.

    Raises:
        ValueError: ``order`` is out of range.
    """

    order: int = 4
    lower_order_final: bool = True

    def __post_init__(self) -> None:
        _check(self.order, 4)

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        return super().first_order(t, s) or (s.sigma == 0 and self.lower_order_final)

    def weights(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> Weights:
        return _of_eps(t, s, EQUAL[len(history(past, t, s, flow_time))])


@dataclass(frozen=True)
class VariableIPNDM(_Multistep):
    """iPNDM with weights by the sizes of the steps, as ComfyUI's ipndm_v; no paper has these.

    One evaluation per step. With h of this step in rho and h', h'', h3 of those before, k = h / h',
    a = h' / h'' and b = a (h' + h'') / (h'' + h3):

        c = (1 + k / 2 + p + q, -k / 2 - (1 + a) p - (1 + a + b) q, a p + (a + b (1 + h'' / h3)) q, -a b q)

    p is 0 without h'', q without h3. The weights sum to 1 only where the steps form a geometric
    series; ``LMS`` has those of the polynomial through the same predictions.
    """

    @property
    def order(self) -> int:
        return 4

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        return super().first_order(t, s) or s.sigma == 0

    def weights(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> Weights:
        rhos = [rho(s), rho(t), *(rho(p.level) for p in history(past, t, s, rho))]
        h, *before = (later - earlier for later, earlier in pairwise(rhos))
        if not before:
            return _of_eps(t, s, [1.0])
        k, p, q, a, b, ratio = h / before[0], 0.0, 0.0, 0.0, 0.0, 0.0
        if len(before) > 1:
            h1, h2 = before[:2]
            a = h1 / h2
            p = (1 - h / (3 * (h + h1)) * h * (h + h1) / (h1 * (h1 + h2))) / 2
        if len(before) > 2:
            h3 = before[2]
            b, ratio = a * (h1 + h2) / (h2 + h3), h2 / h3
            q = (1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
            q *= h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        c = [1 + k / 2 + p + q, -k / 2 - (1 + a) * p - (1 + a + b) * q]
        return _of_eps(t, s, [*c, a * p + (a + b * (1 + ratio)) * q, -a * b * q])


@dataclass(frozen=True)
class PLMS(Solver):
    """Pseudo linear multistep: IPNDM with a first step of Heun (Liu et al. 2022, arXiv 2202.09778, sec. 3.3).

    One evaluation per step and one more in the first, but where that leads to clean data.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if history(state, t, s, flow_time) or min(t.alpha, s.alpha, s.sigma) == 0:
            return IPNDM(4, lower_order_final=False).step(state, x, denoise, t, s, noise=noise)
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        eps = prediction.noise(x, t)
        scale, (step,) = _of_eps(t, s, [1.0])
        ahead = affine(x, scale, (step, eps))
        end = denoise(ahead, s).noise(ahead, s)
        moved = affine(x, scale, (step / 2, eps), (step / 2, end))
        return Update(moved, (Past(t, eps),), prediction.x0)


@dataclass(frozen=True)
class DEIS(_Multistep):
    """DEIS with polynomials in log rho, as in diffusers (Zhang & Chen 2023, arXiv 2204.13902, sec. 3).

        x_s = (alpha_s / alpha_t) x_t + alpha_s sum of c_k eps_k,   c_k = integral of l_k(log rho) over rho

    with l_k the Lagrange polynomials of the last predictions; one evaluation per step. A step with infinite
    h, from or to pure noise or to clean data, is of first order.

    Args:
        order: Number of predictions used, 1 to 3.
        lower_order_final: Whether the order falls to 1 over the last steps, in runs of fewer than 15 steps.

    Raises:
        ValueError: ``order`` is out of range.
    """

    order: int = 3
    lower_order_final: bool = True
    tail: tuple[Level[float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        _check(self.order, 3)

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        lowers = self.lower_order_final and len(levels) - 1 < SHORT
        return replace(self, tail=tuple(levels[-self.order :]) if lowers else ())

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        return min(t.alpha, s.alpha, s.sigma) == 0

    def weights(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> Weights:
        order, h = int(min(self.order, steps_left(self.tail, s))), s.log_snr - t.log_snr
        nodes = [0.0, *((p.level.log_snr - t.log_snr) / h for p in history(past[: order - 1], t, s))]
        scale = s.alpha / t.alpha
        # With rho = rho_s e**(h (1 - r)): alpha_s d rho = -sigma_s h e**(h (1 - r)) dr.
        _, *moments = lagrange.moments(-h, len(nodes))
        total = s.sigma - t.sigma * scale
        return Weights(
            scale, lagrange.weights(nodes, [total, *(-s.sigma * h * moment for moment in moments)])
        )


@dataclass(frozen=True)
class GradientEstimation(_Multistep):
    """Euler with an extrapolated direction (Permenter & Yuan 2024, arXiv 2306.04848, algorithm 2).

        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (gamma eps + (1 - gamma) eps')

    with eps' of the step before; one evaluation per step. The steps from pure noise and to clean data and the
    first are Euler's. At gamma = 3/2 this is Adams-Bashforth of order 2 with the weights of equal steps.

    Args:
        gamma: A finite number; 1 is Euler.

    Raises:
        ValueError: ``gamma`` is not finite.
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.gamma):
            raise ValueError(f"gamma must be a finite number, not {self.gamma}")

    @property
    def order(self) -> int:
        return 2

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        return min(t.alpha, s.alpha, s.sigma) == 0

    def weights(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> Weights:
        return _of_eps(t, s, [self.gamma, 1 - self.gamma] if history(past, t, s, flow_time) else [1.0])
