"""Inversion: the noise that a deterministic solver turns into given data."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser
from gen.diffusion.grid import TimeGrid
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.sampling import Step, Trajectory, sample
from gen.diffusion.solvers.base import Solver
from gen.diffusion.solvers.inverse import Inverse


def invert(
    denoiser: Denoiser,
    process: Process,
    grid: TimeGrid,
    solver: Solver,
    x: Tensor,
    *,
    conditioning: Conditioning | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Trajectory:
    """``sample`` run backwards: the same solver on the reversed grid, guided where the denoiser is.

    ``sample`` with the same arguments leads back to x, with an error that falls at the solver's order.

    Args:
        denoiser: What predicts the data.
        process: Gives the levels of the grid.
        grid: The falling grid of ``sample``.
        solver: One that draws no noise.
        x: The state (B, ...) at the grid's last level: the data, where that is t = 0.
        conditioning: What the denoiser is told.
        on_step: Called after every step.

    Returns:
        The state at the grid's first level, to start ``sample`` from.

    Raises:
        ValueError: The solver draws noise, the grid rises or renoises, or the arguments do not fit each
            other.
        FloatingPointError: The denoiser returned NaN or infinity.
    """
    if not grid.falling or grid.renoise_steps:
        raise ValueError("inversion needs a grid that falls from noise to data without renoising")
    nothing_drawn = NoiseSource([0] * x.shape[0])
    return sample(
        denoiser, process, grid.reverse(), Inverse(solver),
        x=x, noise=nothing_drawn, conditioning=conditioning, on_step=on_step,
    )  # fmt: skip
