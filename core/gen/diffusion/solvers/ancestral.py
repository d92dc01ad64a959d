"""Noise around a step: ancestral steps with their rules for sigma_up, and churn.

An ancestral step goes down to sigma_down and adds noise of sigma_up, sigma_down**2 + sigma_up**2 =
sigma_s**2. A rule is a function of the two levels of a step, (t, s) -> sigma_up in [0, sigma_s]. Rules refuse
arguments out of range by a ValueError, as solvers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from torch import Tensor

from gen.diffusion.arguments import check_not_negative, check_positive
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.process import Process
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, decay, flow_time

SigmaUp: TypeAlias = Callable[[Level[float], Level[float]], float]
"""(t, s) -> sigma_up."""


@dataclass(frozen=True)
class AncestralStep:
    """sigma_up = eta sigma_s sqrt(1 - (alpha_t sigma_s / (alpha_s sigma_t))**2).

    Song et al. 2021, arXiv 2010.02502, eq. 16.

    Args:
        eta: Share of the noise of the Markov posterior, in [0, 1]; 1 is DDPM and Euler ancestral.
    """

    eta: float

    def __post_init__(self) -> None:
        _check("eta", self.eta)

    def __call__(self, t: Level[float], s: Level[float]) -> float:
        return self.eta * s.sigma * math.sqrt(1 - decay(t, s) ** 2)


@dataclass(frozen=True)
class LCMStep:
    """sigma_up = sigma_s: predict the data, then add all noise anew.

    Multistep consistency sampling (Song et al. 2023, arXiv 2303.01469, algorithm 1), LCM (Luo et al. 2023,
    arXiv 2310.04378, algorithm 3) and ping-pong.
    """

    def __call__(self, _t: Level[float], s: Level[float]) -> float:
        return s.sigma


@dataclass(frozen=True)
class TCDStep:
    """Down to the time (1 - gamma) s, then noise up to s.

    Strategic stochastic sampling (Zheng et al. 2024, arXiv 2402.19159, sec. 4.2).

    Args:
        gamma: Share of the way to the data that is denoised and noised again, in [0, 1]; 0 draws nothing and
            1 is ``LCMStep``.
        process: The process that the network was trained on, whose time this is.
    """

    gamma: float
    process: Process

    def __post_init__(self) -> None:
        _check("gamma", self.gamma)

    def __call__(self, _t: Level[float], s: Level[float]) -> float:
        if s.alpha == 0 or s.sigma == 0:
            return 0.0
        down = self.process.level((1 - self.gamma) * self.process.t_of_log_snr(s.log_snr))
        return _sigma_up(s, down.sigma / down.alpha)


@dataclass(frozen=True)
class FlowAncestralStep:
    """Down to s (1 - eta (1 - s / t)) of a rectified flow, then noise up to s.

    The ancestral step of ComfyUI (``sample_euler_ancestral_RF``) and LTX for flows; no paper states it. It
    keeps more of the old noise than ``AncestralStep``. On other processes t and s are sigma / (alpha +
    sigma).

    Args:
        eta: How far down, in [0, 1]; 0 draws nothing.
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        _check("eta", self.eta)

    def __call__(self, t: Level[float], s: Level[float]) -> float:
        u_t, u_s = flow_time(t), flow_time(s)
        down = u_s * (1 - self.eta * (1 - u_s / u_t))
        return _sigma_up(s, down / (1 - down)) if down < 1 else 0.0


def rule_of(eta: float | SigmaUp) -> SigmaUp:
    """The rule itself, or ``AncestralStep`` of a number.

    Raises:
        ValueError: The number is outside [0, 1].
    """
    return eta if callable(eta) else AncestralStep(eta)


def _sigma_up(s: Level[float], rho: float) -> float:
    """That of a step down to sigma / alpha = rho."""
    down = min(s.alpha * rho, s.sigma)
    return math.sqrt((s.sigma - down) * (s.sigma + down))


def _check(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], not {value}")


@dataclass(frozen=True)
class Ancestral(Solver):
    """``inner`` to (alpha_s, sigma_down), then noise of sigma_up.

    Around DDIM it is DDIM with that rule; around ``DPMpp2S`` and ``DPMSolver2`` it gives DPM++ 2S ancestral
    and DPM2 ancestral of k-diffusion.

    Args:
        inner: A solver that draws no noise and corrects no earlier step.
        eta: Share of the noise of the Markov posterior, in [0, 1], or a rule for sigma_up.
    """

    inner: Solver
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
        return replace(s, sigma=math.sqrt((s.sigma - sigma_up) * (s.sigma + sigma_up))), sigma_up


@dataclass(frozen=True)
class Churn(Solver):
    """``inner`` from a noisier level than that of x (Karras et al. 2022, arXiv 2206.00364, algorithm 2).

    Noise is added until sigma has grown by (1 + gamma), then the step is made from there. Around Heun this is
    their stochastic sampler.

    Args:
        inner: Makes the step; it may draw noise of its own, and corrects no earlier step.
        gamma: >= 0; theirs is min(s_churn / steps, sqrt(2) - 1).
        within: (s_tmin, s_tmax), the lowest and highest sigma / alpha where noise is added.
        s_noise: Factor of the noise, > 0; 1 is right for an exact denoiser.
    """

    inner: Solver
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

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, inner=self.inner.on(levels))

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        low, high = self.within
        if self.gamma == 0 or t.alpha == 0 or not low <= t.sigma / t.alpha <= high:
            return self.inner.step(state, x, denoise, t, s, noise=noise)
        above = replace(t, sigma=t.sigma * (1 + self.gamma))
        added = self.s_noise * t.sigma * math.sqrt(self.gamma * (2 + self.gamma))
        churned = affine(x, 1.0, (added, noise(x, "churn")))
        update = self.inner.step(state, churned, denoise, above, s, noise=noise)
        return Update(update.x, update.state, update.x0)


def refuse_corrector(inner: Solver, reason: str) -> None:
    """Raises ValueError where ``inner`` corrects the step before."""
    if inner.corrects:
        raise ValueError(
            f"{type(inner).__name__} corrects each step once the next begins, but {reason} in between: "
            "it must have no corrector"
        )
