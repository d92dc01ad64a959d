"""Noise schedules: chains that are given by their betas, shifts, and zero terminal SNR."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gen.diffusion.arguments import check_not_negative, check_positive, check_within, whole_number
from gen.diffusion.level import Real, angle_of, cos, interpolate, log, sin, sqrt
from gen.diffusion.process import HALF_PI, Process


@dataclass(frozen=True)
class DiscreteBetas(Process):
    """A chain of N variance-preserving steps (Ho et al. 2020, arXiv 2006.11239, eq. 4), made continuous.

    Step i (counted from 0) stands at t = (i + 1) / N, where alpha**2 is the product of (1 - beta) up to i;
    t = 0 is the data. Between the steps the angle phi, with alpha = cos(phi) and sigma = sin(phi), is linear
    in t: finite everywhere, also at a last beta of 1 (zero terminal signal).

    Args:
        betas: N >= 1 numbers in (0, 1); the last may be 1. The class methods refuse other betas, too.

    Raises:
        ValueError: No betas, or one outside (0, 1).
    """

    betas: tuple[float, ...]

    def __init__(self, betas: Sequence[float]) -> None:
        values = tuple(float(beta) for beta in betas)
        if not values or not all(0 < beta < 1 for beta in values[:-1]) or not 0 < values[-1] <= 1:
            raise ValueError("betas must be at least one number, each in (0, 1); only the last may be 1")
        object.__setattr__(self, "betas", values)

    @cached_property
    def _times(self) -> tuple[float, ...]:
        steps = len(self.betas)
        return tuple(i / steps for i in range(steps + 1))

    @cached_property
    def _angles(self) -> tuple[float, ...]:
        angles, log_alpha_squared = [0.0], 0.0
        for beta in self.betas:
            log_alpha_squared += math.log1p(-beta) if beta < 1 else -math.inf
            angles.append(
                math.atan2(math.sqrt(-math.expm1(log_alpha_squared)), math.exp(log_alpha_squared / 2))
            )
        return tuple(angles)

    def alpha(self, t: Real) -> Real:
        return sin(HALF_PI - interpolate(t, self._times, self._angles))

    def sigma(self, t: Real) -> Real:
        return sin(interpolate(t, self._times, self._angles))

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return interpolate(angle_of(log_snr), self._angles, self._times)

    @classmethod
    def linear(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> DiscreteBetas:
        """Betas equally spaced from first to last (Ho et al. 2020, arXiv 2006.11239, sec. 4)."""
        return cls(_spaced(first, last, steps))

    @classmethod
    def scaled_linear(cls, steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> DiscreteBetas:
        """Square roots of the betas equally spaced (Rombach et al. 2022, arXiv 2112.10752, code)."""
        return cls([root**2 for root in _spaced(math.sqrt(first), math.sqrt(last), steps)])

    @classmethod
    def sigmoid(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> DiscreteBetas:
        """Betas from first to last along a sigmoid from -6 to 6 (Xu et al. 2022, arXiv 2203.02923, code)."""
        return cls([first + (last - first) / (1 + math.exp(-z)) for z in _spaced(-6.0, 6.0, steps)])

    @classmethod
    def of_survival(
        cls, survival: Callable[[float], float], steps: int = 1000, cap: float = 0.999
    ) -> DiscreteBetas:
        """beta_i = min(1 - f((i + 1) / N) / f(i / N), cap) (Nichol & Dhariwal 2021, 2102.09672, sec. 3.2).

        Args:
            survival: f, which alpha**2 follows: positive below t = 1 and falling.
            steps: N >= 1.
            cap: The largest beta, in (0, 1].

        Raises:
            ValueError: ``steps`` is below 1, ``cap`` out of range, or ``survival`` does not fall.
        """
        check_within(0, 1, without=(0,), cap=cap)
        kept = [survival(t) for t in _spaced(0.0, 1.0, steps + 1)]
        return cls([min(1 - after / before, cap) for before, after in itertools.pairwise(kept)])

    @classmethod
    def cosine(cls, steps: int = 1000, offset: float = 0.008, cap: float = 0.999) -> DiscreteBetas:
        """alpha**2 = cos(pi/2 (t + s) / (1 + s))**2, known as squaredcos_cap_v2; see ``of_survival``.

        Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17.
        """
        check_not_negative(offset=offset)
        return cls.of_survival(lambda t: math.cos((t + offset) / (1 + offset) * HALF_PI) ** 2, steps, cap)

    @classmethod
    def laplace(
        cls, steps: int = 1000, mean: float = 0.0, scale: float = 0.5, cap: float = 0.999
    ) -> DiscreteBetas:
        """log(alpha**2 / sigma**2) follows a Laplace distribution (Hang et al. 2024, 2407.03297, table 1).

            log(alpha**2 / sigma**2) = mean - scale sgn(1/2 - t) log(1 - 2 |t - 1/2|)

        Args:
            steps: N >= 1.
            mean: Centre of the distribution.
            scale: Its scale, > 0.
            cap: The largest beta, see ``of_survival``.
        """

        check_positive(scale=scale)

        def survival(t: float) -> float:
            if t in (0.0, 1.0):
                return 1 - t
            side = math.copysign(scale, 0.5 - t)
            return 1 / (1 + math.exp(side * math.log(1 - 2 * abs(t - 0.5)) - mean))

        return cls.of_survival(survival, steps, cap)


def _spaced(first: float, last: float, count: int) -> list[float]:
    count = whole_number(count, "the steps of a chain")
    return [first + (last - first) * i / max(count - 1, 1) for i in range(count)]


def with_lower_snr(process: DiscreteBetas, scale: float) -> DiscreteBetas:
    """alpha**2 / (scale + (1 - scale) alpha**2): the signal-to-noise ratio divided by ``scale``.

    Hoogeboom et al. 2023 (arXiv 2301.11093, sec. 3.1), as in CogVideoX (Yang et al. 2024, 2408.06072).
    """
    count = len(process.betas)
    squares = [process.alpha(i / count) ** 2 for i in range(count + 1)]
    squares = [square / (scale + (1 - scale) * square) for square in squares]
    return DiscreteBetas([1 - after / before for before, after in itertools.pairwise(squares)])


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
        check_positive(shift=self.shift)

    def _clock(self, t: Real) -> Real:
        return self.inner.t_of_log_snr(self.inner.level(t).log_snr - math.log(self.shift))

    def alpha(self, t: Real) -> Real:
        return self.inner.alpha(self._clock(t))

    def sigma(self, t: Real) -> Real:
        return self.inner.sigma(self._clock(t))

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
    if not 1 <= low[0] < high[0] or tokens < 1:
        raise ValueError(f"tokens must be at least 1 and those of low below those of high, not {tokens}")
    return low[1] + (high[1] - low[1]) * (tokens - low[0]) / (high[0] - low[0])


def exponential_shift(
    tokens: int, low: tuple[int, float] = (256, 0.5), high: tuple[int, float] = (4096, 1.15)
) -> float:
    """exp(mu) with mu on the line of ``linear_shift``: the dynamic shift of FLUX.1 (its published code).

    The arguments and errors are those of ``linear_shift``, with mu in place of the shift.
    """
    return math.exp(linear_shift(tokens, low, high))


@dataclass(frozen=True)
class ZeroTerminalSNR(Process):
    """``inner`` with alpha moved and stretched so that nothing of the data is left at t = 1.

        alpha = (alpha_inner - alpha_inner(1)) / (1 - alpha_inner(1)),  sigma**2 = 1 - alpha**2

    Lin et al. 2023 (arXiv 2305.08891), algorithm 1, in continuous time.

    Args:
        inner: A process in continuous time with alpha**2 + sigma**2 = 1, else ValueError.
    """

    inner: Process

    def __post_init__(self) -> None:
        if any(abs(self.inner.prior_scale(self.inner.level(t)) - 1) > 1e-6 for t in (0.25, 0.5, 0.75, 1.0)):
            raise ValueError(f"zero terminal SNR needs a variance-preserving process, not {self.inner}")

    @property
    def _share(self) -> float:
        return 1 - self.inner.alpha(1.0)

    def alpha(self, t: Real) -> Real:
        return (self.inner.alpha(t) - self.inner.alpha(1.0)) / self._share

    def sigma(self, t: Real) -> Real:
        # 1 - alpha, from sigma_inner**2 = (1 - alpha_inner) (1 + alpha_inner): exact near t = 0.
        lost = self.inner.sigma(t) ** 2 / (1 + self.inner.alpha(t)) / self._share
        return sqrt(lost * (2 - lost))

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
