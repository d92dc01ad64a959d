"""Grids in flow time, u = sigma / (alpha + sigma)."""

from __future__ import annotations

import math

from gen.diffusion.arguments import whole_number
from gen.diffusion.grid import TimeGrid
from gen.diffusion.process import Process


def flow_grid(steps: int, process: Process, *, power: float = 1.5, shift: float = 1.0) -> TimeGrid:
    """Equal steps of the root of flow time, shifted.

        u = shift w / (1 + (shift - 1) w),   w = v**power,   v in equal steps down to 0

    Above 1, ``power`` makes the steps near the data smaller, and ``shift`` (Esser et al. 2024, arXiv
    2403.03206, eq. 23) those near the noise. Multiplying ``shift`` by c is the same as dividing the data by
    c. On a rectified flow with a power and a shift of 1 it is the uniform grid.

    Args:
        steps: At least 1.
        process: Whose levels are spaced, from that of t = 1 on.
        power: > 0.
        shift: > 0.

    Raises:
        ValueError: An argument is out of range.
    """
    steps = whole_number(steps, "steps")
    for name, value in (("power", power), ("shift", shift)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a finite number above 0, not {value}")
    first = process.level(1.0)
    v_first = (first.sigma / (first.sigma + shift * first.alpha)) ** (1 / power)
    times = []
    for i in range(1, steps):
        w = (v_first * (1 - i / steps)) ** power
        # alpha / sigma = (1 - u) / u = (1 - w) / (shift w)
        times.append(process.t_of_log_snr(math.log((1 - w) / (shift * w))))
    return TimeGrid((1.0, *times, 0.0))
