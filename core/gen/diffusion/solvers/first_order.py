"""First order: DDIM, DDPM, reverse diffusion, flow maps, and the rules for ancestral steps.

An ancestral step goes down to sigma_down and adds noise of sigma_up, sigma_down**2 + sigma_up**2 =
sigma_s**2. A rule is a function of the two levels of a step, (t, s) -> sigma_up in [0, sigma_s]. Rules refuse
arguments out of range by a ValueError, as solvers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from gen.diffusion.arguments import check_choice, check_within
from gen.diffusion.denoiser import Output, Prediction
from gen.diffusion.level import Level, posterior, transition
from gen.diffusion.noise import StepNoise
from gen.diffusion.process import Process
from gen.diffusion.solvers.base import (
    Denoise,
    SDESolver,
    Solver,
    State,
    Update,
    affine,
    decay,
    flow_time,
    implied,
)

Variance = Literal["small", "large", "learned"]
"""Of a step of the chain: that of the posterior, that of the forward step, or the network's between both."""

SigmaUp: TypeAlias = Callable[[Level[float], Level[float]], float]
"""(t, s) -> sigma_up."""


def _step_by(
    prediction: Prediction, x: Tensor, scale: float, of_x0: float, *terms: tuple[float, Tensor | None]
) -> Tensor:
    """scale x + of_x0 x0 + terms, as ``affine``; with x0 = c_skip x + c_out F, where F is known for this x,

    (scale + of_x0 c_skip) x + of_x0 c_out F + terms
    """
    data = prediction.data
    if isinstance(data, Output) and data.x is x:
        return affine(x, scale + of_x0 * data.c_skip, (of_x0 * data.c_out, data.F), *terms)
    return affine(x, scale, (of_x0, prediction.x0), *terms)


@dataclass(frozen=True)
class DDIM(Solver):
    """First order, one evaluation per step (Song et al. 2021, arXiv 2010.02502, eq. 12).

        x_s = alpha_s x0 + sqrt(sigma_s**2 - sigma_up**2) eps + sigma_up z

    eta = 0 is the exponential Euler step of the probability flow: DDIM, Euler on sigma / alpha, Euler on a
    rectified flow. eta = 1 draws from the Markov posterior: DDPM, Euler ancestral. ``LCMStep()`` is how
    consistency models and LCM take several steps, ``TCDStep`` is TCD, ``FlowAncestralStep`` Euler ancestral
    on flows.

    Args:
        eta: Share of the noise of the Markov posterior, in [0, 1], or a rule for sigma_up.
    """

    eta: float | SigmaUp = 0.0

    def __post_init__(self) -> None:
        rule_of(self.eta)

    @property
    def stochastic(self) -> bool:
        return callable(self.eta) or self.eta > 0

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        sigma_up = rule_of(self.eta)(t, s) if self.stochastic else 0.0
        z = noise(x, "step") if sigma_up > 0 else None
        # With eps = (x - alpha_t x0) / sigma_t, finite at alpha_t = 0.
        scale = math.sqrt((s.sigma - sigma_up) * (s.sigma + sigma_up)) / t.sigma
        x = implied(prediction, x, t)
        end = _step_by(prediction, x, scale, s.alpha - t.alpha * scale, (sigma_up, z))
        return Update(end, state, prediction, sigma_up, z)


