"""Time grids chosen for a model by search on its trajectories, or for a number of evaluations (NFE)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.grid import TimeGrid
from gen.diffusion.level import Level
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.sampling import iterate, sample, start
from gen.diffusion.solvers.base import Solver
from gen.diffusion.solvers.dpm_solver import Heun
from gen.diffusion.solvers.first_order import DDIM

FIRST_ORDER = DDIM()
SECOND_ORDER = Heun()


def search_grid(
    denoiser: Denoiser,
    process: Process,
    steps: int,
    *,
    noise: NoiseSource,
    x: Tensor | None = None,
    shape: Sequence[int] | None = None,
    candidates: TimeGrid | None = None,
    solver: Solver = FIRST_ORDER,
    teacher: Solver = SECOND_ORDER,
    conditioning: Conditioning | None = None,
) -> TimeGrid:
    """The grid on which ``steps`` steps stay closest to a teacher's trajectories (GITS).

    Dynamic programming over the teacher's times (Chen et al. 2024, arXiv 2405.11326, sec. 3.4). The cost of a
    step between two of them is the distance between the teacher's state and the end of a step of ``solver``
    that starts on the teacher's trajectory; the grid is the path with the smallest sum of costs. Distances
    are mean squares of x / sqrt(alpha**2 + sigma**2): for data of unit variance the flow keeps this scale, so
    that an early error counts by its effect at the end.

    Args (the others as in ``sample``):
        steps: Number of steps of the grid to find, at least 1.
        noise: One seed per trajectory; a dozen suffice for similar trajectories.
        candidates: The teacher's falling grid, of which the found one keeps both ends; by default
            ``dense_grid``.
        solver: Draws no noise. Each step starts without memory, so a multistep solver is one of first order
            in the search. First order needs no evaluation beyond the teacher's.
        teacher: Draws no noise.

    Raises:
        ValueError: A solver draws noise, or the candidates are too few, rise or renoise.
        FloatingPointError: The denoiser returned NaN or infinity.
    """
    if solver.stochastic or teacher.stochastic:
        raise ValueError("a grid is searched with solvers that draw no noise")
    fine = dense_grid(process) if candidates is None else candidates
    if not fine.falling or fine.renoise_steps or not 1 <= steps <= fine.steps:
        raise ValueError(f"{steps} steps cannot be chosen from the {fine.steps} of the candidates")
    conditioning = Conditioning() if conditioning is None else conditioning
    x = start(process, fine, noise, x, shape)
    if x.numel() == 0:
        raise ValueError("a grid is searched on at least one trajectory of at least one number")
    run = iterate(denoiser, process, fine, teacher, x=x, noise=noise, conditioning=conditioning)
    states = [x, *(step.x for step in run)]
    levels = fine.levels(process)
    costs: list[list[float]] = []
    for i, (state, t) in enumerate(zip(states[:-1], levels[:-1], strict=True)):
        with torch.no_grad():
            known = denoiser(state, t, conditioning, Memory())

            def denoise(
                x: Tensor, level: Level[float], state: Tensor = state, known: Prediction = known
            ) -> Prediction:
                return known if x is state else denoiser(x, level, conditioning, Memory())

            row = []
            for s, goal in zip(levels[i + 1 :], states[i + 1 :], strict=True):
                end = solver.step((), state, denoise, t, s, noise=noise.at(i, t, s)).x
                row.append(float((end - goal).abs().square().mean()) / process.prior_scale(s) ** 2)
            costs.append(row)
    return TimeGrid(tuple(fine.times[i] for i in shortest_path(costs, steps)))


def dense_grid(process: Process, steps: int = 60) -> TimeGrid:
    """Times to choose from: half of them equally spaced, half by ``TimeGrid.karras``."""
    half = steps // 2
    times = {*TimeGrid.uniform(half), *TimeGrid.karras(steps - half, process)}
    return TimeGrid(tuple(sorted(times, reverse=True)))


def shortest_path(costs: Sequence[Sequence[float]], steps: int) -> tuple[int, ...]:
    """The cheapest way from the first point to the last in a given number of forward steps.

    Args:
        costs: ``costs[i][k]``, of the step from point i to point i + 1 + k.
        steps: From 1 to the number of rows, which is one less than that of points.

    Returns:
        The points passed, both ends included: ``steps + 1`` of them, rising.
    """
    points = len(costs) + 1
    cheapest = [0.0] + [math.inf] * (points - 1)
    before: list[list[int]] = []
    for _ in range(steps):
        ways = [
            min((cheapest[i] + costs[i][j - i - 1], i) for i in range(j)) if j else (math.inf, 0)
            for j in range(points)
        ]
        cheapest = [cost for cost, _ in ways]
        before.append([i for _, i in ways])
    path = [points - 1]
    for origins in reversed(before):
        path.append(origins[path[-1]])
    return tuple(reversed(path))


def count_nfe(process: Process, grid: TimeGrid, solver: Solver) -> int:
    """Evaluations of the denoiser in ``sample``: counted on a run with one number and no network.

    The steps of an adaptive solver depend on the predictions; their number is that of a denoiser that always
    predicts 0.
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
