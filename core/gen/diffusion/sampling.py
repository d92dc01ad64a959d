"""Sampling: from noise to data step by step, and back by inversion."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from weakref import ref

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Output, Prediction
from gen.diffusion.grid import TimeGrid, check_falls
from gen.diffusion.level import Level, flat
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import ForwardProcess, Process
from gen.diffusion.solvers.base import Denoise, Solver, State, Update
from gen.diffusion.solvers.wrappers import Inverse

CHECK_EVERY = 16
"""Steps between two checks for NaN and infinity, of small states and on devices other than the CPU."""

SMALL = 2**16
"""The most numbers of a small state, one whose check on the CPU is a large part of a step."""


@dataclass(eq=False)  # frozen, it would take a microsecond to make, a twentieth of the step itself
class Step:
    """One finished step. It can be pickled, and a run can go on from it.

    Args:
        index: Number of the step, from 0.
        total: Number of steps of the grid.
        level: The level that was reached.
        x: The state (B, ...) at that level.
        predicted: The predicted data of this step, or where it renoises of the step before; or the prediction
            that gives them.
        nfe: Evaluations of the denoiser in this step; 0 where it renoises.
        state: The solver's memory.
        std: Standard deviation of the noise in x: x ~ N(mean, std**2); one for all, or (B, ...).
        z: The standard normal draw itself; None where the step is certain.
        memory: The denoiser's memory.
    """

    index: int
    total: int
    level: Level[float]
    x: Tensor
    predicted: Tensor | Prediction
    nfe: int
    state: State
    std: float | Tensor = 0.0
    z: Tensor | None = None
    memory: Memory = field(default_factory=Memory)

    @property
    def x0(self) -> Tensor:
        """The predicted data of this step (B, ...), or where it renoises of the step before."""
        return self.predicted.x0 if isinstance(self.predicted, Prediction) else self.predicted

    @property
    def mean(self) -> Tensor:
        """The mean of x given the state before the step, (B, ...)."""
        return self.x if self.z is None else self.x - self.std * self.z

    def log_prob(self, x: Tensor | None = None) -> Tensor:
        """log N(x; mean, std**2) given the state before the step, in nats per item, (B,).

        Of complex numbers it is that of both parts, each with this std.

        For policy gradients (Black et al. 2023, arXiv 2305.13301, sec. 4.2). The ratio of the densities of an
        old step under a new and the old network, differentiable in the new one, is

            new = next(iterate(..., x=x, after=old_steps[k - 1], gradients=True))
            ratio = (new.log_prob(old_steps[k].x) - old_steps[k].log_prob()).exp()

        Args:
            x: The state (B, ...) to score; by default the one that was drawn. Elements with std 0 are
                certain and do not count.

        Raises:
            ValueError: The whole step is certain: it has no density.
        """
        if self.z is None:
            raise ValueError("a step that draws no noise has no density: use a stochastic solver")
        std = torch.as_tensor(self.std).to(self.x.real).expand_as(self.x)
        drawn = std > 0
        scale = torch.where(drawn, std, 1.0)
        z = self.z if x is None else (x - self.mean) / scale
        parts = 2 if z.is_complex() else 1
        density = -z.abs().square() / 2 - parts * scale.log() - parts * math.log(2 * math.pi) / 2
        return flat(torch.where(drawn, density, 0.0)).sum(1)


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
    process: ForwardProcess,
    grid: TimeGrid,
    noise: NoiseSource,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
) -> Tensor:
    """Pure noise at the grid's first level, (B, *shape), one item per seed: float32, or int64 tokens."""
    return process.prior(noise, shape, process.level(grid.times[0])).to(device)


def start(
    process: ForwardProcess,
    grid: TimeGrid,
    noise: NoiseSource,
    x: Tensor | None,
    shape: Sequence[int] | None,
) -> Tensor:
    """x, or ``prior`` of the shape of one item; raises ValueError where there is not exactly one of them."""
    if x is not None and shape is None:
        return x
    if x is None and shape is not None:
        return prior(process, grid, noise, shape)
    raise ValueError("give either x, the state to start from, or shape, that of one item")


