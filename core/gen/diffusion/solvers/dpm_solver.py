"""Solvers in eps: DPM-Solver (Lu et al. 2022, arXiv 2206.00927) and Heun's method.

With lambda = log_snr and h = lambda_s - lambda_t the probability flow is solved exactly by

    x_s = (alpha_s / alpha_t) x_t - alpha_s integral over lambda of e**-lambda eps         (prop. 3.1)

The solvers differ in the eps under the integral. A step with infinite h, from or to pure noise or to clean
data, and a long one from nearly pure noise (``first_order_only``) is of first order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gen.diffusion.arguments import check_choice, check_positive, check_within, whole_number
from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level, flat
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import (
    Denoise,
    SDESolver,
    Solver,
    State,
    Target,
    Update,
    affine,
    between,
    eps_of,
    eps_step,
    first_order_only,
    infinite,
)
from gen.diffusion.solvers.dpmpp import Coefficients, DPMpp2S, DPMpp3S, Kind, staged
from gen.diffusion.solvers.first_order import DDIM
from gen.diffusion.solvers.multistep import Past, history
from gen.diffusion.solvers.wrappers import FlowTime


def coefficients(t: Level[float], s: Level[float], kind: Kind) -> Coefficients:
    """Those of eps, by the formula above."""
    scale, total = eps_step(t, s)
    # Midpoint, or -sigma_s ((e**h - 1) / h - 1): the integral of the line from 0 at t to 1 at s.
    slope = total / 2 if kind == "midpoint" else s.sigma + total / (s.log_snr - t.log_snr)
    return Coefficients(scale, total, slope)


def _single_step(
    x: Tensor, denoise: Denoise, t: Level[float], kind: Kind, *places: tuple[Level[float], float]
) -> Update:
    """The step from t that ends at the last of the places: (level, multiple) of each ``Stage``."""
    x, eps, x0 = eps_of(denoise, x, t)
    stages = [(level, coefficients(t, level, kind), multiple, None) for level, multiple in places]
    return Update(staged(x, eps, stages, lambda x, level: denoise(x, level).noise(x, level)), (), x0)


@dataclass(frozen=True)
class DPMSolver2(Solver):
    """DPM-Solver-2 (algorithm 1): second order, two evaluations per step, no memory.

        x_m = (alpha_m / alpha_t) x_t - sigma_m (e**(r h) - 1) eps,   at lambda_m = lambda_t + r h
        x_s = (alpha_s / alpha_t) x_t - sigma_s (e**h - 1) (eps + (eps_m - eps) / (2 r))

    At r = 1/2 this is DPM2 of k-diffusion, the midpoint rule in log sigma; with ``Ancestral`` around it, DPM2
    ancestral.

    Args:
        r: Where the second prediction is made, in (0, 1].
    """

    r: float = 0.5

    def __post_init__(self) -> None:
        check_within(0, 1, without=(0,), r=self.r)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        m = s if self.r == 1 else between(t, s, self.r)
        if first_order_only(t, s, m):
            return DDIM().step(state, x, denoise, t, s, noise=noise)
        return _single_step(x, denoise, t, "midpoint", (m, 0.0), (s, 1 / self.r))


@dataclass(frozen=True)
class DPMSolver3(Solver):
    """DPM-Solver-3 (algorithm 2 with r1 = 1/3, r2 = 2/3): third order, three evaluations per step, no memory.

        x_m = (alpha_m / alpha_t) x_t - sigma_m (e**(r1 h) - 1) eps
        x_n = (alpha_n / alpha_t) x_t - sigma_n (e**(r2 h) - 1) eps
              - sigma_n (r2 / r1) (psi(r2 h) - 1) (eps_m - eps)
        x_s = (alpha_s / alpha_t) x_t - sigma_s (e**h - 1) eps - (sigma_s / r2) (psi(h) - 1) (eps_n - eps)

    with psi(h) = (e**h - 1) / h.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        m, n = between(t, s, 1 / 3), between(t, s, 2 / 3)
        if first_order_only(t, s, n):
            return DDIM().step(state, x, denoise, t, s, noise=noise)
        return _single_step(x, denoise, t, "heun", (m, 0.0), (n, 2.0), (s, 1.5))


