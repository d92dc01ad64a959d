"""Grids that end above the data, for chains whose first level is taken for it."""

from __future__ import annotations

from gen.diffusion import Process, TimeGrid


def karras_open(steps: int, process: Process, *, rho: float) -> TimeGrid:
    """``TimeGrid.karras`` without its last step, to clean data.

    The run ends at t = 1 / 1000, the first level of a chain of 1,000 steps, as Stable Diffusion's DDIM does.
    That saves a step, and leaves the noise of this level in the result: sigma = 0.03 there.

    Args:
        steps: At least 1.
        process: Whose levels are spaced.
        rho: > 0; larger puts more steps near the data.

    Raises:
        ValueError: An argument is out of range.
    """
    return TimeGrid(TimeGrid.karras(steps + 1, process, rho=rho).times[:-1])
