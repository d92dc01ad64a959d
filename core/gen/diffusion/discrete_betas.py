"""Chains of N steps: processes that were defined by their betas, beta_0 to beta_(N-1)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gen.diffusion.arguments import whole_number
from gen.diffusion.process import HALF_PI, Process
from gen.diffusion.real import Real, angle_of, cos, interpolate, sin


@dataclass(frozen=True)
class DiscreteBetas(Process):
    """A chain of N variance-preserving steps (Ho et al. 2020, arXiv 2006.11239, eq. 4), made continuous.

    Step i (counted from 0) stands at t = (i + 1) / N, where alpha**2 is the product of (1 - beta) up to i;
    t = 0 is the data. Between the steps the angle phi, with alpha = cos(phi) and sigma = sin(phi), is linear
    in t: finite everywhere, also at a last beta of 1 (zero terminal signal).

    Args:
        betas: N >= 1 numbers in (0, 1); the last may be 1.

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
        return sin(HALF_PI - interpolate(t, self._times, self._angles)[0])

    def sigma(self, t: Real) -> Real:
        return sin(interpolate(t, self._times, self._angles)[0])

    def d_alpha(self, t: Real) -> Real:
        angle, slope = interpolate(t, self._times, self._angles)
        return -slope * sin(angle)

    def d_sigma(self, t: Real) -> Real:
        angle, slope = interpolate(t, self._times, self._angles)
        return slope * cos(angle)

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return interpolate(angle_of(log_snr), self._angles, self._times)[0]

    @classmethod
    def linear(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> DiscreteBetas:
        """Betas equally spaced from first to last (Ho et al. 2020, arXiv 2006.11239, sec. 4).

        Raises:
            ValueError: ``steps`` is below 1, or a beta outside (0, 1).
        """
        return cls(_spaced(first, last, steps))

    @classmethod
    def scaled_linear(cls, steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> DiscreteBetas:
        """Square roots of the betas equally spaced (Rombach et al. 2022, arXiv 2112.10752, code).

        Raises:
            ValueError: As ``linear``.
        """
        return cls([root**2 for root in _spaced(math.sqrt(first), math.sqrt(last), steps)])

    @classmethod
    def sigmoid(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> DiscreteBetas:
        """Betas from first to last along a sigmoid from -6 to 6 (Xu et al. 2022, arXiv 2203.02923, code).

        Raises:
            ValueError: As ``linear``.
        """
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
            ValueError: ``steps`` is below 1, or ``survival`` does not fall.
        """
        kept = [survival(t) for t in _spaced(0.0, 1.0, steps + 1)]
        return cls([min(1 - after / before, cap) for before, after in itertools.pairwise(kept)])

    @classmethod
    def cosine(cls, steps: int = 1000, offset: float = 0.008, cap: float = 0.999) -> DiscreteBetas:
        """alpha**2 = cos(pi/2 (t + s) / (1 + s))**2, known as squaredcos_cap_v2; see ``of_survival``.

        Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17.
        """
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

        def survival(t: float) -> float:
            if t in (0.0, 1.0):
                return 1 - t
            side = math.copysign(scale, 0.5 - t)
            return 1 / (1 + math.exp(side * math.log(1 - 2 * abs(t - 0.5)) - mean))

        return cls.of_survival(survival, steps, cap)


def _spaced(first: float, last: float, count: int) -> list[float]:
    count = whole_number(count, "the steps of a chain")
    return [first + (last - first) * i / max(count - 1, 1) for i in range(count)]
