"""Adams-Bashforth methods: the prediction is integrated as the polynomial through its last values.

On the probability flow, with rho = sigma / alpha and u = sigma / (alpha + sigma),

    d(x / alpha) / d rho = eps   and   d(x / (alpha + sigma)) / du = eps - x0 = v,

so that a step is x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) eps, or the same with alpha + sigma,
u and v, where eps or v is the mean of the polynomial over the step (Butcher 2016, Numerical Methods for
Ordinary Differential Equations, sec. 24). Each makes one evaluation per step.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from gen.diffusion.arguments import check_positive, check_within, whole_number
from gen.diffusion.level import Level, as_real, column, flat
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import (
    Denoise,
    Solver,
    State,
    Update,
    affine,
    eps_of,
    eps_step,
    first_order_only,
    flow_time,
    implied,
    infinite,
    rho,
    x0_step,
)
from gen.diffusion.solvers.multistep import (
    SHORT,
    Past,
    Predicted,
    combined,
    corrections,
    history,
    lagrange,
    moments,
    nodes,
    split,
    steps_left,
)

EQUAL = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""The weights of equal steps, by order."""

_POINTS, _SHARES = np.polynomial.legendre.leggauss(12)
QUADRATURE = (_POINTS + 1) / 2, _SHARES / 2
"""Gauss and Legendre's points between 0 and 1, and their weights."""


def _adams(nodes: Sequence[float]) -> list[float]:
    """The weights, of sum 1, of values at these fractions of the step."""
    return lagrange(nodes, [1 / (k + 1) for k in range(len(nodes))])


