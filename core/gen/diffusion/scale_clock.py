"""A clock that stops where the data have no finer, and no coarser, detail."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gen.diffusion.arguments import whole_number
from gen.diffusion.grid import TimeGrid
from gen.diffusion.process import Process


@dataclass(frozen=True)
class ScaleClock:
    """s = log(1 / sqrt(rho**2 + fine**2) + 1 / coarse) with rho = sigma / alpha.

    Between the two scales s runs like log_snr = -log rho; beyond them it comes to rest, and it is finite from
    pure noise, -log(coarse), to clean data, log(1 / fine + 1 / coarse). It is the clock of Gaussian
    data: for x0 ~ N(m, fine**2) the probability flow carries x / alpha - m in proportion to
    sqrt(rho**2 + fine**2), so that the prediction is m + C / sqrt(rho**2 + fine**2), linear in e**s, and all
    derivatives to s are finite from end to end, where those to log_snr reach over an infinite time.

    Args:
        fine: Scale of the finest detail, in units of the data, > 0.
        coarse: Scale of the coarsest, > fine.

    Raises:
        ValueError: Not 0 < fine < coarse.
    """

    fine: float
    coarse: float

    def __post_init__(self) -> None:
        if not 0 < self.fine < self.coarse < math.inf:
            raise ValueError(f"scales must be 0 < fine < coarse, not {self.fine}, {self.coarse}")

    def of(self, alpha: float, sigma: float) -> float:
        """s at this level; finite, also where alpha or sigma is 0."""
        return math.log(alpha / math.hypot(sigma, self.fine * alpha) + 1 / self.coarse)

    def log_snr(self, s: float) -> float:
        """The log_snr at which the clock shows ``s``, which lies between its values at the ends."""
        width = math.exp(s) - 1 / self.coarse
        return -0.5 * math.log(width**-2 - self.fine**2)


def scale_grid(steps: int, process: Process, *, fine: float, coarse: float) -> TimeGrid:
    """Equal steps of ``ScaleClock(fine, coarse)`` from t = 1 to the data.

    Args:
        steps: At least 1.
        process: Whose levels are spaced.
        fine: Finest scale, in units of the data, > 0. Steps below it would change little.
        coarse: Coarsest scale, > fine.

    Raises:
        ValueError: An argument is out of range.
    """
    steps = whole_number(steps, "steps")
    clock, start = ScaleClock(fine, coarse), process.level(1.0)
    first, last = clock.of(start.alpha, start.sigma), clock.of(1.0, 0.0)
    inner = (first + (last - first) * i / steps for i in range(1, steps))
    return TimeGrid((1.0, *(process.t_of_log_snr(clock.log_snr(s)) for s in inner), 0.0))
