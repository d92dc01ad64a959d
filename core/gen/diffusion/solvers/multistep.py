"""Multistep methods: the polynomial through earlier predictions; UniPC, SA-Solver and ER-SDE-Solver."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor

from gen.diffusion.arguments import check_choice, check_not_negative, check_within, whole_number
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import (
    Denoise,
    Solver,
    State,
    Target,
    Update,
    affine,
    decay,
    first_order_only,
    implied,
    infinite,
    log_snr,
    rho,
    x0_of,
    x0_step,
)

Time: TypeAlias = Callable[[Level[float]], float]
"""The variable of a polynomial, as a function of the level."""

SHORT = 15
"""Runs of fewer steps lower the order at their end where ``lower_order_final`` is set, as in diffusers."""

NEARLY_NOISE = Level(1.0, 0.001, 1.0)


class Past(NamedTuple):
    """A prediction made at an earlier level: x0 or eps, whichever its solver works in."""

    level: Level[float]
    value: Tensor


def history(past: Sequence[Past], t: Level[float], s: Level[float], time: Time = log_snr) -> list[Past]:
    """The earlier predictions that a polynomial for the step from t to s can pass through, newest first.

    They are those that lead to t in the direction of s; the first other one, from before a renoising, and all
    before it are left out. A step of size 0 or infinity has none. A prediction from pure noise at an infinite
    time counts as one from alpha / sigma = 1 / 1000, where x0 is almost the same.
    """
    last, step = time(t), time(s) - time(t)
    found: list[Past] = []
    if step == 0 or not math.isfinite(step):
        return found
    for level, value in past:
        earlier = level if math.isfinite(time(level)) else NEARLY_NOISE
        if not 0 < (last - time(earlier)) / step < math.inf:
            break
        found.append(Past(earlier, value))
        last = time(earlier)
    return found


def nodes(past: Sequence[Past], t: Level[float], s: Level[float], time: Time = log_snr) -> list[float]:
    """The times of ``history`` as fractions of the step: t is 0, s is 1, earlier ones are below 0."""
    start, step = time(t), time(s) - time(t)
    return [(time(p.level) - start) / step for p in history(past, t, s, time)]


def steps_left(tail: Sequence[Level[float]], s: Level[float]) -> float:
    """The number of steps that remain with the one to s; infinite where s is not in ``tail``, a run's end."""
    return len(tail) - tail.index(s) if s in tail else math.inf


def moments(rate: float, count: int) -> list[float]:
    """Integrals over u in [0, 1] of e**(-rate (1 - u)) u**k for k = 0 .. count - 1, at any finite rate."""
    if abs(rate) > 1:
        result = [-math.expm1(-rate) / rate]
        for k in range(1, count):
            result.append((1 - k * result[-1]) / rate)
        return result
    # The same recursion downwards, which is the stable direction here, from the series of the last one.
    term = last = 1 / count
    for j in range(1, 16):
        term *= -rate / (count + j)
        last += term
    result = [last]
    for k in range(count - 1, 0, -1):
        result.append((1 - rate * result[-1]) / k)
    return result[::-1]


