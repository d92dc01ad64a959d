"""The reverse diffusion step by step, and Langevin dynamics at one level."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.chain import transition
from gen.diffusion.items import norm
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, implied


@dataclass(frozen=True)
class ReverseDiffusion(Solver):
    """Euler-Maruyama on the reverse process (Song et al. 2021, arXiv 2011.13456, eq. 46 and 47).

    With (a, b) the transition from ``s`` to ``t`` and the score -eps / sigma_t:

        x_s = (2 - a) x_t + (1 + eta**2) / 2 b**2 score + eta b z

    eta**2 is the free share of the diffusion: 1 is their reverse diffusion sampler, 0 their probability flow
    sampler. A step to clean data gives the predicted data. First order and coarser than DDIM; unlike the
    other solvers it is not the same in x / alpha on every process, as the paper discretises x itself.

    Args:
        eta: Factor of the noise, a finite number >= 0.

    Raises:
        ValueError: ``eta`` is out of range; a deterministic run rises.
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be a finite number of at least 0, not {self.eta}")

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

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
        prediction = denoise(x, t)
        if s.sigma == 0:
            return Update(s.alpha * prediction.x0, state, prediction.x0)
        scale, std = transition(s, t)
        drift = (1 + self.eta**2) / 2 * (std / t.sigma) ** 2  # of -sigma_t eps = alpha_t x0 - x_t
        terms = [(drift * t.alpha, prediction.x0)]
        z = noise(x, "step") if self.stochastic else None
        if z is not None:
            terms.append((self.eta * std, z))
        moved = affine(implied(prediction, x, t), 2 - scale - drift, *terms)
        return Update(moved, state, prediction.x0, self.eta * std if z is not None else 0.0, z)


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
        if not 0 < self.snr < math.inf:
            raise ValueError(f"snr must be a finite number above 0, not {self.snr}")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"steps must be a whole number of at least 1, not {self.steps}")

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
    """``predictor`` makes the step, ``corrector`` then mixes at the new level.

    Song et al. 2021, arXiv 2011.13456, algorithm 1. At clean data there is nothing to mix.

    Args:
        predictor: Any solver.
        corrector: What is done at the new level.
    """

    predictor: Solver
    corrector: Langevin

    @property
    def stochastic(self) -> bool:
        return True

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
        update = self.predictor.step(state, x, denoise, t, s, noise=noise)
        if s.sigma == 0:
            return update
        return Update(self.corrector(update.x, denoise, s, noise=noise), update.state, update.x0)
