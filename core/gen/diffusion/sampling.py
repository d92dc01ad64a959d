"""The loop: from noise to data, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Prediction
from gen.diffusion.grid import TimeGrid
from gen.diffusion.level import Level
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.solvers.base import Solver, State


@dataclass(frozen=True, eq=False)
class Step:
    """One finished step: enough to show a preview, and to go on from (it can be pickled).

    Args:
        index: Number of the step, from 0.
        total: Number of steps of the grid.
        level: The level that was reached.
        x: The state (B, ...) at that level.
        x0: The data as predicted in this step.
        nfe: Evaluations of the denoiser in this step.
        state: The solver's memory.
    """

    index: int
    total: int
    level: Level[float]
    x: Tensor
    x0: Tensor
    nfe: int
    state: State


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The end of a run.

    Args:
        x: The state (B, ...) at the grid's last level: the data, where that is t = 0.
        nfe: Evaluations of the denoiser in all.
    """

    x: Tensor
    nfe: int


def prior(
    process: Process,
    grid: TimeGrid,
    noise: NoiseSource,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
) -> Tensor:
    """Pure noise at the grid's first level: float32 (B, *shape), one item per seed."""
    return noise.prior(shape).mul_(process.prior_scale(process.level(grid.times[0]))).to(device)


def iterate(
    denoiser: Denoiser,
    process: Process,
    grid: TimeGrid,
    solver: Solver,
    *,
    x: Tensor,
    noise: NoiseSource,
    conditioning: Conditioning | None = None,
    after: Step | None = None,
) -> Iterator[Step]:
    """Every step of a run as it is made; stop asking to cancel.

    Args:
        denoiser: What predicts the data.
        process: Gives the levels of the grid.
        grid: Where to stop.
        solver: How to move.
        x: The state (B, ...) at the grid's first level, see ``prior``.
        noise: One seed per item; only stochastic solvers draw from it.
        conditioning: What the denoiser is told.
        after: A step of an earlier run with the same arguments, to go on from; x is then replaced by its x.

    Raises:
        ValueError: The arguments do not fit each other.
        FloatingPointError: The denoiser returned NaN or infinity; names the step and its level.
    """
    conditioning = Conditioning() if conditioning is None else conditioning
    levels = grid.levels(process)
    _check_batch(x, noise, conditioning)
    _check_grid(levels, grid, solver)
    state: State = ()
    first = 0
    if after is not None:
        if after.total != grid.steps or after.x.shape != x.shape:
            raise ValueError("the step to go on from belongs to another run")
        x, state, first = after.x, after.state, after.index + 1
    for index in range(first, grid.steps):
        here, there = levels[index], levels[index + 1]
        evaluations = 0

        def denoise(x: Tensor, level: Level[float], index: int = index) -> Prediction:
            nonlocal evaluations
            evaluations += 1
            prediction = denoiser(x, level, conditioning)
            # A sum is finite where its terms are, and costs a tenth of looking at each of them.
            if not math.isfinite(prediction.x0.sum(dtype=torch.float32).item()):
                raise FloatingPointError(
                    f"the network returned NaN or infinity in step {index + 1} of {grid.steps} "
                    f"(t = {level.t:.6g}, log_snr = {level.log_snr:.4g})"
                )
            return prediction

        # Only here: a generator that yielded inside no_grad would switch gradients off for its caller.
        with torch.no_grad():
            x, state, x0 = solver.step(state, x, denoise, here, there, noise=noise.at(index))
        yield Step(index, grid.steps, there, x, x0, evaluations, state)


def sample(
    denoiser: Denoiser,
    process: Process,
    grid: TimeGrid,
    solver: Solver,
    *,
    noise: NoiseSource,
    x: Tensor | None = None,
    shape: Sequence[int] | None = None,
    conditioning: Conditioning | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Trajectory:
    """A whole run, see ``iterate``.

    Args:
        denoiser: What predicts the data.
        process: Gives the levels of the grid.
        grid: Where to stop.
        solver: How to move.
        noise: One seed per item.
        x: The state (B, ...) at the grid's first level, or
        shape: The shape of one item, to start from pure noise on the CPU; one of the two.
        conditioning: What the denoiser is told.
        on_step: Called after every step.

    Raises:
        ValueError: The arguments do not fit each other.
        FloatingPointError: The denoiser returned NaN or infinity.
    """
    if (x is None) == (shape is None):
        raise ValueError("give either x, the state to start from, or shape, that of one item")
    if x is None:
        x = prior(process, grid, noise, shape or ())
    nfe = 0
    for step in iterate(denoiser, process, grid, solver, x=x, noise=noise, conditioning=conditioning):
        x, nfe = step.x, nfe + step.nfe
        if on_step is not None:
            on_step(step)
    return Trajectory(x, nfe)


def _check_batch(x: Tensor, noise: NoiseSource, conditioning: Conditioning) -> None:
    if x.shape[:1] != (len(noise.seeds),):
        raise ValueError(f"there must be one seed per item: {len(noise.seeds)} for x {tuple(x.shape)}")
    if conditioning.batch not in (None, x.shape[0]):
        raise ValueError(f"the conditioning is for {conditioning.batch} items, x has {x.shape[0]}")


def _check_grid(levels: Sequence[Level[float]], grid: TimeGrid, solver: Solver) -> None:
    if levels[0].sigma == 0:
        raise ValueError("a grid must start above t = 0: at t = 0 there is no noise to follow")
    if solver.stochastic and not grid.falling:
        raise ValueError(f"{type(solver).__name__} draws noise and cannot run from data to noise")
