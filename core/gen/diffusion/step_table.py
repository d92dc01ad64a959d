"""The steps of a run as tables of coefficients, for torch.compile and CUDA graphs.

A step of most solvers is linear in the state and the solver's memory, in its noise z_j and in the predictions
x0_i. Only the coefficients differ from step to step, and the levels determine them:

    x_i = sum of a_ik v_k        where x0_i is predicted,  v = (remembered, z, x0_1 .. x0_(i-1))
    remembered' = sum of b_jk v_k,                         remembered[0] is the state

``tabulate`` finds a and b by steps of the solver on unit vectors. As they are tensors, and not numbers,
torch.compile makes one graph of a step, for all steps of all runs with as many tensors and evaluations. A
step reads nothing from the device, so that a CUDA graph can hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.grid import TimeGrid, check_falls
from gen.diffusion.level import Level
from gen.diffusion.noise import NamedNoise, NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.sampling import check_items
from gen.diffusion.solvers.base import ROUNDING, Solver, State

Terms: TypeAlias = tuple[tuple[int, ...], ...]
"""For each sum the indices of its terms."""


class Row(NamedTuple):
    """The coefficients of one step of E evaluations, S tensors from step to step and K in all, float64.

    Args:
        levels: t, alpha and sigma of each evaluation, (E, 3).
        inputs: a, (E, K).
        outputs: b, (S, K).
    """

    levels: Tensor
    inputs: Tensor
    outputs: Tensor


class Progress(NamedTuple):
    """The state between two steps, of tensors alone.

    Args:
        remembered: S tensors (B, ...), the state first.
        finite: The number of evaluations until one that was not finite, int64 ().
        evaluations: The number of all, int64 ().
    """

    remembered: tuple[Tensor, ...]
    finite: Tensor
    evaluations: Tensor


def table_step(
    denoiser: Denoiser,
    conditioning: Conditioning,
    terms: tuple[Terms, Terms],
    progress: Progress,
    draws: Sequence[Tensor],
    row: Row,
) -> Progress:
    """One step; ``torch.compile(table_step, fullgraph=True)`` compiles it.

    Args:
        denoiser: One without memory. It gets levels of tensors () in place of numbers, on which no graph can
            branch: guidance within an interval does not compile, nor does zero-init.
        conditioning: Of the denoiser.
        terms: Of the rows of ``inputs`` and of ``outputs`` that are not 0 throughout the run.
        progress: From the step before.
        draws: z, each (B, ...).
        row: The coefficients of the step.

    Raises:
        ValueError: The denoiser has a memory, or predicts an eps beside x0, as CFG++ does.
    """
    known, (of_inputs, of_outputs) = [*progress.remembered, *draws], terms
    finite, evaluations = progress.finite, progress.evaluations
    for i, used in enumerate(of_inputs):
        t, alpha, sigma = row.levels[i].unbind()
        level, memory = cast("Level[float]", Level(t, alpha, sigma)), Memory()
        prediction = denoiser(_sum(row.inputs[i], known, used), level, conditioning, memory)
        if prediction.eps is not None:
            raise ValueError("steps from a table take no predictions of eps beside x0: CFG++ needs `sample`")
        if not memory.empty or memory.known is not None:
            raise ValueError("steps from a table take no denoiser that remembers: it needs `sample`")
        known.append(prediction.x0)
        finite = finite + ((finite == evaluations) & prediction.x0.isfinite().all())
        evaluations = evaluations + 1
    moved = tuple(_sum(row.outputs[j], known, used) for j, used in enumerate(of_outputs))
    return Progress(moved, finite, evaluations)


def _sum(coefficients: Tensor, tensors: Sequence[Tensor], used: Sequence[int]) -> Tensor:
    total = coefficients[used[0]] * tensors[used[0]]
    for k in used[1:]:
        total = total + coefficients[k] * tensors[k]
    return total


@dataclass(frozen=True, eq=False)
class StepTable:
    """The coefficients of every step of a run, from ``tabulate``.

    Args:
        rows: One per step.
        draws: The names of the noise of each step.
        terms: For each number of evaluations per step the terms of its sums.
        remembered: S, the number of tensors from step to step.
    """

    rows: tuple[Row, ...]
    draws: tuple[tuple[str, ...], ...]
    terms: dict[int, tuple[Terms, Terms]]
    remembered: int

    def sample(
        self,
        denoiser: Denoiser,
        *,
        x: Tensor,
        noise: NoiseSource,
        conditioning: Conditioning | None = None,
        step: Callable[..., Progress] = table_step,
    ) -> Tensor:
        """The end of a run, as that of ``gen.diffusion.sample`` up to rounding.

        Args:
            denoiser: See ``table_step``.
            x: The state (B, ...) at the grid's first level, on the device of the table.
            noise: One seed per item; not Brownian.
            conditioning: Of the denoiser.
            step: ``table_step``, or that compiled.

        Returns:
            x (B, ...) at the grid's last level.

        Raises:
            ValueError: The arguments do not fit each other, or see ``table_step``.
            FloatingPointError: A prediction was NaN or infinite; read once, after the last step.
        """
        conditioning = Conditioning() if conditioning is None else conditioning
        check_items(x, noise, conditioning)
        if noise.brownian and any(self.draws):
            raise ValueError("steps from a table draw no Brownian noise")
        # Each tensor is one of its own: torch.compile makes another graph where two are the same.
        first = (x.contiguous(), *(torch.zeros_like(x) for _ in range(self.remembered - 1)))
        progress = Progress(first, *(torch.zeros((), dtype=torch.int64, device=x.device) for _ in range(2)))
        most = max(map(len, self.draws))
        with torch.no_grad():
            for index, (row, names) in enumerate(zip(self.rows, self.draws, strict=True)):
                of_step = noise.at(index)
                draws = [of_step(x, name).contiguous() for name in names]
                draws += [torch.zeros_like(x) for _ in range(most - len(draws))]
                terms = self.terms[len(row.levels)]
                progress = step(denoiser, conditioning, terms, progress, draws, row)
        finite, evaluations = int(progress.finite), int(progress.evaluations)
        if finite != evaluations:
            raise FloatingPointError(
                f"the network returned NaN or infinity in evaluation {finite + 1} of {evaluations}"
            )
        return progress.remembered[0]


MOST = 24
"""Tensors that a step may remember, draw and predict, together."""


def tabulate(
    process: Process, grid: TimeGrid, solver: Solver, *, device: torch.device | str = "cpu"
) -> StepTable:
    """The steps of a run as coefficients.

    Args:
        process: Gives the levels of the grid.
        grid: A falling one.
        solver: Any whose steps are linear: not ``Adaptive``, no Langevin dynamics, no learned variance.
        device: Of the coefficients.

    Raises:
        ValueError: The grid renoises, or a step of the solver is not linear.
    """
    check_falls(grid, "a table")
    if solver.of_tokens:
        raise ValueError("a table holds steps of numbers, not of tokens")
    levels = grid.levels(process)
    solver, state = solver.on(levels), cast("State", ())
    steps: list[_Recorded] = []
    units = torch.eye(MOST, dtype=torch.float64)[:, None]
    # Many items, as some steps are linear for most of them, and for items of two numbers least often.
    numbers = torch.randn(MOST, 64, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for t, s in pairwise(levels):
        recorded = _record(solver, process, state, t, s, units)
        check = _record(solver, process, state, t, s, numbers)
        for symbols, values in ((recorded.inputs, check.inputs), (recorded.outputs, check.outputs)):
            expected = torch.tensordot(torch.cat(symbols), numbers, 1)
            if not torch.allclose(expected, torch.stack(values), rtol=1e-6, atol=1e-6):
                raise ValueError(f"the steps of {type(solver).__name__} are not linear: use `sample`")
        state = recorded.state
        steps.append(recorded)
    slots, draws = max(len(step.outputs) for step in steps), max(len(step.draws) for step in steps)
    rows = [_row(step, slots, draws) for step in steps]
    used: dict[int, tuple[Terms, Terms]] = {}
    for count in {len(row.levels) for row in rows}:
        alike = [row for row in rows if len(row.levels) == count]
        used[count] = _terms([row.inputs for row in alike]), _terms([row.outputs for row in alike])
    return StepTable(
        tuple(Row(*(tensor.to(device) for tensor in row)) for row in rows),
        tuple(tuple(step.draws) for step in steps), used, slots,
    )  # fmt: skip


class _Recorded(NamedTuple):
    """One step of a solver on tensors (B, N) that stand for the unknown ones.

    Args:
        levels: Of the evaluations.
        inputs: Where they were made.
        outputs: The next state, then the tensors that the solver remembers.
        state: The solver's memory.
        remembered, draws, predicted: The rows of the unknown tensors, in the order of their first use.
    """

    levels: list[tuple[float, float, float]]
    inputs: list[Tensor]
    outputs: list[Tensor]
    state: State
    remembered: list[int]
    draws: dict[str, int]
    predicted: list[int]


def _record(
    solver: Solver, process: Process, state: State, t: Level[float], s: Level[float], unknown: Tensor
) -> _Recorded:
    """The step from t to s with ``unknown`` (MOST, B, N) as its state, noise and predictions."""
    x = unknown[0]
    remembered, draws, predicted = {id(x): 0}, dict[str, int](), list[int]()
    levels: list[tuple[float, float, float]] = []
    inputs: list[Tensor] = []

    def row() -> int:
        used = len(remembered) + len(draws) + len(predicted)
        if used == MOST:
            raise ValueError(f"a step of {type(solver).__name__} has more than {MOST} tensors: use `sample`")
        return used

    def draw(_like: Tensor, name: str) -> Tensor:
        if name not in draws:
            draws[name] = row()
        return unknown[draws[name]]

    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        if level.target is not None:
            raise ValueError(f"a level of {type(solver).__name__} holds a target: use `sample`")
        level = level if level in (t, s) else process.timed(level)
        levels.append((level.t, level.alpha, level.sigma))
        inputs.append(x)
        predicted.append(row())
        return Prediction(unknown[predicted[-1]])

    def fresh(tensor: Tensor) -> Tensor:
        if id(tensor) not in remembered:
            remembered[id(tensor)] = row()
        return unknown[remembered[id(tensor)]]

    given = _mapped(state, fresh)
    update = solver.step(given, x, denoise, t, s, noise=NamedNoise(draw))
    kept: dict[int, Tensor] = {}
    _mapped(update.state, lambda tensor: kept.setdefault(id(tensor), tensor))
    outputs = [update.x, *kept.values()]
    if any(tensor.shape != x.shape for tensor in outputs):
        raise ValueError(f"{type(solver).__name__} remembers more than states: use `sample`")
    return _Recorded(levels, inputs, outputs, update.state, list(remembered.values()), draws, predicted)


def _mapped(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A solver's memory with other tensors."""
    if isinstance(state, Tensor):
        return change(state)
    if isinstance(state, tuple):
        items = [_mapped(item, change) for item in state]
        return tuple(items) if type(state) is tuple else type(state)(*items)
    return state


def _row(step: _Recorded, slots: int, draws: int) -> Row:
    """Its columns: ``slots`` tensors from the step before, ``draws`` of noise, and the predictions."""
    columns = [
        *step.remembered, *[-1] * (slots - len(step.remembered)),
        *step.draws.values(), *[-1] * (draws - len(step.draws)),
        *step.predicted,
    ]  # fmt: skip

    def arranged(sums: list[Tensor], count: int) -> Tensor:
        given = torch.cat([*sums, torch.zeros(count - len(sums), MOST, dtype=torch.float64)])
        given = torch.where(given.abs() < ROUNDING, 0.0, given)
        return torch.cat([given, given.new_zeros(count, 1)], 1)[:, columns]

    evaluations = len(step.levels)
    levels = torch.tensor(step.levels, dtype=torch.float64)
    return Row(levels, arranged(step.inputs, evaluations), arranged(step.outputs, slots))


def _terms(tables: list[Tensor]) -> Terms:
    """For each row the columns that are not 0 in all tables; the first, where there are none."""
    used = torch.stack(tables).ne(0).any(0)
    return tuple(tuple(row.nonzero().flatten().tolist()) or (0,) for row in used)
