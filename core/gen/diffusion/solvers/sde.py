"""Multistep SDE solvers: SA-Solver, ER-SDE-Solver.

Xue et al. 2023 (arXiv 2309.05019) and Cui et al. 2023 (arXiv 2309.06169).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from torch import Tensor

from gen.diffusion.arguments import check_not_negative, whole_number
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, decay, implied, infinite, rho
from gen.diffusion.solvers.multistep import (
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

Tau: TypeAlias = Callable[[Level[float], Level[float]], float]
"""(t, s) -> tau, the strength of the noise in the step from t to s, >= 0."""


@dataclass(frozen=True)
class TauInterval:
    """tau within an interval of time, and 0 outside (sec. 6.1 of the paper).

    Args:
        tau: >= 0.
        low: Its lowest time, in [0, 1].
        high: Its highest.
        at_end: Whether the time is that of the end of the step, as in ComfyUI, or of its start, as in
            diffusers.
    """

    tau: float = 1.0
    low: float = 0.2
    high: float = 0.8
    at_end: bool = False

    def __call__(self, t: Level[float], s: Level[float]) -> float:
        return self.tau if self.low <= (s if self.at_end else t).t <= self.high else 0.0


@dataclass(frozen=True)
class SASolver(Solver):
    """The p-step predictor and the c-step corrector of noise tau(t) in x0 (algorithm 1, eq. 14 to 18).

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
        prediction = denoise(x, t)
        x0, x = prediction.x0, implied(prediction, x, t)
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