def lagrange(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """Weights w with sum of w_i nodes_i**k = moments_k: the integrals of the Lagrange polynomials.

    A dual Vandermonde system, by Björck & Pereyra 1970 (Math. Comp. 24, 893-903).

    Args:
        nodes: n distinct numbers, in any order.
        moments: n numbers, the integrals of u**0 .. u**(n - 1) against the kernel.
    """
    w, n = list(moments), len(nodes)
    for k in range(n - 1):
        for i in range(n - 1, k, -1):
            w[i] -= nodes[k] * w[i - 1]
    for k in range(n - 2, -1, -1):
        for i in range(k + 1, n):
            w[i] /= nodes[i] - nodes[i - k - 1]
        for i in range(k, n - 1):
            w[i] -= w[i + 1]
    return w


class Predicted(NamedTuple):
    """The step before, as its corrector needs it: where it ended, and its weights of the predictions.

    Items that are not ``stable``, (B, 1, ...), went there by Euler, with the sum of the weights on the newest
    prediction; None where all are.
    """

    level: Level[float]
    weights: Sequence[float]
    stable: Tensor | None = None


def split(state: State) -> tuple[Predicted | None, tuple[Past, ...]]:
    """The step before, where it can be corrected, and the earlier predictions, newest first."""
    return (state[0], state[1:]) if state and isinstance(state[0], Predicted) else (None, state)


def corrections(corrected: Sequence[float], last: Predicted) -> list[float]:
    """Weights of the corrector minus those of the predictor, which has none of the newest prediction."""
    newest, *earlier = corrected
    return [newest, *(now - then for now, then in zip_longest(earlier, last.weights, fillvalue=0.0))]


def combined(
    known: Sequence[Past], weights: Sequence[float], changes: Sequence[float], scale: float
) -> list[tuple[float, Tensor]]:
    """The terms of a step scale x + sum of weights, from x + sum of ``changes``, the corrected state."""
    pairs = zip_longest(weights, changes, fillvalue=0.0)
    return [(w + scale * c, p.value) for p, (w, c) in zip(known, pairs, strict=False)]


BH = Literal["bh1", "bh2"]


@dataclass(frozen=True)
class UniPC(Solver):
    """UniPC-p: order p, and p + 1 with the corrector (Zhao et al. 2023, arXiv 2302.04867, alg. 5 to 8).

    With the prediction m, x0 or eps, m_0 of this step, m_k at lambda_t + r_k h and D_k = (m_k - m_0) / r_k,

        x_s = (sigma_s / sigma_t) x_t - alpha_s (e**-h - 1) m_0 - alpha_s B(h) sum of a_k D_k     for x0
        x_s = (alpha_s / alpha_t) x_t - sigma_s (e**h - 1) m_0 - sigma_s B(h) sum of a_k D_k      for eps

    The predictor UniP-p takes p - 1 earlier predictions, r_k < 0. The corrector UniC-p goes the step again
    with the prediction at its end as one more, r = 1. For one D, a = 1/2; for more, a solves R(h) a = b(h)
    (theorem 3.1), by which B(h) cancels out and the polynomial through all m is integrated exactly.

    Steps to clean data are of first order, and from (nearly) pure noise all but those in x0 with B2. With B1
    the second-order term grows with h, with B2 it is bounded: on grids whose step before the last is long (h
    of 4 or more) the error of B1 is 5 to 10 times that of B2.

    Args:
        order: p, 1 to 3.
        variant: "bh1" is B(h) = h, "bh2" B(h) = e**h - 1, with -h for h in x0.
        target: The prediction m.
        corrector: Whether steps are corrected; without, this is UniP.
        lower_order_final: Whether p falls to 2 and 1 over the last two steps of a run.
    """

    order: int = 3
    variant: BH = "bh2"
    target: Target = "x0"
    corrector: bool = True
    lower_order_final: bool = True
    tail: tuple[Level[float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        whole_number(self.order, "order", most=3)
        check_choice("variant", self.variant, BH)
        check_choice("target", self.target, Target)

    @property
    def corrects(self) -> bool:
        return self.corrector

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, tail=tuple(levels[-self.order :]) if self.lower_order_final else ())

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        m = prediction.x0 if self.target == "x0" else prediction.noise(x, t)
        last, past = split(state)
        changes: list[float] = []
        if last is not None and last.level == t:
            before, older = past[0].level, past[1 : len(last.weights)]
            m_0, newest, *others = self._weights(before, t, [1.0, *nodes(older, before, t)])
            changes = corrections([newest, m_0, *others], last)
        known = (Past(t, m), *past)
        kept = known[: self.order if self.corrector else self.order - 1]
        if self._first_order(t, s):
            x = affine(x, 1.0, *((c, p.value) for c, p in zip(changes, known, strict=False)))
            scale, total = x0_step(t, s)
            end = affine(x, scale, (total, prediction.x0))
            return Update(end, kept, prediction.x0)
        order = int(min(self.order, steps_left(self.tail, s)))
        weights = self._weights(t, s, nodes(past[: order - 1], t, s))
        scale = s.sigma / t.sigma if self.target == "x0" else s.alpha / t.alpha
        end = affine(x, scale, *combined(known, weights, changes, scale))
        return Update(end, (Predicted(s, weights), *kept) if self.corrector else kept, prediction.x0)

    def _first_order(self, t: Level[float], s: Level[float]) -> bool:
        if self.target == "x0" and self.variant == "bh2":
            return min(s.alpha, s.sigma) == 0
        return first_order_only(t, s, s)

    def _weights(self, t: Level[float], s: Level[float], r: Sequence[float]) -> list[float]:
        """Of m_0 and the m_k in x_s."""
        h = s.log_snr - t.log_snr
        if self.target == "x0":
            # -alpha_s (e**-h - 1) and alpha_s h
            whole, step = s.alpha - t.alpha * s.sigma / t.sigma, s.alpha * h
        else:
            whole, step, h = s.sigma - t.sigma * s.alpha / t.alpha, -s.sigma * h, -h
        if not r:
            return [whole]
        if len(r) == 1:
            d = [(whole if self.variant == "bh2" else step) / 2]
        else:
            _, *rest = moments(h, len(r) + 1)
            d = lagrange(r, [step * moment for moment in rest])
        m = [weight / node for weight, node in zip(d, r, strict=True)]
        return [whole - sum(m), *m]


Tau: TypeAlias = Callable[[Level[float], Level[float]], float]
"""(t, s) -> tau, the strength of the noise in the step from t to s, >= 0."""


@dataclass(frozen=True)
class TauInterval:
    """tau within an interval of time, and 0 outside (Xue et al. 2023, sec. 6.1).

    Args:
        tau: >= 0.
        low: Its lowest time, in [0, 1].
        high: Its highest, in [0, 1]; where it is below low, tau is 0 everywhere.
        at_end: Whether the time is that of the end of the step, as in ComfyUI, or of its start, as in
            diffusers.

    Raises:
        ValueError: A value is out of range.
    """

    tau: float = 1.0
    low: float = 0.2
    high: float = 0.8
    at_end: bool = False

    def __post_init__(self) -> None:
        check_not_negative(tau=self.tau)
        check_within(0, 1, low=self.low, high=self.high)

    def __call__(self, t: Level[float], s: Level[float]) -> float:
        return self.tau if self.low <= (s if self.at_end else t).t <= self.high else 0.0


@dataclass(frozen=True)
class SASolver(Solver):
    """The p-step predictor and the c-step corrector of noise tau(t) in x0.

    Xue et al. 2023 (arXiv 2309.05019), algorithm 1, eq. 14 to 18.

        x_s = (sigma_s / sigma_t) e**(-tau**2 h) x_t + sum of b_i x0_i + sigma_s sqrt(1 - e**(-2 tau**2 h)) z
        b_i = alpha_s integral over lambda of (1 + tau**2) e**((1 + tau**2) (lambda - lambda_s)) l_i(lambda)

    with l_i the Lagrange polynomials of the predictions: the last p for the predictor; for the corrector,
    which makes the step again with the same noise, also the one at its end. A step with infinite h is of
    first order, and neither it nor the one before is corrected.

    Args:
        predictor: p, 1 to 3.
        corrector: Predictions of the corrector with the one at the end of the step, c + 1 of the paper, 1
            to 4; 0 for none.
        tau: One number >= 0, or a rule.
        simple: Two predictions are integrated as in appendix D, with h / 2 for the exact moment.
        lower_order_final: Whether p falls to 1, and ``corrector`` to ``final_corrector``, over the last
            steps of finite h.
        final_corrector: 2 as in diffusers, 1 as in ComfyUI, which lowers both in runs to clean data alone.
        reevaluate: Whether the corrected state is evaluated too, in place of the prediction before: the mode
            PECE, two evaluations in a corrected step.

    Raises:
        ValueError: In a step, the rule gives a tau below 0.
    """

    predictor: int = 3
    corrector: int = 4
    tau: float | Tau = 1.0
    simple: bool = False
    lower_order_final: bool = True
    final_corrector: int = 2
    reevaluate: bool = False
    tail: tuple[Level[float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        whole_number(self.predictor, "predictor", most=3)
        whole_number(self.corrector, "corrector", least=0, most=4)
        if not callable(self.tau):
            check_not_negative(tau=self.tau)

    @property
    def stochastic(self) -> bool:
        return callable(self.tau) or self.tau > 0

    @property
    def corrects(self) -> bool:
        return self.corrector > 0

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        finite = [level for level in levels if level.sigma > 0]
        lowers = self.lower_order_final and (levels[-1].sigma == 0 or self.final_corrector == 2)
        return replace(self, tail=tuple(finite[-3:]) if lowers else ())

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        x, x0 = x0_of(denoise, x, t)
        last, past = split(state)
        changes: list[float] = []
        if last is not None and last.level == t and (s.sigma > 0 or self.reevaluate):
            before = past[0].level
            size = int(min(self.corrector, steps_left(self.tail, t) + self.final_corrector - 1))
            used = [1.0, 0.0, *nodes(past[1:], before, t)][:size]
            changes = corrections(self._weights(before, t, used), last)
        known: tuple[Past, ...] = (Past(t, x0), *past)
        if changes and self.reevaluate:
            x = affine(x, 1.0, *((c, p.value) for c, p in zip(changes, known, strict=False)))
            x0, changes = denoise(x, t).x0, []
            known = (Past(t, x0), *past)
        tau = self._tau(t, s)
        e = decay(t, s) ** tau**2
        scale, std = s.sigma / t.sigma * e, s.sigma * math.sqrt(1 - e * e)
        keeps = self.predictor - 1 if self.corrector == 0 else max(self.predictor, self.corrector - 1)
        kept: State = known[:keeps]
        if infinite(t, s):
            weights = [s.alpha - t.alpha * scale]
        else:
            order = int(min(self.predictor, steps_left(self.tail, s)))
            weights = self._weights(t, s, [0.0, *nodes(past[: order - 1], t, s)])
            if self.corrector:
                kept = (Predicted(s, weights), *kept)
        z = noise(x, "step") if std > 0 else None
        end = affine(x, scale, *combined(known, weights, changes, scale), (std, z))
        return Update(end, kept, x0, std, z)

    def _tau(self, t: Level[float], s: Level[float]) -> float:
        tau = self.tau(t, s) if callable(self.tau) else self.tau
        if tau < 0:
            raise ValueError(f"tau must be at least 0, not {tau} as at log_snr {t.log_snr:.4g}")
        return tau

    def _weights(self, t: Level[float], s: Level[float], r: Sequence[float]) -> list[float]:
        """b_i of the predictions at lambda_t + r_i h: the integrals of their Lagrange polynomials."""
        rise = 1 + self._tau(t, s) ** 2
        h = s.log_snr - t.log_snr
        total = s.alpha - t.alpha * s.sigma / t.sigma * decay(t, s) ** (rise - 1)
        if len(r) == 2 and self.simple:
            return lagrange(r, [total, s.alpha * rise * h / 2])
        _, *rest = moments(rise * h, len(r))
        return lagrange(r, [total, *(s.alpha * rise * h * moment for moment in rest)])


POINTS = 200


def phi(r: float) -> float:
    """r (e**(r**0.3) + 10), the noise scale of ER SDE 5 (Cui et al. 2023, eq. 34)."""
    return r * (math.exp(min(r**0.3, 600.0)) + 10)


@dataclass(frozen=True)
class ERSDE(Solver):
    """VP ER-SDE-Solver-1 to -3: stochastic, one evaluation per step.

    Cui et al. 2023 (arXiv 2309.06169), algorithms 3 to 5.

    With rho = sigma / alpha, q = phi(rho_s) / phi(rho_t) and the divided differences d1 and d2 of x0 in rho,

        x_s = (alpha_s / alpha_t) q x_t + alpha_s (1 - q) x0
              + alpha_s (rho_s - rho_t + phi(rho_s) I_0) d1
              + alpha_s ((rho_s - rho_t)**2 / 2 + phi(rho_s) I_1) d2
              + alpha_s sqrt(rho_s**2 - q**2 rho_t**2) z,
        I_k = integral from rho_s to rho_t of (r - rho_t)**k / phi(r) dr

    The integrals are sums over 200 points, as in the authors' code. As published, d1 stands for the
    derivative at rho_t, from which it differs by half a step: order 3 has a smaller error than order 2, but
    converges with order 2. A step from pure noise or to clean data is of first order and gives x0, with new
    noise.

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
        x, x0 = x0_of(denoise, x, t)
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
