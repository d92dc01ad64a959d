"""Steps whose size follows an estimate of their error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, between
from gen.diffusion.solvers.runge_kutta import ExponentialRungeKutta

SMALLEST = 1e-6
"""The smallest step in log_snr before the tolerances count as out of reach."""


@dataclass(frozen=True)
class Adaptive(Solver):
    """DPM-Solver-12 and -23: as many small steps within a step of the grid as the tolerances ask for.

    Lu et al. 2022 (arXiv 2206.00927, appendix C.3) with the controller of k-diffusion's
    ``sample_dpm_adaptive`` (Söderlind 2003, "Digital filters in adaptive time-stepping", for the filters).
    Each small step is made at orders ``order - 1`` and ``order`` from the same evaluations. With d =
    max(atol, rtol max(|low|, |before|)), all in x / alpha, the error is the root mean square of (low - high)
    / d; a step is taken where

        factor = 1 + atan(product of error**-(gain / order) - 1) >= safety

    and the size in log_snr is multiplied by the factor. The grid needs few times: those that must be met.
    Steps of infinite size (from pure noise, to clean data) are of first order.

    The neediest item of a batch sets the size for all, so here alone an item depends on the others; run items
    one by one where that matters.

    Args:
        order: 2 or 3.
        target: "eps" is DPM-Solver, "x0" DPM-Solver++.
        rtol: Relative tolerance, > 0.
        atol: Absolute tolerance, > 0, in units of the data.
        first: The first size in log_snr, > 0.
        gains: Proportional, integral and derivative gain of the controller.
        safety: In (0, 1): the smallest factor at which a step is taken.

    Raises:
        ValueError: An argument is out of range; in a step, the tolerances cannot be met.
    """

    order: Literal[2, 3] = 3
    target: Literal["x0", "eps"] = "eps"
    rtol: float = 0.05
    atol: float = 0.0078
    first: float = 0.05
    gains: tuple[float, float, float] = (0.0, 1.0, 0.0)
    safety: float = 0.81

    def __post_init__(self) -> None:
        if self.order not in (2, 3):
            raise ValueError(f"order must be 2 or 3, not {self.order}")
        if self.target not in ("x0", "eps"):
            raise ValueError(f"target must be 'x0' or 'eps', not {self.target!r}")
        for name in ("rtol", "atol", "first"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a finite number above 0, not {getattr(self, name)}")
        if not 0 < self.safety < 1:
            raise ValueError(f"safety must lie in (0, 1), not {self.safety}")

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
        high = ExponentialRungeKutta(self.order, self.target)
        low = ExponentialRungeKutta(self.order - 1, self.target, node=1 / self.order)
        if min(t.alpha, s.alpha, s.sigma) == 0:
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

    def _error(self, before: Tensor, low: Tensor, high: Tensor) -> float:
        if before.numel() == 0:
            return 0.0
        scale = torch.maximum(low.abs(), before.abs()).mul_(self.rtol).clamp_(min=self.atol)
        return float(((low - high) / scale).flatten(1).square().mean(1).sqrt().max())

    def _factor(self, errors: tuple[float, ...]) -> float:
        p, i, d = self.gains
        powers = ((p + i + d) / self.order, -(p + 2 * d) / self.order, d / self.order)
        product = math.prod((error + 1e-8) ** -power for error, power in zip(errors, powers, strict=True))
        return 1 + math.atan(product - 1)


class _Shared:
    """A denoiser for one small step, which gives both orders the same answer to the same question."""

    def __init__(self, denoise: Denoise) -> None:
        self.denoise = denoise
        self.answers: list[tuple[Tensor, Level[float], Prediction]] = []

    def __call__(self, x: Tensor, level: Level[float]) -> Prediction:
        for known, at, prediction in self.answers:
            if at == level and torch.equal(known, x):
                return prediction
        prediction = self.denoise(x, level)
        self.answers.append((x, level, prediction))
        return prediction