class Run:
    """The state of one tensor in a run; arguments and errors are those of ``iterate``."""

    def __init__(
        self,
        process: ForwardProcess,
        grid: TimeGrid,
        solver: Solver,
        x: Tensor,
        noise: NoiseSource,
        after: Step | None,
        part: str = "",
    ) -> None:
        self.levels = grid.levels(process)
        if self.levels[0].sigma == 0 and not solver.from_data:
            raise ValueError(
                "a grid must start above t = 0, where there is noise; from data to noise, use invert"
            )
        self._tokens = not (x.is_floating_point() or x.is_complex())
        if self._tokens != solver.of_tokens:
            wanted = "tokens, int64" if solver.of_tokens else "floating-point numbers"
            raise ValueError(f"{type(solver).__name__} needs a state of {wanted}, not {x.dtype}")
        if solver.stochastic and not grid.falling:
            raise ValueError(f"{type(solver).__name__} draws noise and cannot run from data to noise")
        if after is not None and (after.total != grid.steps or after.x.shape != x.shape):
            raise ValueError("the step to go on from belongs to another run")
        self.first = 0 if after is None else after.index + 1
        self.x = x if after is None else after.x
        self._process, self._solver, self._noise = process, solver.on(self.levels), noise
        self._total, self._renoise_steps = grid.steps, frozenset(grid.renoise_steps)
        self._state: State = () if after is None else after.state
        self._predicted = None if after is None else after.predicted
        self._restart = sum(index < self.first for index in self._renoise_steps)
        self._path = noise.path(self._restart)
        self._finite = FiniteCheck(self.levels, x, self.first, part)

    def update(self, index: int, denoise: Denoise) -> Update:
        """Step ``index`` from the present state, which stays as it is."""
        t, s = self.levels[index], self.levels[index + 1]
        noise = self._noise.at(index, t, s, path=self._path)
        if index not in self._renoise_steps:

            def evaluate(x: Tensor, level: Level[float]) -> Prediction:
                prediction = denoise(x, level if level in (t, s) else self._process.timed(level))
                if self._tokens:
                    # Tokens are finite whatever they are drawn by.
                    self._finite.check(prediction.x0, index)
                return prediction

            return self._solver.step(self._state, self.x, evaluate, t, s, noise=noise)
        assert self._predicted is not None  # the first step of a grid falls
        x, std, z = self._process.renoise(self.x, t, s, noise=noise)
        return Update(x, (), self._predicted, std, z)

    def take(self, index: int, update: Update, nfe: int, memory: Memory) -> Step:
        """Step ``index`` as made: its update becomes the present state."""
        self._finite.state(update.x, index)
        self.x, self._state = update.x, update.state
        self._predicted = update.predicted if index + 1 in self._renoise_steps else None
        if index in self._renoise_steps:
            self._restart += 1
            self._path = self._noise.path(self._restart)
        return Step(
            index, self._total, self.levels[index + 1], update.x, update.predicted, nfe, update.state,
            update.std, update.z, memory.copy(),
        )  # fmt: skip


