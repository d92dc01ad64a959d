"""DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095): solvers in x0, as ODE and as SDE.

With lambda = log_snr, h = lambda_s - lambda_t, noise of strength eta and z standard normal, the diffusion is
solved exactly by

    x_s = (sigma_s / sigma_t) e**(-eta h) x_t + sigma_s sqrt(1 - e**(-2 eta h)) z
          + alpha_s integral over lambda of (1 + eta) e**((1 + eta) (lambda - lambda_s)) x0

(prop. 4.1 for eta = 0 and appendix for eta = 1). The solvers differ in the x0 under the integral, which is
made of predictions of earlier steps (M) or within the step (S). A step with infinite h, from pure noise or to
clean data, is finite and of first order.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from torch import Tensor

from gen.diffusion.arguments import check_choice, check_within
from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import (
    Denoise,
    SDESolver,
    Solver,
    State,
    Update,
    affine,
    between,
    decay,
    implied,
    infinite,
    x0_of,
)
from gen.diffusion.solvers.multistep import SHORT, Past, history, steps_left

Kind = Literal["midpoint", "heun"]
"""The second-order term: the midpoint rule, or the exact integral of the line through two predictions."""


class Coefficients(NamedTuple):
    """x_s = scale x_t + total x0 + std z for a constant x0; + slope d for x0 + d (lambda - lambda_t) / h.

    In the solvers in eps, that takes the place of x0.
    """

    scale: float
    total: float
    slope: float
    std: float = 0.0


def coefficients(t: Level[float], s: Level[float], eta: float, kind: Kind = "heun") -> Coefficients:
    """Of the step from t to s, by the formulas above."""
    e = decay(t, s) ** eta  # e**(-eta h)
    scale = s.sigma / t.sigma * e
    total = s.alpha - t.alpha * scale  # alpha_s (1 - e**-((1 + eta) h))
    rate = (1 + eta) * (s.log_snr - t.log_snr)
    slope = total / 2 if kind == "midpoint" or rate == 0 else s.alpha - total / rate
    return Coefficients(scale, total, slope, s.sigma * math.sqrt(1 - e * e) if eta > 0 else 0.0)


Stage: TypeAlias = tuple[Level[float], Coefficients, float, Tensor | None]
"""(level of an evaluation or of the step's end, coefficients from t to it, multiple, noise / sigma), where
multiple is its distance from t in log_snr over that of the stage before."""


def staged(
    x: Tensor, first: Tensor, stages: Sequence[Stage], evaluate: Callable[[Tensor, Level[float]], Tensor]
) -> Tensor:
    """The end of a step from x (B, ...), each stage by the line through the first prediction and the latest.

    Args:
        x: x_t.
        first: The prediction at t, x0 or eps.
        stages: In their order; for the first, which has no other prediction yet, multiple does not count.
        evaluate: (x, level) -> prediction.
    """
    end, place = x, None
    for level, c, multiple, noise in stages:
        terms = [(c.total, first)]
        if place is not None:
            weight = c.slope * multiple
            terms = [(c.total - weight, first), (weight, evaluate(end, place))]
        end, place = affine(x, c.scale, *terms, (level.sigma, noise)), level
    return end


@dataclass(frozen=True)
class DPMpp2M(SDESolver):
    """DPM-Solver++(2M), algorithm 2, and its SDE: second order, one evaluation per step.

        x_s = scale x_t + total x0 + slope (x0 - x0') / r + std z,   r = h' / h

    with x0' and h' of the step before. The first step and the one to clean data are of first order.

    Args:
        eta: Strength of the noise, >= 0: 0 is the ODE, 1 the SDE.
        kind: "midpoint" takes the line through both predictions at the middle of the step, slope = total / 2;
            "heun" integrates it exactly, which is RES (Zhang et al. 2023, arXiv 2308.02157, eq. 15).
    """

    eta: float = 0.0
    kind: Kind = "midpoint"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("kind", self.kind, Kind)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, kept = prediction.x0, self.remembered(prediction, x, t)
        c = coefficients(t, s, self.eta, self.kind)
        terms = [(c.total, x0)]
        if past := history(state, t, s):
            r = (t.log_snr - past[0].level.log_snr) / (s.log_snr - t.log_snr)
            newest = x0 if self.kind == "midpoint" else kept
            terms = [(c.total + c.slope / r, newest), (-c.slope / r, past[0].value)]
        z = noise(x, "step") if c.std > 0 else None
        end = affine(implied(prediction, x, t), c.scale, *terms, (c.std, z))
        return Update(end, (Past(t, kept),), x0, c.std, z)

    def remembered(self, prediction: Prediction, x: Tensor, t: Level[float]) -> Tensor:
        """What the next step takes for the x0 of this one."""
        return prediction.x0


@dataclass(frozen=True)
class DPMpp3M(SDESolver):
    """DPM-Solver++(3M) as it is published in code, k-diffusion's and diffusers', and its SDE.

    With r0 = h' / h, r1 = h'' / h and divided differences of the last three predictions,

        d10 = (x0 - x0') / r0,   d11 = (x0' - x0'') / r1,   d2 = (d10 - d11) / (r0 + r1),   d1 = d10 + r0 d2
        x_s = scale x_t + total x0 + alpha_s (phi2 d1 - phi3 d2) + std z

    where alpha_s phi2 = slope and phi3 = phi2 / ((1 + eta) h) - 1/2. The exact integral of the polynomial has
    twice the phi3, so that this is of second order; ``UniPC(3, corrector=False)`` and ``SASolver(3, 0)``
    have it exactly, and are of third. The second step is that of ``DPMpp2M(eta, "heun")``.

    Args:
        eta: Strength of the noise, >= 0: 0 is the ODE, 1 the SDE.
        lower_order_final: Whether the step before the last is of second order at most in runs of fewer than
            15 steps, as in diffusers; k-diffusion and ComfyUI do not lower it.
    """

    eta: float = 0.0
    lower_order_final: bool = True
    tail: tuple[Level[float], ...] = field(default=(), repr=False)

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        lowers = self.lower_order_final and len(levels) - 1 < SHORT
        return replace(self, tail=tuple(levels[-2:]) if lowers else ())

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        x, x0 = x0_of(denoise, x, t)
        c = coefficients(t, s, self.eta)
        terms: list[tuple[float, Tensor]] = [(c.total, x0)]
        past = history(state, t, s)
        order = min(3, 1 + len(past), steps_left(self.tail, s))
        h = s.log_snr - t.log_snr
        if order == 2:
            r = (t.log_snr - past[0].level.log_snr) / h
            terms.append((c.slope / r, x0 - past[0].value))
        elif order == 3:
            r0 = (t.log_snr - past[0].level.log_snr) / h
            r1 = (past[0].level.log_snr - past[1].level.log_snr) / h
            d10, d11 = (x0 - past[0].value) / r0, (past[0].value - past[1].value) / r1
            d2 = (d10 - d11) / (r0 + r1)
            d1 = d10 + r0 * d2
            phi3 = c.slope / ((1 + self.eta) * h) - s.alpha / 2  # times alpha_s, as slope is
            terms += [(c.slope, d1), (-phi3, d2)]
        z = noise(x, "step") if c.std > 0 else None
        return Update(affine(x, c.scale, *terms, (c.std, z)), (Past(t, x0), *past[:1]), x0, c.std, z)


class _SingleStep(SDESolver):
    """A solver that evaluates within the step, and remembers nothing."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """The second-order term."""

    @abstractmethod
    def places(self, t: Level[float], s: Level[float]) -> list[tuple[str, Level[float], float]]:
        """(name of the noise since the place before, level, multiple) of each ``Stage``."""

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        x, x0 = x0_of(denoise, x, t)
        if infinite(t, s):
            c = coefficients(t, s, self.eta, self.kind)
            z = noise(x, "step") if c.std > 0 else None
            return Update(affine(x, c.scale, (c.total, x0), (c.std, z)), state, x0, c.std, z)
        path = _Path(noise, self.eta, x, t)
        stages = [
            (level, coefficients(t, level, self.eta, self.kind), multiple, path.to(name, level))
            for name, level, multiple in self.places(t, s)
        ]
        return Update(staged(x, x0, stages, lambda x, level: denoise(x, level).x0), state, x0)


@dataclass(frozen=True)
class DPMpp2S(_SingleStep):
    """DPM-Solver++(2S), algorithm 1, and its SDE: second order, two evaluations per step, no memory.

        x_m = scale x_t + total x0 + std z',   at lambda_m = lambda_t + r h
        x_s = scale x_t + total x0 + slope (x0_m - x0) / r + std z

    As an SDE it is SEEDS-2 (Gonzalez et al. 2023, arXiv 2305.14267, algorithm 2): z' is the part of z that is
    drawn on the way to lambda_m. k-diffusion's DPM-Solver++ SDE differs in how the two are correlated.
    With ``Ancestral`` around it: DPM++ 2S ancestral.

    Args:
        r: Where the second prediction is made, in (0, 1].
        eta: Strength of the noise, >= 0: 0 is the ODE, 1 the SDE.
        kind: "midpoint" has slope = total / 2, "heun" integrates the line through both predictions exactly.
    """

    r: float = 0.5
    eta: float = 0.0
    kind: Kind = "midpoint"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("kind", self.kind, Kind)
        check_within(0, 1, without=(0,), r=self.r)

    def places(self, t: Level[float], s: Level[float]) -> list[tuple[str, Level[float], float]]:
        m = s if self.r == 1 else between(t, s, self.r)
        return [("stage", m, 0.0), ("rest", s, 1 / self.r)]


@dataclass(frozen=True)
class DPMpp3S(_SingleStep):
    """DPM-Solver++(3S), and its SDE: third order, three evaluations per step, no memory.

    The stages at lambda_t + h / 3 and + 2 h / 3 and the step itself, each by the line through x0 and the last
    prediction, which is integrated exactly (Lu et al. 2022, arXiv 2211.01095, appendix; as an SDE SEEDS-3,
    Gonzalez et al. 2023, arXiv 2305.14267, algorithm 3):

        x_m = scale x_t + total x0 + std z'
        x_n = scale x_t + total x0 + slope 2 (x0_m - x0) + std z''
        x_s = scale x_t + total x0 + slope (x0_n - x0) / (2 / 3) + std z

    Args:
        eta: Strength of the noise, >= 0: 0 is the ODE, 1 the SDE.
    """

    eta: float = 0.0
    kind: ClassVar[Kind] = "heun"

    def places(self, t: Level[float], s: Level[float]) -> list[tuple[str, Level[float], float]]:
        m, n = between(t, s, 1 / 3), between(t, s, 2 / 3)
        return [("stage", m, 0.0), ("middle", n, 2.0), ("rest", s, 1.5)]


class _Path:
    """The noise of one step, drawn part by part: sigma times it is the noise in x since the step began."""

    def __init__(self, noise: StepNoise, eta: float, like: Tensor, start: Level[float]) -> None:
        self.noise, self.eta, self.like, self.level = noise, eta, like, start
        self.z: Tensor | None = None

    def to(self, name: str, s: Level[float]) -> Tensor | None:
        """e**(-eta h) of the noise so far, and sqrt(1 - e**(-2 eta h)) of a new draw; None for eta = 0."""
        e = decay(self.level, s) ** self.eta
        if e < 1:
            fresh = self.noise.part(name, self.level, s)(self.like, "step")
            std = math.sqrt(1 - e * e)
            self.z = fresh * std if self.z is None else affine(self.z, e, (std, fresh))
        self.level = s
        return self.z
