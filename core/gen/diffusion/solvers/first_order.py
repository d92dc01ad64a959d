"""First order: DDIM and its inversion, DDPM, reverse diffusion, Langevin dynamics; ancestral steps and churn.

An ancestral step goes down to sigma_down and adds noise of sigma_up, sigma_down**2 + sigma_up**2 =
sigma_s**2. A rule is a function of the two levels of a step, (t, s) -> sigma_up in [0, sigma_s]. Rules refuse
arguments out of range by a ValueError, as solvers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

from torch import Tensor

from gen.diffusion.arguments import check_not_negative, check_positive, whole_number
from gen.diffusion.denoiser import Output, Prediction
from gen.diffusion.level import Level, norm, posterior, transition
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

    variance: Literal["small", "large", "learned"] = "small"

    @property
    def stochastic(self) -> bool:
        return True

    def __post_init__(self) -> None:
        if self.variance not in ("small", "large", "learned"):
            raise ValueError(f"variance must be 'small', 'large' or 'learned', not {self.variance!r}")

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
    sampler. A step to clean data gives the predicted data. First order and coarser than DDIM; unlike the
    other solvers it is not the same in x / alpha on every process, as the paper discretises x itself.

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


@dataclass(frozen=True)
class Inverse(Solver):
    """``inner`` on a rising grid, from data to noise, also from t = 0, where ``inner`` has no eps.

    The step from t = 0 is x_s = alpha_s x_0 + sigma_s eps(alpha_s x_0, s), as in DDIM inversion (Mokady et
    al. 2023, arXiv 2211.09794, eq. 3). With rho = sigma_s / alpha_s, the x0 predicted for x_s differs from
    x_0 by O(rho**4). All other steps are those of ``inner``.

    Args:
        inner: A solver that draws no noise.
    """

    inner: Solver

    def __post_init__(self) -> None:
        if self.inner.stochastic:
            raise ValueError(f"{type(self.inner).__name__} draws noise and cannot run from data to noise")

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, inner=self.inner.on(levels))

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