@dataclass(frozen=True)
class FlowAdams(Solver):
    """Adams-Bashforth(-Moulton) for the velocity in flow time.

    With N = b alpha + sigma, y = sigma / N and v = eps - x0 / b, for data of scale c and b = spread c:

        x_s = N_s (x_t / N_t + (y_s - y_t) sum of w_k v_k),   u = sigma / (c alpha + sigma)

    where w_k is the mean over y of the Lagrange polynomial in u for the last ``order`` velocities. With
    spread 1, y is u and the weights are those of Adams-Bashforth; the smaller it is, the nearer to
    integrating x0, as DPM-Solver++ does. The corrector makes each step again once the velocity at its end is
    known, by Adams-Moulton of one order more; that velocity, of the predicted state, stays (the mode PEC:
    Hairer, Norsett & Wanner 1993, Solving Ordinary Differential Equations I, sec. III.8).

    All of it is finite, on every process: steps from pure noise and to clean data have the order of the
    others. Order 1 without corrector is the Euler step of a rectified flow.

    Args:
        order: Number of predictions used, 1 to 4.
        corrector: Whether steps are corrected, all but the last.
        scale: c, the standard deviation of the data, > 0. The error of a run, in units of the data, does not
            depend on a scale that is given here.
        spread: b / c, in (0, 1]: the standard deviation within a cluster of the data, as a share of c.
        first_order_above: u in [0, 1] above which steps have order 1, and corrected ones 2. Strong guidance
            makes v change too fast there to be extrapolated.
        stable_above: In [-1, 1]: the cosine of the last two changes of v up to which v goes to and fro, so
            that the item takes Euler's step; -1 for never.
    """

    order: int = 2
    corrector: bool = False
    scale: float = 1.0
    spread: float = 1.0
    first_order_above: float = 1.0
    stable_above: float = -1.0

    def __post_init__(self) -> None:
        whole_number(self.order, "order", most=4)
        check_positive(scale=self.scale)
        check_within(0, 1, without=(0,), spread=self.spread)
        check_within(0, 1, first_order_above=self.first_order_above)
        check_within(-1, 1, stable_above=self.stable_above)

    @property
    def corrects(self) -> bool:
        return self.corrector

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, x = prediction.x0, implied(prediction, x, t)
        v = torch.sub(prediction.noise(x, t), x0, alpha=1 / (self.spread * self.scale))
        last, past = split(state)
        known: State = (Past(t, v), *past)
        stable = self._stable(v, history(past, t, s, self._time))
        changes: list[float] = []
        if last is not None and last.level == t:
            start, used = past[0].level, past[1 : len(last.weights)]
            changes = corrections(self._weights([1.0, 0.0], used, start, t), last)
        order = 1 if self._time(t) > self.first_order_above else self.order
        weights = self._weights([0.0], past[: order - 1], t, s)
        scale = self._norm(s) / self._norm(t)
        end = affine(x, scale, *combined(known, weights, changes, scale))
        if changes and last is not None and last.stable is not None:
            # Where the step before was Euler's, it is to be corrected from there.
            first, *others = last.weights
            extrapolated = zip((first - sum(last.weights), *others), past, strict=False)
            moved = affine(end, 1.0, *((scale * c, p.value) for c, p in extrapolated))
            end = torch.where(last.stable, end, moved)
        if stable is not None:
            end = torch.where(stable, end, affine(x, scale, (sum(weights), v)))
        count = self.order if self.corrector else self.order - 1
        kept = known[: count if self.stable_above == -1 else max(count, 2)]
        return Update(end, (Predicted(s, weights, stable), *kept) if self.corrector else kept, x0)

    def _stable(self, v: Tensor, past: Sequence[Past]) -> Tensor | None:
        """Which items are stable, (B, 1, ...); None where all are or two changes of v are not known."""
        if self.stable_above == -1 or len(past) < 2:
            return None
        change, before = v - past[0].value, past[0].value - past[1].value
        cosine = torch.cosine_similarity(flat(as_real(change)), flat(as_real(before)))
        return column(cosine > self.stable_above, v)

    def _norm(self, level: Level[float]) -> float:
        return self.spread * self.scale * level.alpha + level.sigma

    def _time(self, level: Level[float]) -> float:
        return level.sigma / (self.scale * level.alpha + level.sigma)

    def _weights(
        self, ends: Sequence[float], past: Sequence[Past], t: Level[float], s: Level[float]
    ) -> list[float]:
        """N_s (y_s - y_t) w of the velocities at ``ends``, fractions of the step, and of earlier ones."""
        places = [*ends, *nodes(past, t, s, self._time)]
        u_t, step = self._time(t), self._time(s) - self._time(t)
        if self.spread == 1:
            whole = self._norm(s) * step
            return [whole * weight for weight in _adams(places)]
        # dy / du is in proportion to 1 / (b + (c - b) u)**2, here in units of c at u = u_t + r step.
        r, share = QUADRATURE
        kernel = share / (self.spread + (1 - self.spread) * (u_t + r * step)) ** 2
        means = [float(kernel @ r**k / kernel.sum()) for k in range(len(places))]
        whole = s.sigma - t.sigma * self._norm(s) / self._norm(t)
        return [whole * weight for weight in lagrange(places, means)]


