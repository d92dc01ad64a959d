"""How much of the noise of a state is fresh after a step: the rules that go by the names eta, gamma and more.

A rule is a function of the two levels of a step. It gives tau, the standard deviation of the fresh noise,
with 0 <= tau <= sigma_s; the rest of the noise, sqrt(sigma_s**2 - tau**2), is the one that was there before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gen.diffusion.level import Level
from gen.diffusion.process import Process
from gen.diffusion.solvers.base import decay

FreshNoise: TypeAlias = Callable[[Level[float], Level[float]], float]
"""(t, s) -> tau."""


@dataclass(frozen=True)
class Eta:
    """tau = eta sigma_s sqrt(1 - (alpha_t sigma_s / (alpha_s sigma_t))**2).

    Song et al. 2021, arXiv 2010.02502, eq. 16.

    Args:
        eta: Share of the noise of the Markov posterior, in [0, 1]; 1 is DDPM and Euler ancestral.

    Raises:
        ValueError: ``eta`` is outside.
    """

    eta: float

    def __post_init__(self) -> None:
        _check("eta", self.eta)

    def __call__(self, t: Level[float], s: Level[float]) -> float:
        return self.eta * s.sigma * math.sqrt(1 - decay(t, s) ** 2)


@dataclass(frozen=True)
class Full:
    """tau = sigma_s: predict the data, then noise it anew.

    Multistep consistency sampling (Song et al. 2023, arXiv 2303.01469, algorithm 1), LCM and ping-pong.
    """

    def __call__(self, _t: Level[float], s: Level[float]) -> float:
        return s.sigma


@dataclass(frozen=True)
class Gamma:
    """Down to the time (1 - gamma) s, then noised back up to s.

    TCD's strategic stochastic sampling (Zheng et al. 2024, arXiv 2402.19159, sec. 4.2).

    Args:
        gamma: Share of the way to the data that is denoised and noised again, in [0, 1]; 0 draws nothing and
            1 is ``Full``.
        process: Whose clock tells time: the process that the network was trained on.

    Raises:
        ValueError: ``gamma`` is outside.
    """

    gamma: float
    process: Process

    def __post_init__(self) -> None:
        _check("gamma", self.gamma)

    def __call__(self, _t: Level[float], s: Level[float]) -> float:
        if s.alpha == 0 or s.sigma == 0:
            return 0.0
        down = self.process.level((1 - self.gamma) * self.process.t_of_log_snr(s.log_snr))
        return _renoised(s, down.sigma / down.alpha)


@dataclass(frozen=True)
class DownStep:
    """Down to s (1 - eta (1 - s / t)) of a rectified flow, then noised back up to s.

    The ancestral step of ComfyUI (``sample_euler_ancestral_RF``) and LTX for flows; no paper states it. It
    keeps more of the old noise than ``Eta``. On other processes the flow's time is sigma / (alpha + sigma).

    Args:
        eta: How far down, in [0, 1]; 0 draws nothing.

    Raises:
        ValueError: ``eta`` is outside.
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        _check("eta", self.eta)

    def __call__(self, t: Level[float], s: Level[float]) -> float:
        u_t, u_s = (level.sigma / (level.alpha + level.sigma) for level in (t, s))
        down = u_s * (1 - self.eta * (1 - u_s / u_t))
        return _renoised(s, down / (1 - down)) if down < 1 else 0.0


def rule_of(eta: float | FreshNoise) -> FreshNoise:
    """The rule itself, or ``Eta`` of a number.

    Raises:
        ValueError: The number is outside [0, 1].
    """
    return eta if callable(eta) else Eta(eta)


def _renoised(s: Level[float], rho: float) -> float:
    """tau that brings a state of sigma / alpha = rho up to ``s``."""
    kept = min(s.alpha * rho, s.sigma)
    return math.sqrt((s.sigma - kept) * (s.sigma + kept))


def _check(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], not {value}")
