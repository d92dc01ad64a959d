"""DDPM with its choices of the variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gen.diffusion.chain import posterior, transition
from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, implied


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
        ValueError: ``variance`` is unknown; in a step, the denoiser predicts no variance where one is asked
        for.
    """

    variance: Literal["small", "large", "learned"] = "small"

    @property
    def stochastic(self) -> bool:
        return True

    def __post_init__(self) -> None:
        if self.variance not in ("small", "large", "learned"):
            raise ValueError(f"variance must be 'small', 'large' or 'learned', not {self.variance!r}")

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
        law = posterior(t, s)
        mean = affine(implied(prediction, x, t), law.of_x, (law.of_x0, prediction.x0))
        if law.std == 0:
            return Update(mean, state, prediction.x0)
        std = self._std(prediction, law.std, transition(s, t).std)
        z = noise(x, "step")
        return Update(mean.add_(z * std), state, prediction.x0, std, z)

    def _std(self, prediction: Prediction, small: float, large: float) -> float | Tensor:
        if self.variance != "learned":
            return small if self.variance == "small" else large
        if prediction.variance is None:
            raise ValueError("the denoiser predicts no variance: use 'small' or 'large'")
        return (prediction.variance * math.log(large / small)).exp().mul_(small)
