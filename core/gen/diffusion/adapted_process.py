"""Processes made from others: more or less noise at the same time, or none of the data at the end."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from gen.diffusion.discrete_betas import DiscreteBetas
from gen.diffusion.level import Level
from gen.diffusion.process import Process
from gen.diffusion.real import Real, angle_of, cos, log, sin, sqrt, where


@dataclass(frozen=True)
class Shifted(Process):
    """``inner`` run on a warped clock, so that log_snr(t) = inner.log_snr(t) - log(shift) within its range.

    For rectified flow the clock is tau = s t / (1 + (s - 1) t) (Esser et al. 2024, arXiv 2403.03206, eq. 23);
    for any process it is the shift of Hoogeboom et al. 2023 (arXiv 2301.11093, sec. 3.1). A process whose
    noise ends above alpha = 0 keeps that end.

    Args:
        inner: The process to shift.
        shift: s > 0; above 1 means more noise at the same time.
    """

    inner: Process
    shift: float

    def __post_init__(self) -> None:
        if not 0 < self.shift < math.inf:
            raise ValueError(f"shift must be a finite number above 0, not {self.shift}")

    def _clock(self, t: Real) -> Real:
        return self.inner.t_of_log_snr(self.inner.level(t).log_snr - math.log(self.shift))

    def _speed(self, t: Real) -> Real:
        """d tau / d t, from tan(phi(tau)) = s tan(phi(t)), tan(phi) = sigma / alpha."""
        here, there = self.inner.level(t), self.inner.level(self._clock(t))
        ratio = self._wronskian(here) / self._wronskian(there)
        # Two forms of one number; each is 0/0 at the other's end.
        near_data = here.alpha - here.sigma
        low = self.shift * (there.alpha / where(near_data, here.alpha, here.alpha * 0 + 1)) ** 2
        high = (there.sigma / where(near_data, here.sigma * 0 + 1, here.sigma)) ** 2 / self.shift
        return ratio * where(near_data, low, high)

    def _wronskian(self, level: Level[Real]) -> Real:
        return level.alpha * self.inner.d_sigma(level.t) - level.sigma * self.inner.d_alpha(level.t)

    def alpha(self, t: Real) -> Real:
        return self.inner.alpha(self._clock(t))

    def sigma(self, t: Real) -> Real:
        return self.inner.sigma(self._clock(t))

    def d_alpha(self, t: Real) -> Real:
        return self.inner.d_alpha(self._clock(t)) * self._speed(t)

    def d_sigma(self, t: Real) -> Real:
        return self.inner.d_sigma(self._clock(t)) * self._speed(t)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return self.inner.t_of_log_snr(log_snr + math.log(self.shift))


def shifted(process: Process, shift: float) -> Process:
    """``process`` with its log_snr lowered by log(shift); the process itself when ``shift`` is 1.

    Raises:
        ValueError: ``shift`` is not a finite number above 0.
    """
    return process if shift == 1 else Shifted(process, shift)


def resolution_shift(tokens: int, base_tokens: int) -> float:
    """sqrt(tokens / base_tokens): the shift that keeps the uncertainty of a larger picture the same.

    Esser et al. 2024 (arXiv 2403.03206), eq. 23.

    Args:
        tokens: Numbers of positions in the latent, >= 1.
        base_tokens: The same at the resolution that has no shift, >= 1.

    Raises:
        ValueError: A number is below 1.
    """
    if min(tokens, base_tokens) < 1:
        raise ValueError(f"tokens and base_tokens must be at least 1, not {tokens} and {base_tokens}")
    return math.sqrt(tokens / base_tokens)


def linear_shift(
    tokens: int, low: tuple[int, float] = (256, 0.5), high: tuple[int, float] = (4096, 1.15)
) -> float:
    """The shift on the straight line through two points (tokens, shift), as flow models call "linear".

    Args:
        tokens: Numbers of positions in the latent, >= 1.
        low: (tokens, shift) at the smallest resolution of training; the default is that of FLUX.1.
        high: (tokens, shift) at the largest, with more tokens.

    Raises:
        ValueError: The numbers of tokens are not 1 <= low < high, or ``tokens`` is below 1.
    """
    return _line(tokens, low, high)


def exponential_shift(
    tokens: int, low: tuple[int, float] = (256, 0.5), high: tuple[int, float] = (4096, 1.15)
) -> float:
    """exp(mu) with mu on the line of ``linear_shift``: the dynamic shift of FLUX.1 (its published code).

    The arguments and errors are those of ``linear_shift``, with mu in place of the shift.
    """
    return math.exp(_line(tokens, low, high))


def _line(tokens: int, low: tuple[int, float], high: tuple[int, float]) -> float:
    if not 1 <= low[0] < high[0] or tokens < 1:
        raise ValueError(f"tokens must be at least 1 and those of low below those of high, not {tokens}")
    return low[1] + (high[1] - low[1]) * (tokens - low[0]) / (high[0] - low[0])


@dataclass(frozen=True)
class ZeroTerminalSNR(Process):
    """``inner`` with alpha moved and stretched so that nothing of the data is left at t = 1.

        alpha = (alpha_inner - alpha_inner(1)) / (1 - alpha_inner(1)),  sigma**2 = 1 - alpha**2

    Lin et al. 2023 (arXiv 2305.08891), algorithm 1, in continuous time.

    Args:
        inner: A process in continuous time with alpha**2 + sigma**2 = 1.

    Raises:
        ValueError: ``inner`` does not preserve the variance.
    """

    inner: Process

    def __post_init__(self) -> None:
        if any(abs(self.inner.prior_scale(self.inner.level(t)) - 1) > 1e-6 for t in (0.25, 0.5, 0.75, 1.0)):
            raise ValueError(f"zero terminal SNR needs a variance-preserving process, not {self.inner}")

    @property
    def _share(self) -> float:
        return 1 - self.inner.alpha(1.0)

    def _lost(self, t: Real) -> Real:
        """1 - alpha, from inner.sigma**2 = (1 - alpha) (1 + alpha): exact near t = 0."""
        return self.inner.sigma(t) ** 2 / (1 + self.inner.alpha(t)) / self._share

    def alpha(self, t: Real) -> Real:
        return (self.inner.alpha(t) - self.inner.alpha(1.0)) / self._share

    def sigma(self, t: Real) -> Real:
        lost = self._lost(t)
        return sqrt(lost * (2 - lost))

    def d_alpha(self, t: Real) -> Real:
        return self.inner.d_alpha(t) / self._share

    def d_sigma(self, t: Real) -> Real:
        sigma = self.sigma(t)
        slope = -self.alpha(t) * self.d_alpha(t) / where(sigma, sigma, sigma + 1)
        # At t = 0, where both are 0, sigma is that of inner but for a factor.
        return where(sigma, slope, self.inner.d_sigma(t) / math.sqrt(self._share))

    def t_of_log_snr(self, log_snr: Real) -> Real:
        angle = angle_of(log_snr)
        lost = sin(angle) ** 2 / (1 + cos(angle)) * self._share
        return self.inner.t_of_log_snr(log(1 - lost) - log(lost * (2 - lost)) / 2)


def zero_terminal_snr(process: Process) -> Process:
    """``process`` without any signal at t = 1 (Lin et al. 2023, arXiv 2305.08891, algorithm 1).

    A chain stays a chain, whose first step keeps its level, as published; see ``ZeroTerminalSNR`` for others.

    Raises:
        ValueError: The process does not preserve the variance, or is a chain of a single step.
    """
    if not isinstance(process, DiscreteBetas):
        return ZeroTerminalSNR(process)
    count = len(process.betas)
    if count == 1:
        raise ValueError("a chain of one step cannot keep its first level and lose its last")
    alphas = [process.alpha((i + 1) / count) for i in range(count)]
    scale = alphas[0] / (alphas[0] - alphas[-1])
    squares = [1.0, *(((alpha - alphas[-1]) * scale) ** 2 for alpha in alphas)]
    return DiscreteBetas([1 - after / before for before, after in itertools.pairwise(squares)])
