"""Solvers around another: flow time, inversion, ancestral steps, churn and Langevin correctors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor

from gen.diffusion.arguments import check_not_negative, check_positive, whole_number
from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level, norm
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import ROUNDING, Denoise, Solver, State, Update, affine, decay, flow_time
from gen.diffusion.solvers.first_order import SigmaUp, rule_of


@dataclass(frozen=True)
class _Wrapper(Solver):
    """A solver around another.

    Args:
        inner: The other one.
    """

    inner: Solver

    @property
    def corrects(self) -> bool:
        return self.inner.corrects

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, inner=self.inner.on(levels))


@dataclass(frozen=True)
class FlowTime(_Wrapper):
    """``inner`` for y = x / (alpha + sigma) and u = sigma / (alpha + sigma), in place of x / alpha and rho.

        y = x0 + u v,   v = eps - x0,   as   x / alpha = x0 + rho eps

    so that ``inner`` integrates v where it integrates eps, and log u takes the place of log rho (ComfyUI's
    code, in which a flow's x and time pass for those of a variance exploding process; no paper has it).
    ``FlowTime(LMS(n))`` is ``FlowAdams(n)``, ``FlowTime(DDIM())`` is ``DDIM()``. Steps from pure noise are
    like others, as u = 1 is finite.

    Args:
        inner: A solver that draws no noise: in this form it would draw too much. ``Ancestral`` goes around.
    """

    def __post_init__(self) -> None:
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} must draw no noise in flow time")

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, inner=self.inner.on([_exploding(level) for level in levels]))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        def of_flow(y: Tensor, level: Level[float]) -> Prediction:
            of_y = Level(level.t, 1 - level.sigma, level.sigma)
            prediction = denoise(y, of_y)
            if prediction.eps is None or of_y.alpha == 0:
                return Prediction(prediction.x0)
            # (y - u0) / u with u0 = (y - u eps) / (1 - u)
            return Prediction(prediction.x0, (prediction.eps - y) / of_y.alpha)

        y = _scaled(x, 1 / (t.alpha + t.sigma))
        update = self.inner.step(state, y, of_flow, _exploding(t), _exploding(s), noise=noise)
        return Update(_scaled(update.x, s.alpha + s.sigma), update.state, update.x0)


def _scaled(x: Tensor, scale: float) -> Tensor:
    """scale x, and x itself on flows, where the scale is 1."""
    return x if abs(scale - 1) < ROUNDING else x * scale


def _exploding(level: Level[float]) -> Level[float]:
    return Level(level.t, 1.0, flow_time(level))


@dataclass(frozen=True)
class Inverse(_Wrapper):
    """``inner`` on a rising grid, from data to noise, also from t = 0, where ``inner`` has no eps.

    The step from t = 0 is x_s = alpha_s x_0 + sigma_s eps(alpha_s x_0, s), as in DDIM inversion (Mokady et
    al. 2023, arXiv 2211.09794, eq. 3). With rho = sigma_s / alpha_s, the x0 predicted for x_s differs from
    x_0 by O(rho**4). All other steps are those of ``inner``.

    Args:
        inner: A solver that draws no noise.
    """

    def __post_init__(self) -> None:
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} draws noise and cannot run from data to noise")

    @property
    def from_data(self) -> bool:
        return True

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        if t.sigma > 0:
            return self.inner.step(state, x, denoise, t, s, noise=noise)
        scaled = x * (s.alpha / t.alpha)
        prediction = denoise(scaled, s)
        moved = affine(scaled, 1.0, (s.sigma, prediction.noise(scaled, s)))
        return Update(moved, state, prediction.x0)


@dataclass(frozen=True)
class Ancestral(_Wrapper):
    """``inner`` to (alpha_s, sigma_down), then noise of sigma_up.

    Around DDIM it is DDIM with that rule; around ``DPMpp2S`` and ``DPMSolver2`` it gives DPM++ 2S ancestral
    and DPM2 ancestral of k-diffusion.

    Args:
        inner: A solver that draws no noise and corrects no earlier step.
        eta: Share of the noise of the Markov posterior, in [0, 1], or a rule for sigma_up.
    """

    eta: float | SigmaUp = 1.0

    def __post_init__(self) -> None:
        rule_of(self.eta)
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} draws noise already")
        refuse_corrector(self.inner, "an ancestral step adds noise")

    @property
    def stochastic(self) -> bool:
        return callable(self.eta) or self.eta > 0

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        # Where a grid goes back up, no step is made.
        down = [s if decay(t, s) > 1 else self._down(t, s)[0] for t, s in pairwise(levels)]
        return replace(self, inner=self.inner.on([*levels[:1], *down]))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        down, sigma_up = self._down(t, s)
        update = self.inner.step(state, x, denoise, t, down, noise=noise)
        if sigma_up == 0:
            return update
        z = noise(x, "step")
        return Update(affine(update.x, 1.0, (sigma_up, z)), update.state, update.x0, sigma_up, z)

    def _down(self, t: Level[float], s: Level[float]) -> tuple[Level[float], float]:
        """(alpha_s, sigma_down), and sigma_up."""
        sigma_up = rule_of(self.eta)(t, s) if self.stochastic else 0.0
        if sigma_up == 0:
            return s, 0.0
        return s._replace(sigma=math.sqrt((s.sigma - sigma_up) * (s.sigma + sigma_up))), sigma_up


@dataclass(frozen=True)
class Churn(_Wrapper):
    """``inner`` from a noisier level than that of x (Karras et al. 2022, arXiv 2206.00364, algorithm 2).

    Noise is added until sigma has grown by (1 + gamma), then the step is made from there. Around Heun this is
    their stochastic sampler.

    Args:
        inner: Makes the step; it may draw noise of its own, and corrects no earlier step.
        gamma: >= 0; theirs is min(s_churn / steps, sqrt(2) - 1).
        within: (s_tmin, s_tmax), the lowest and highest sigma / alpha where noise is added.
        s_noise: Factor of the noise, > 0; 1 is right for an exact denoiser.
    """

    gamma: float
    within: tuple[float, float] = (0.0, math.inf)
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative(gamma=self.gamma)
        if not 0 <= self.within[0] <= self.within[1]:
            raise ValueError(f"within must be two numbers 0 <= lowest <= highest, not {self.within}")
        check_positive(s_noise=self.s_noise)
        refuse_corrector(self.inner, "churn adds noise")

    @property
    def stochastic(self) -> bool:
        return self.gamma > 0 or self.inner.stochastic

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        low, high = self.within
        if self.gamma == 0 or t.alpha == 0 or not low <= t.sigma / t.alpha <= high:
            return self.inner.step(state, x, denoise, t, s, noise=noise)
        above = t._replace(sigma=t.sigma * (1 + self.gamma))
        added = self.s_noise * t.sigma * math.sqrt(self.gamma * (2 + self.gamma))
        churned = affine(x, 1.0, (added, noise(x, "churn")))
        update = self.inner.step(state, churned, denoise, above, s, noise=noise)
        return Update(update.x, update.state, update.x0)


@dataclass(frozen=True)
class Langevin:
    """Langevin dynamics at one level, by signal-to-noise ratio (Song et al. 2021, algorithms 4 and 5).

        x <- x + e score + sqrt(2 e) z,   e = 2 (snr |z| / |score|)**2

    The norms are those of each item, as in the algorithms; their code and diffusers average them over the
    batch. Their factor 1 - beta of algorithm 5 is left out, as it depends on the number of steps.

    Args:
        snr: > 0; theirs is 0.16 for images.
        steps: Number of repetitions, at least 1; each is one evaluation.

    Raises:
        ValueError: An argument is out of range.
    """

    snr: float = 0.16
    steps: int = 1

    def __post_init__(self) -> None:
        check_positive(snr=self.snr)
        whole_number(self.steps, "steps")

    def __call__(self, x: Tensor, denoise: Denoise, level: Level[float], *, noise: StepNoise) -> Tensor:
        """x (B, ...) after the repetitions, at the same level; sigma > 0."""
        for i in range(self.steps):
            score = denoise(x, level).noise(x, level) / -level.sigma
            z = noise(x, f"corrector/{i}")
            size = 2 * (self.snr * norm(z) / norm(score).clamp(min=1e-12)).square().to(x)
            x = x + size * score + (2 * size).sqrt() * z
        return x


@dataclass(frozen=True)
class PredictorCorrector(Solver):
    """A step of ``predictor``, then ``corrector`` at the new level (Song et al. 2021, algorithm 1).

    A step to clean data has no corrector.

    Args:
        predictor: A solver that corrects no earlier step itself.
        corrector: Langevin dynamics.
    """

    predictor: Solver
    corrector: Langevin

    def __post_init__(self) -> None:
        refuse_corrector(self.predictor, "Langevin dynamics moves x")

    @property
    def stochastic(self) -> bool:
        return True

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, predictor=self.predictor.on(levels))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        update = self.predictor.step(state, x, denoise, t, s, noise=noise)
        if s.sigma == 0:
            return update
        return Update(self.corrector(update.x, denoise, s, noise=noise), update.state, update.predicted)


def refuse_corrector(inner: Solver, reason: str) -> None:
    """Raises ValueError where ``inner`` corrects the step before."""
    if inner.corrects:
        raise ValueError(
            f"{type(inner).__name__} corrects each step once the next begins, but {reason} in between: "
            "it must have no corrector"
        )
