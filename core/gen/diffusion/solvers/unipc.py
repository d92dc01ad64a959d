"""UniPC, a predictor with a corrector that costs no evaluation (Zhao et al. 2023, arXiv 2302.04867)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import Tensor

from gen.diffusion.arguments import whole_number
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import (
    Denoise,
    Solver,
    State,
    Update,
    affine,
    first_order_only,
    implied,
    x0_step,
)
from gen.diffusion.solvers.multistep import (
    Past,
    Predicted,
    combined,
    corrections,
    lagrange,
    moments,
    nodes,
    split,
    steps_left,
)


@dataclass(frozen=True)
class UniPC(Solver):
    """UniPC-p: order p, and p + 1 with the corrector (algorithms 5 to 8).

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
    variant: Literal["bh1", "bh2"] = "bh2"
    target: Literal["x0", "eps"] = "x0"
    corrector: bool = True
    lower_order_final: bool = True
    tail: tuple[Level[float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        whole_number(self.order, "order", most=3)
        if self.variant not in ("bh1", "bh2"):
            raise ValueError(f"variant must be 'bh1' or 'bh2', not {self.variant!r}")
        if self.target not in ("x0", "eps"):
            raise ValueError(f"target must be 'x0' or 'eps', not {self.target!r}")

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