@dataclass(frozen=True)
class DDPM(Solver):
    """A step back along the Markov chain (Ho et al. 2020, arXiv 2006.11239, algorithm 2), one evaluation.

    The mean is that of the posterior given the predicted data. The variance lies between two bounds: that of
    the posterior, beta~, which is right for data that is one point, and that of the forward step, beta, which
    is right for white noise of unit variance. A step to clean data draws nothing.

    Args:
        variance: "small" is beta~ and the same as ``DDIM(1.0)``; "large" is beta; "learned" takes
            exp(v log beta + (1 - v) log beta~) with v = ``Prediction.variance`` (Nichol & Dhariwal 2021,
            arXiv 2102.09672, eq. 15).

    Raises:
        ValueError: In a step, the variance is "learned" and the denoiser predicts none.
    """

    variance: Variance = "small"

    @property
    def stochastic(self) -> bool:
        return True

    def __post_init__(self) -> None:
        check_choice("variance", self.variance, Variance)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        law = posterior(t, s)
        mean = _step_by(prediction, implied(prediction, x, t), law.of_x, law.of_x0)
        if law.std == 0:
            return Update(mean, state, prediction)
        std = self._std(prediction, law.std, transition(s, t).std)
        z = noise(x, "step")
        return Update(mean.add_(z * std), state, prediction, std, z)

    def _std(self, prediction: Prediction, small: float, large: float) -> float | Tensor:
        if self.variance != "learned":
            return small if self.variance == "small" else large
        if prediction.variance is None:
            raise ValueError("the denoiser predicts no variance: use 'small' or 'large'")
        return (prediction.variance * math.log(large / small)).exp().mul_(small)


@dataclass(frozen=True)
class ReverseDiffusion(SDESolver):
    """Euler-Maruyama on the reverse process (Song et al. 2021, arXiv 2011.13456, eq. 46 and 47).

    With (a, b) the transition from ``s`` to ``t`` and the score -eps / sigma_t:

        x_s = (2 - a) x_t + (1 + eta**2) / 2 b**2 score + eta b z

    eta**2 is the free share of the diffusion: 1 is their reverse diffusion sampler, 0 their probability flow
    sampler. A step to clean data gives the predicted data. First order, for hundreds of steps: 2 - a is
    1 / a but for (1 - a)**2 / a, which is large where a step takes much of the noise away. Unlike the other
    solvers it is not the same in x / alpha on every process, as the paper discretises x itself.

    Args:
        eta: Factor of the noise, a finite number >= 0.

    Raises:
        ValueError: In a step, s has more noise than t.
    """

    eta: float = 1.0

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        if s.sigma == 0:
            return Update(s.alpha * prediction.x0, state, prediction.x0)
        scale, std = transition(s, t)
        drift = (1 + self.eta**2) / 2 * (std / t.sigma) ** 2  # of -sigma_t eps = alpha_t x0 - x_t
        z, sigma_up = (noise(x, "step"), self.eta * std) if self.stochastic else (None, 0.0)
        x = implied(prediction, x, t)
        moved = _step_by(prediction, x, 2 - scale - drift, drift * t.alpha, (sigma_up, z))
        return Update(moved, state, prediction, sigma_up, z)


@dataclass(frozen=True)
class FlowMap(Solver):
    """One evaluation per step, exact at any step size for an exact flow map (Boffi et al. 2024, 2406.07507).

    The network predicts the x0 with which a DDIM step ends at the right place. For a flow and a velocity u
    it is x - t u, and the step x_r = x_t - (t - r) u(x, t, r), as in MeanFlow (Geng et al. 2025, 2505.13447,
    eq. 12). With ``Ancestral`` around it, the map leads to the level below and the noise back up, as in
    gamma-sampling.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        def towards(x: Tensor, level: Level[float]) -> Prediction:
            return denoise(x, level._replace(target=s))

        return DDIM().step(state, x, towards, t, s, noise=noise)


@dataclass(frozen=True)
class AncestralStep:
    """sigma_up = eta sigma_s sqrt(1 - (alpha_t sigma_s / (alpha_s sigma_t))**2).

    Song et al. 2021, arXiv 2010.02502, eq. 16.

    Args:
        eta: Share of the noise of the Markov posterior, in [0, 1]; 1 is DDPM and Euler ancestral.
    """

    eta: float

    def __post_init__(self) -> None:
        check_within(0, 1, eta=self.eta)

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
        check_within(0, 1, gamma=self.gamma)

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
        check_within(0, 1, eta=self.eta)

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