@dataclass(frozen=True)
class DPMSolver2M(SDESolver):
    """Multistep DPM-Solver-2, and its SDE (Lu et al. 2022, arXiv 2211.01095, appendix).

        x_s = (alpha_s / alpha_t) x_t + (1 + eta) (total eps + slope (eps - eps') / r)
              + sigma_s sqrt(eta (e**(2 h) - 1)) z,   r = h' / h,   total = -sigma_s (e**h - 1)

    with eps' and h' of the step before; one evaluation per step. Near pure noise a step adds noise of
    sqrt(eta) rho_t / rho_s times the deviation of x_s, which the next ones take away again: runs of 10 steps
    from there may end with twice the deviation of the data, where ``DPMpp2M`` does not.

    Args:
        eta: Strength of the noise, >= 0: 0 is the ODE, 1 the SDE.
        kind: "midpoint" has slope = total / 2; "heun" integrates the line through both predictions exactly.
    """

    eta: float = 0.0
    kind: Kind = "midpoint"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("kind", self.kind, Kind)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        x, eps, x0 = eps_of(denoise, x, t)
        kept = (Past(t, eps),)
        if first_order_only(t, s, s):
            first = DPMpp2S(eta=self.eta).step((), x, lambda *_: Prediction(x0), t, s, noise=noise)
            return first._replace(state=kept)
        c = coefficients(t, s, self.kind)
        rise, terms = 1 + self.eta, [((1 + self.eta) * c.total, eps)]
        if past := history(state, t, s):
            r = (t.log_snr - past[0].level.log_snr) / (s.log_snr - t.log_snr)
            terms = [(rise * (c.total + c.slope / r), eps), (-rise * c.slope / r, past[0].value)]
        std = math.sqrt(self.eta * ((t.sigma * c.scale) ** 2 - s.sigma**2)) if self.eta > 0 else 0.0
        z = noise(x, "step") if std > 0 else None
        return Update(affine(x, c.scale, *terms, (std, z)), kept, x0, std, z)