def iterate(
    denoiser: Denoiser,
    process: ForwardProcess,
    grid: TimeGrid,
    solver: Solver,
    *,
    x: Tensor,
    noise: NoiseSource,
    conditioning: Conditioning | None = None,
    after: Step | None = None,
    gradients: bool = False,
) -> Iterator[Step]:
    """Every step of a run as it is made; stop iterating to cancel.

    Args:
        denoiser: Predicts the data.
        process: Gives the levels of the grid's times, and the law of renoising.
        grid: The times of the run. Its ``renoise_steps`` add noise, and the solver starts anew after them.
        solver: Makes the steps.
        x: The state (B, ...) at the grid's first level, see ``prior``.
        noise: One seed per item; only stochastic solvers and steps that renoise draw from it.
        conditioning: Of the denoiser.
        after: A step of an earlier run with the same arguments, to go on from; its x replaces ``x``.
        gradients: Whether a step can be differentiated; the graph then reaches from step to step.

    Raises:
        ValueError: The arguments do not fit each other, or the denoiser changes one of its own in place.
        FloatingPointError: The denoiser returned NaN or infinity; names the step and its level, or the steps
            since the last check, see ``FiniteCheck``.
    """
    conditioning, steps = Conditioning() if conditioning is None else conditioning, grid.steps
    check_items(x, noise, conditioning)
    if not torch.compiler.is_compiling():
        with autograd(gradients):
            x, conditioning = counted(x), conditioning.map(counted)
    run = Run(process, grid, solver, x, noise, after)
    in_place = InPlaceCheck(conditioning)
    memory, evaluations = Memory() if after is None else after.memory.copy(), 0
    del x, after  # the run holds what it needs of them

    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        nonlocal evaluations
        evaluations += 1
        watched, before = in_place.before(x)
        prediction = denoiser(x, level, conditioning, memory)
        in_place.after((prediction,), watched, before)
        return prediction

    for index in range(run.first, steps):
        evaluations = 0
        # Only here: a generator that yielded inside no_grad would switch gradients off for its caller.
        with autograd(gradients):
            update = run.update(index, denoise)
        if index + 1 == steps and run.levels[-1].sigma == 0:
            # A combination of several predictions of x0 may miss the known part by a rounding error.
            update = update._replace(x=memory.paste_known(update.x))
        step = run.take(index, update, evaluations, memory)
        del update
        yield step
        del step  # what it alone holds is gone before the next step asks for memory


