"""Time grids: the times at which a trajectory stops, as a value that can be transformed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gen.diffusion.level import Level
from gen.diffusion.process import Process


@dataclass(frozen=True)
class TimeGrid:
    """Times in [0, 1], falling (noise to data) or rising (data to noise); n steps have n + 1 times.

    Args:
        times: At least two finite times, strictly falling or strictly rising.

    Raises:
        ValueError: The times are fewer, outside [0, 1] or not monotone.
    """

    times: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times) < 2:
            raise ValueError(f"a time grid needs at least two times, not {len(self.times)}")
        if not all(0 <= t <= 1 for t in self.times):
            raise ValueError("the times of a grid must lie in [0, 1]")
        if len({a > b for a, b in itertools.pairwise(self.times)}) > 1 or len(set(self.times)) < len(
            self.times
        ):
            raise ValueError("the times of a grid must be strictly falling or strictly rising")

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[float]:
        return iter(self.times)

    @property
    def steps(self) -> int:
        """Number of steps, ``len(grid) - 1``."""
        return len(self.times) - 1

    @property
    def falling(self) -> bool:
        """Whether the grid leads from noise to data."""
        return self.times[0] > self.times[-1]

    def levels(self, process: Process) -> tuple[Level[float], ...]:
        """The noise levels of ``process`` at these times."""
        return tuple(process.level(t) for t in self.times)

    @classmethod
    def uniform(cls, steps: int) -> TimeGrid:
        """Equal steps of t from 1 to 0."""
        n = _checked(steps)
        return cls(tuple((n - i) / n for i in range(n + 1)))

    @classmethod
    def trailing(cls, steps: int, chain: int = 1000) -> TimeGrid:
        """Equal steps of t rounded to the steps of a discrete chain (Lin et al. 2023, 2305.08891, table 2).

        Args:
            steps: From 1 to ``chain``.
            chain: Number of steps that the network was trained on.
        """
        n = _checked(steps)
        if n > chain:
            raise ValueError(f"steps must be at most the {chain} of the chain, not {n}")
        return cls((*(round(chain * (n - i) / n) / chain for i in range(n)), 0.0))

    @classmethod
    def karras(
        cls, steps: int, process: Process, *, rho: float = 7.0, start: float = 1.0, end: float = 1e-3
    ) -> TimeGrid:
        """Equal steps of (sigma / alpha)**(1 / rho), then t = 0 (Karras et al. 2022, 2206.00364, eq. 5).

        Args:
            steps: At least 1.
            process: Whose levels are spaced.
            rho: > 0; larger puts more steps near the data.
            start: The first time. Where it has no signal, the spacing is that from ``start - end``.
            end: The last time before 0.
        """
        if not 0 < rho < math.inf:
            raise ValueError(f"rho must be a finite number above 0, not {rho}")
        return cls._spaced(
            steps,
            process,
            start,
            end,
            (lambda log_snr: math.exp(-log_snr / rho), lambda y: -rho * math.log(y)),
        )

    @classmethod
    def uniform_log_snr(
        cls, steps: int, process: Process, *, start: float = 1.0, end: float = 1e-3
    ) -> TimeGrid:
        """Equal steps of log_snr, then t = 0 (Lu et al. 2022, 2206.00927, sec. 3.3); see ``karras``."""
        return cls._spaced(steps, process, start, end, (lambda log_snr: log_snr, lambda log_snr: log_snr))

    @classmethod
    def _spaced(
        cls,
        steps: int,
        process: Process,
        start: float,
        end: float,
        scale: tuple[Callable[[float], float], Callable[[float], float]],
    ) -> TimeGrid:
        n, (of_log_snr, to_log_snr) = _checked(steps), scale
        if not 0 < 2 * end <= start <= 1:
            raise ValueError(f"a grid needs 0 < 2 end <= start <= 1, not start = {start}, end = {end}")
        first = process.level(start)
        high = first.log_snr if first.alpha > 0 else process.level(start - end).log_snr
        noisy, clean = of_log_snr(high), of_log_snr(process.level(end).log_snr)
        inner = (noisy + (clean - noisy) * i / (n - 1) for i in range(1, n))
        return cls((start, *(process.t_of_log_snr(to_log_snr(value)) for value in inner), 0.0))

    def shift(self, shift: float) -> TimeGrid:
        """t / (t + (1 - t) / s) for each t (Esser et al. 2024, 2403.03206, eq. 23): s > 1 favours the noise.

        Raises:
            ValueError: ``shift`` is not a finite number above 0.
        """
        if not 0 < shift < math.inf:
            raise ValueError(f"shift must be a finite number above 0, not {shift}")
        return TimeGrid(tuple(t / (t + (1 - t) / shift) for t in self.times))

    def truncate(self, strength: float) -> TimeGrid:
        """The last part of the steps, at least one: how a variation of given data starts (Meng et al. 2022,
        arXiv 2108.01073).

        Args:
            strength: Share of the steps that is kept, in (0, 1].

        Raises:
            ValueError: ``strength`` is outside.
        """
        if not 0 < strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, not {strength}")
        return TimeGrid(self.times[-1 - max(1, round(strength * self.steps)) :])

    def reverse(self) -> TimeGrid:
        """The same times in the other direction."""
        return TimeGrid(self.times[::-1])


def _checked(steps: int) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, not {steps}")
    return steps