@dataclass(frozen=True)
class Heun(Solver):
    """Heun's method for eps in rho = sigma / alpha (Karras et al. 2022, arXiv 2206.00364, algorithm 1).

        x'  = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) eps_t
        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (eps_t + eps_s(x')) / 2

    Second order, two evaluations: that of ``DPMSolver2(1.0)``. The step to clean data is Euler's with one.
    Steps from or to (nearly) pure noise, where the trapezoid is inaccurate, are those of
    ``FlowTime(Heun())``.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if s.sigma > 0 and first_order_only(t, s, s):
            return FlowTime(self).step(state, x, denoise, t, s, noise=noise)
        return DPMSolver2(1.0).step(state, x, denoise, t, s, noise=noise)


SMALLEST = 1e-6
"""The smallest step in log_snr; below it the tolerances cannot be met."""


@dataclass(frozen=True)
class Adaptive(Solver):
    """DPM-Solver-12 and -23: small steps within each step of the grid, as many as the tolerances need.

    Appendix C.3, with the controller of k-diffusion's ``sample_dpm_adaptive`` (Söderlind 2003, "Digital
    filters in adaptive time-stepping", for the filters). Each small step is made at orders ``order - 1``
    and ``order`` from the same evaluations. With d = max(atol, rtol max(|low|, |before|)), all in x /
    alpha, the error is the root mean square of |low - high| / d; a step is taken where

        factor = 1 + atan(product of error**-(gain / order) - 1) >= safety

    and the size in log_snr is multiplied by the factor. Steps of infinite size (from pure noise, to clean
    data) are of first order.

    The item of a batch with the largest error sets the size for all: of all solvers, in this one alone an
    item depends on the others of its batch.

    Args:
        order: 2 or 3.
        target: "eps" is DPM-Solver, "x0" DPM-Solver++.
        rtol: Relative tolerance, > 0.
        atol: Absolute tolerance, > 0, in units of the data.
        first: The first size in log_snr, > 0.
        gains: Proportional, integral and derivative gain of the controller.
        safety: In (0, 1): the smallest factor at which a step is taken.

    Raises:
        ValueError: In a step, the tolerances cannot be met.
    """

    order: Literal[2, 3] = 3
    target: Target = "eps"
    rtol: float = 0.05
    atol: float = 0.0078
    first: float = 0.05
    gains: tuple[float, float, float] = (0.0, 1.0, 0.0)
    safety: float = 0.81

    def __post_init__(self) -> None:
        whole_number(self.order, "order", least=2, most=3)
        check_choice("target", self.target, Target)
        check_positive(rtol=self.rtol, atol=self.atol, first=self.first)
        check_within(0, 1, without=(0, 1), safety=self.safety)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        low, high = self._pair()
        if infinite(t, s):
            return high.step((), x, denoise, t, s, noise=noise)._replace(state=state)
        size, errors = state or (self.first, ())
        span, done, level = abs(s.log_snr - t.log_snr), 0.0, t
        before = x / t.alpha
        while True:
            end = min(1.0, done + size / span)
            target = s if end == 1 else between(t, s, end)
            shared = _Shared(denoise)
            rough = low.step((), x, shared, level, target, noise=noise)
            fine = high.step((), x, shared, level, target, noise=noise)
            low_end = rough.x / target.alpha
            error = self._error(before, low_end, fine.x / target.alpha)
            if not math.isfinite(error):
                return Update(fine.x, state, fine.x0)  # for the run to refuse
            recent = (error, *(errors or (error, error)))
            factor = self._factor(recent)
            size *= factor
            if factor >= self.safety:
                x, before, level, done, errors = fine.x, low_end, target, end, recent[:2]
                if done == 1:
                    return Update(x, (size, errors), fine.x0)
            if size < SMALLEST:
                raise ValueError(
                    f"rtol = {self.rtol}, atol = {self.atol} cannot be met at log_snr = {level.log_snr:.4g}: "
                    "raise them"
                )

    def _pair(self) -> tuple[Solver, Solver]:
        if self.target == "eps":
            return (DDIM(), DPMSolver2()) if self.order == 2 else (DPMSolver2(1 / 3), DPMSolver3())
        return (DDIM(), DPMpp2S()) if self.order == 2 else (DPMpp2S(1 / 3), DPMpp3S())

    def _error(self, before: Tensor, low: Tensor, high: Tensor) -> float:
        if before.numel() == 0:
            return 0.0
        scale = torch.maximum(low.abs(), before.abs()).mul_(self.rtol).clamp_(min=self.atol)
        return float(flat((low - high).abs() / scale).square().mean(1).sqrt().max())

    def _factor(self, errors: tuple[float, ...]) -> float:
        p, i, d = self.gains
        powers = ((p + i + d) / self.order, -(p + 2 * d) / self.order, d / self.order)
        product = math.prod((error + 1e-8) ** -power for error, power in zip(errors, powers, strict=True))
        return 1 + math.atan(product - 1)


class _Shared:
    """A denoiser for one small step, whose predictions both orders share."""

    def __init__(self, denoise: Denoise) -> None:
        self.denoise = denoise
        self.known: list[tuple[Tensor, Level[float], Prediction]] = []

    def __call__(self, x: Tensor, level: Level[float]) -> Prediction:
        for seen, at, prediction in self.known:
            if at == level and torch.equal(seen, x):
                return prediction
        prediction = self.denoise(x, level)
        self.known.append((x, level, prediction))
        return prediction
