"""Sampling of a state that is one tensor, in pieces where it is longer than the network takes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor

from gen import diffusion
from gen.diffusion import Condition, Conditioning, Denoiser, Process, Solver, Step, TimeGrid
from gen.diffusion.categorical import CategoricalProcess
from gen.errors import UsageError
from gen.model import Edits, Stage, State, Task
from gen.model.stage import AnyProcess
from gen.run import windows
from gen.run.inversion import Inversion
from gen.run.keeping import begun, keeping
from gen.run.progress import Report


def sample_tensor(
    stage: Stage,
    process: AnyProcess,
    task: Task,
    edits: Edits,
    denoiser: Denoiser,
    conditioning: Conditioning,
    grid: TimeGrid,
    solver: Solver,
    report: Report,
    inversion: Inversion | None = None,
) -> Tensor:
    """The end of a stage, (B, *shape).

    Args:
        stage: Gives the state to begin with.
        process: That of the stage.
        task: With the shape of the stage's state.
        edits: What is given of it: what to start from, and what to keep.
        denoiser: The guided network.
        conditioning: Of the network.
        grid: Where to stop.
        solver: How to move.
        report: Called after each step.
        inversion: How to begin from what ``edits`` starts from; None adds noise to it.
    """
    shape, rows = task.shape, len(task.noise.seeds)
    assert isinstance(shape, tuple)
    window = stage.window
    if task.tile and window is not None:
        raise UsageError("what this model makes piece by piece has no edges that meet", "leave out tile")
    axis = window.axis if window else 0
    loop = window is not None and bool(task.params.get("loop"))
    runs = windows.cuts(shape[axis], window, loop=loop)

    begins = 1 if edits.start is None or inversion is None else 2 + (edits.end is not None)

    def draw(run: windows.Cut, keep: Tensor, known: Tensor) -> Tensor:
        def told(place: int, step: Step) -> None:
            report(run.index * begins + place, len(runs) * begins, {"": step})

        own = task.noise.child(f"window/{run.index}") if run.index else task.noise
        conditions, kept = conditioning, denoiser
        if len(runs) > 1:
            conditions = run.conditioning(conditioning)
        given = bool(keep.any())
        if given:
            shown = torch.cat([keep, keep * known], 1)
            conditions = conditions.with_conditions(known=Condition(shown, "channels"))
            # The network only comes near the given part, or has no channels for it: here it is exact.
            kept = keeping(denoiser, process, keep, known)
        piece = replace(
            task, noise=own, shape=tuple(known.shape[1:]), previous=_cut(task.previous, run, shape)
        )
        if edits.start is None:
            x = stage.prior(piece, grid)
        else:
            assert isinstance(edits.start, Tensor)
            start = run.of(edits.start.to(known))
            if inversion is None:
                x = stage.init(piece, grid, start)
            else:
                assert isinstance(process, Process)
                end = None if edits.end is None else run.of(cast(Tensor, edits.end).to(known))
                described = inversion.conditioning
                if len(runs) > 1:
                    described = run.conditioning(described)
                x = inversion.begin(piece, process, grid, solver, described, start, end, told)
        assert isinstance(x, Tensor)
        if given:
            x = begun(x, process, keep, known)
        made = diffusion.sample(
            kept,
            process,
            grid,
            solver,
            x=x,
            conditioning=conditions,
            noise=own,
            on_step=partial(told, begins - 1),
        ).x
        # Also where the grid ends above the data.
        return torch.where(keep == 1, known, made)

    kind = torch.int64 if isinstance(process, CategoricalProcess) else torch.float32
    keep = torch.zeros(1, 1, *shape[1:]) if edits.keep is None else edits.keep
    known = torch.zeros(1, *shape, dtype=kind) if edits.known is None else edits.known
    assert isinstance(keep, Tensor)
    assert isinstance(known, Tensor)
    keep = keep.to(task.device, torch.float32).expand(rows, -1, *shape[1:])
    return windows.assemble(draw, runs, window, keep, known.to(task.device, kind).expand(rows, *shape))


def _cut(state: State | None, run: windows.Cut, shape: tuple[int, ...]) -> State | None:
    """The part of a state before that belongs to a piece; all of it where it is not as long as this state."""
    along = run.dim - 1
    if not isinstance(state, Tensor) or state.ndim <= run.dim or state.shape[run.dim] != shape[along]:
        return state
    return run.of(state)