class EpsMultistep(Solver):
    """x_s = (alpha_s / alpha_t) x_t + sum of c_k eps_k, with eps of this step and of those before."""

    @property
    @abstractmethod
    def order(self) -> int:
        """Number of predictions used."""

    @abstractmethod
    def c(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        """c_k, newest first, for ``past``, the predictions of earlier steps."""

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        """Whether the step is of first order, whatever came before."""
        return infinite(t, s)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        x, eps, x0 = eps_of(denoise, x, t)
        known = (Past(t, eps), *state)
        if self.first_order(t, s):
            scale, total = x0_step(t, s)
            end = affine(x, scale, (total, x0))
        else:
            c = self.c(state, t, s)
            end = affine(x, s.alpha / t.alpha, *((c_k, p.value) for c_k, p in zip(c, known, strict=False)))
        return Update(end, known[: self.order - 1], x0)


def shares(t: Level[float], s: Level[float], weights: Sequence[float]) -> list[float]:
    """alpha_s (rho_s - rho_t) w."""
    _, whole = eps_step(t, s)
    return [whole * weight for weight in weights]


@dataclass(frozen=True)
class LMS(EpsMultistep):
    """Adams-Bashforth for eps in rho: the linear multistep method of k-diffusion.

    The same as DEIS with polynomials in rho (Zhang & Chen 2023, arXiv 2204.13902). A step from or to pure
    noise is of first order.

    Args:
        order: Number of predictions used, 1 to 4.
        lower_order_final: Whether the step to clean data is of first order, as in ComfyUI; in k-diffusion and
            diffusers it is not.
    """

    order: int = 4
    lower_order_final: bool = False

    def __post_init__(self) -> None:
        whole_number(self.order, "order", most=4)

    def first_order(self, t: Level[float], s: Level[float]) -> bool:
        return infinite(t, s) if self.lower_order_final else min(t.alpha, s.alpha) == 0

    def c(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        return shares(t, s, _adams([0.0, *nodes(past, t, s, rho)]))


@dataclass(frozen=True)
class IPNDM(LMS):
    """Improved PNDM: LMS with the weights of equal steps (Zhang & Chen 2023, arXiv 2204.13902, appendix).

    Of order 4 on a grid of equal steps in rho, of order 2 on any other.

    Args:
        order: Number of predictions used, 1 to 4.
        lower_order_final: As of ``LMS``.
    """

    lower_order_final: bool = True

    def c(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        return shares(t, s, EQUAL[len(history(past, t, s, flow_time))])


@dataclass(frozen=True)
class PLMS(Solver):
    """Pseudo linear multistep: IPNDM with a first step of Heun (Liu et al. 2022, arXiv 2202.09778, sec. 3.3).

    The first step has a second evaluation, unless it leads from (nearly) pure noise or to clean data.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if history(state, t, s, flow_time) or first_order_only(t, s, s):
            return IPNDM(lower_order_final=False).step(state, x, denoise, t, s, noise=noise)
        x, eps, x0 = eps_of(denoise, x, t)
        scale, whole = eps_step(t, s)
        ahead = affine(x, scale, (whole, eps))
        eps_s = denoise(ahead, s).noise(ahead, s)
        return Update(affine(x, scale, (whole / 2, eps), (whole / 2, eps_s)), (Past(t, eps),), x0)


@dataclass(frozen=True)
class DEIS(EpsMultistep):
    """DEIS with polynomials in log rho, as in diffusers (Zhang & Chen 2023, arXiv 2204.13902, sec. 3).

        x_s = (alpha_s / alpha_t) x_t + alpha_s sum of c_k eps_k,   c_k = integral of l_k(log rho) over rho

    with l_k the Lagrange polynomials of the last predictions. A step with infinite h, from or to pure noise
    or to clean data, is of first order.

    Args:
        order: Number of predictions used, 1 to 3.
        lower_order_final: Whether the order falls to 1 over the last steps, in runs of fewer than 15 steps.
    """

    order: int = 3
    lower_order_final: bool = True
    tail: tuple[Level[float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        whole_number(self.order, "order", most=3)

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        lowers = self.lower_order_final and len(levels) - 1 < SHORT
        return replace(self, tail=tuple(levels[-self.order :]) if lowers else ())

    def c(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        order, h = int(min(self.order, steps_left(self.tail, s))), s.log_snr - t.log_snr
        r = [0.0, *nodes(past[: order - 1], t, s)]
        # With rho = rho_s e**(h (1 - r)): alpha_s d rho = -sigma_s h e**(h (1 - r)) dr.
        _, *rest = moments(-h, len(r))
        return lagrange(r, [eps_step(t, s)[1], *(-s.sigma * h * moment for moment in rest)])


@dataclass(frozen=True)
class GradientEstimation(EpsMultistep):
    """Euler with an extrapolated direction (Permenter & Yuan 2024, arXiv 2306.04848, algorithm 2).

        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (gamma eps + (1 - gamma) eps')

    with eps' of the step before. The first step and those from pure noise and to clean data are Euler's. At
    gamma = 3/2 this is Adams-Bashforth of order 2 with the weights of equal steps.

    Args:
        gamma: A finite number; 1 is Euler.
    """

    gamma: float = 2.0
    order = 2

    def __post_init__(self) -> None:
        if not math.isfinite(self.gamma):
            raise ValueError(f"gamma must be a finite number, not {self.gamma}")

    def c(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        return shares(t, s, [self.gamma, 1 - self.gamma] if history(past, t, s, flow_time) else [1.0])
