"""NFE, the number of function evaluations: of the denoiser, in a run of any solver."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Memory, Prediction
from gen.diffusion.grid import TimeGrid
from gen.diffusion.level import Level
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.sampling import sample
from gen.diffusion.solvers.base import Solver


def count_nfe(process: Process, grid: TimeGrid, solver: Solver) -> int:
    """Evaluations of the denoiser in ``sample``: counted on a run with one number and no network.

    An adaptive solver has no such number, as its steps depend on the predictions; the result is then that of
    a denoiser that always predicts 0.
    """
    return sample(_zero, process, grid, solver, noise=NoiseSource([0]), x=torch.ones(1, 1)).nfe


def grid_for_nfe(
    nfe: int, process: Process, solver: Solver, make_grid: Callable[[int], TimeGrid]
) -> TimeGrid:
    """The grid with the most steps on which ``solver`` needs at most ``nfe`` evaluations.

        grid_for_nfe(20, process, Heun(), lambda steps: TimeGrid.karras(steps, process))

    Args:
        nfe: The budget, at least 1.
        process: Gives the levels of the grid.
        solver: How to move. More steps must not need fewer evaluations, and none less than one each.
        make_grid: Number of steps, from 1 to ``nfe`` -> grid.

    Raises:
        ValueError: Even one step needs more than ``nfe`` evaluations.
    """
    best = make_grid(1)
    least = count_nfe(process, best, solver)
    if least > nfe:
        raise ValueError(f"{type(solver).__name__} needs at least {least} evaluations, not {nfe}")
    low, high = 1, nfe
    while low < high:
        middle = (low + high + 1) // 2
        grid = make_grid(middle)
        if count_nfe(process, grid, solver) <= nfe:
            low, best = middle, grid
        else:
            high = middle - 1
    return best


def _zero(x: Tensor, _level: Level[float], _conditioning: Conditioning, _memory: Memory) -> Prediction:
    return Prediction(torch.zeros_like(x))