def sample(
    denoiser: Denoiser,
    process: ForwardProcess,
    grid: TimeGrid,
    solver: Solver,
    *,
    noise: NoiseSource,
    x: Tensor | None = None,
    shape: Sequence[int] | None = None,
    conditioning: Conditioning | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Trajectory:
    """A whole run; the other arguments, and the errors, are those of ``iterate``.

    Args:
        x: The state (B, ...) at the grid's first level, or
        shape: The shape of one item, to start from pure noise on the CPU; one of the two.
        on_step: Called after every step.
    """
    x, nfe = start(process, grid, noise, x, shape), 0
    for step in iterate(denoiser, process, grid, solver, x=x, noise=noise, conditioning=conditioning):
        x, nfe = step.x, nfe + step.nfe
        if on_step is not None:
            on_step(step)
        del step
    return Trajectory(x, nfe)


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
    """From data to noise: the solver on the reversed grid. The other arguments are those of ``sample``.

    ``sample`` from the result leads back to x, with an error that falls at the solver's order.

    Args:
        grid: The falling grid of ``sample``.
        solver: One that draws no noise.
        x: The state (B, ...) at the grid's last level: the data, where that is t = 0.

    Returns:
        The state at the grid's first level.

    Raises:
        ValueError: The solver draws noise, the grid rises or renoises, or as for ``iterate``.
    """
    check_falls(grid, "inversion")
    nothing_drawn = NoiseSource([0] * x.shape[0])
    return sample(
        denoiser, process, grid.reverse(), Inverse(solver),
        x=x, noise=nothing_drawn, conditioning=conditioning, on_step=on_step,
    )  # fmt: skip


def autograd(gradients: bool) -> AbstractContextManager[object]:
    """Gradients on or off, and no inference mode, where torch counts no writes to tensors."""
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
        return _outside_inference_mode(gradients)
    return _UNCHANGED if torch.is_grad_enabled() is gradients else torch.set_grad_enabled(gradients)


_UNCHANGED = nullcontext()


@contextmanager
def _outside_inference_mode(gradients: bool) -> Iterator[None]:
    with torch.inference_mode(False), torch.set_grad_enabled(gradients):
        yield


def counted(x: Tensor) -> Tensor:
    """x, or outside of inference mode a copy of an x that was made in it: one whose writes are counted."""
    return x.clone() if x.is_inference() else x


class InPlaceCheck:
    """Raises ValueError where a denoiser writes into its arguments, or into the x0 that it returned before.

    Torch counts the writes to each tensor. Nothing is checked in a graph of torch.compile.
    """

    def __init__(self, conditioning: Conditioning) -> None:
        self._off = torch.compiler.is_compiling()
        self._conditions = () if self._off else conditioning.tensors
        self._last: list[ref[Output | Tensor]] = []

    def before(self, *states: Tensor) -> tuple[tuple[Tensor, ...], int]:
        """(the tensors that an evaluation at ``states`` must not write into, the writes to them so far)."""
        if self._off:
            return (), 0
        watched = (*states, *self._conditions)
        for data in self._last:
            last = data()
            if isinstance(last, Output):
                _ = last.x0  # computed now, as a network may overwrite its output in its next evaluation
            elif last is not None:
                watched = (last, *watched)
        return watched, _writes(watched)

    def after(self, predictions: Iterable[Prediction], watched: tuple[Tensor, ...], before: int) -> None:
        """After the evaluation, with what ``before`` returned; the predictions are for the next one."""
        if self._off:
            return
        if _writes(watched) != before:
            raise ValueError(
                "the denoiser or its network writes into the state, a condition or an earlier prediction in "
                "place: use clone() in it"
            )
        self._last.clear()
        for prediction in predictions:
            self._last.append(ref(prediction.data))


def _writes(tensors: tuple[Tensor, ...]) -> int:
    total = 0
    for tensor in tensors:
        if not tensor.is_inference():
            total += tensor._version
    return total


class FiniteCheck:
    """Raises FloatingPointError where a run over ``levels`` is not finite.

    After a state that is not finite none is. So only large states on the CPU, where that is cheap, are
    checked after every step; others after the steps 1, 4, 16, 32, 48, ... and the last. In a graph of
    torch.compile, which cannot raise, nothing is.

    Args:
        levels: Of the run, first to last.
        x: The state (B, ...) at its start.
        first: The first step.
        part: The name of the state in a joint one.
    """

    def __init__(self, levels: Sequence[Level[float]], x: Tensor, first: int, part: str) -> None:
        self._levels, self._first, self._part = levels, first, part
        steps = len(levels) - 1
        every = 1 if x.is_cpu and x.numel() > SMALL else CHECK_EVERY
        self._due = {0, 3, steps - 1, *range(every - 1, steps, every)}
        self._off = torch.compiler.is_compiling()

    def state(self, x: Tensor, index: int) -> None:
        """Check x (B, ...), the end of step ``index``, where it is due."""
        if index in self._due:
            self.check(x, index)

    def check(self, values: Tensor, index: int) -> None:
        """Check ``values`` of step ``index`` now, and by them all steps before."""
        if self._off:
            return
        # A finite sum has finite terms, at a tenth of the cost of looking at each. A sum may overflow.
        if not (cmath.isfinite(values.sum().item()) or values.isfinite().all()):
            place, since = f"step {index + 1}", ""
            if self._first < index:
                place, since = f"one of the steps {self._first + 1} to {index + 1}", "from "
            part, level = f", {self._part}" if self._part else "", self._levels[self._first]
            raise FloatingPointError(
                f"the network returned NaN or infinity in {place} of {len(self._levels) - 1}{part} "
                f"({since}t = {level.t:.6g}, log_snr = {level.log_snr:.4g})"
            )
        self._first = index + 1


def check_items(x: Tensor, noise: NoiseSource, conditioning: Conditioning) -> None:
    """Raises ValueError where seeds or conditions are for another number of items than x (B, ...)."""
    if x.shape[:1] != (len(noise.seeds),):
        raise ValueError(f"there must be one seed per item: {len(noise.seeds)} for x {tuple(x.shape)}")
    if conditioning.batch not in (None, x.shape[0]):
        raise ValueError(f"the conditioning is for {conditioning.batch} items, x has {x.shape[0]}")
