"""Several tensors in one state, each with its own process, denoised together: sound with pictures, say.

The loop knows one tensor (B, N) and one clock. A denoiser and a solver made here take it apart, so that every
solver, guidance, preview and resumption works as it does for one tensor:

    streams = Streams({"video": RectifiedFlow(), "audio": Cosine()}, {"video": (8, 3, 32, 32), "audio": (9,)})
    x, solver = streams.prior(grid, noise), streams.solver(DDIM())
    end = sample(streams.denoiser(joint), streams.clock, grid, solver, x=x, noise=noise)
    streams.unpack(end.x)["audio"]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.grid import TimeGrid
from gen.diffusion.level import Level
from gen.diffusion.noise import NoiseSource, StepNoise, stream
from gen.diffusion.process import Process
from gen.diffusion.sampling import renoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update

JointDenoiser: TypeAlias = Callable[
    [Mapping[str, Tensor], Mapping[str, Level[float]], Conditioning, Memory], Mapping[str, Prediction]
]
"""Each stream's state (B, ...) and level -> each stream's prediction."""


@dataclass(frozen=True)
class Streams:
    """Named tensors that share a time grid.

    At one time each stream stands at the level that its own process has there.

    Args:
        processes: Name to process; the first is the clock.
        shapes: Name to the shape of one item.

    Raises:
        ValueError: No stream, or the names differ.
    """

    processes: Mapping[str, Process]
    shapes: Mapping[str, Sequence[int]]

    def __post_init__(self) -> None:
        if not self.processes or set(self.processes) != set(self.shapes):
            raise ValueError("streams need at least one name, and a process and a shape for each")

    @property
    def clock(self) -> Process:
        """What to give the loop as its process."""
        return next(iter(self.processes.values()))

    @property
    def sizes(self) -> dict[str, int]:
        """Number of elements of one item of each stream; their sum is N."""
        return {name: math.prod(self.shapes[name]) for name in self.processes}

    def levels(self, t: float) -> dict[str, Level[float]]:
        """Each stream's level at time ``t``."""
        return {name: process.level(t) for name, process in self.processes.items()}

    def pack(self, parts: Mapping[str, Tensor]) -> Tensor:
        """One tensor (B, N) out of one (B, ...) per stream.

        Raises:
            ValueError: A stream is missing or has another shape.
        """
        for name, shape in self.shapes.items():
            if name not in parts or parts[name].shape[1:] != tuple(shape):
                found = "nothing" if name not in parts else tuple(parts[name].shape)
                raise ValueError(f"stream {name!r} must be (B, {', '.join(map(str, shape))}), not {found}")
        return torch.cat([parts[name].flatten(1) for name in self.processes], 1)

    def unpack(self, x: Tensor) -> dict[str, Tensor]:
        """The inverse of ``pack``.

        Raises:
            ValueError: x is not (B, N).
        """
        sizes = self.sizes
        if x.ndim != 2 or x.shape[1] != sum(sizes.values()):
            raise ValueError(f"a joint state must be (B, {sum(sizes.values())}), not {tuple(x.shape)}")
        parts = zip(sizes, x.split(list(sizes.values()), 1), strict=True)
        return {name: part.unflatten(1, tuple(self.shapes[name])).contiguous() for name, part in parts}

    def prior(self, grid: TimeGrid, noise: NoiseSource, device: torch.device | str = "cpu") -> Tensor:
        """Pure noise at the grid's first level, float32 (B, N); each stream draws under its own name."""
        levels = self.levels(grid.times[0])
        parts = {
            name: noise.normal(self.shapes[name], f"{name}/prior").mul_(process.prior_scale(levels[name]))
            for name, process in self.processes.items()
        }
        return self.pack(parts).to(device)

    def denoiser(self, joint: JointDenoiser) -> Denoiser:
        """``joint`` for the loop.

        Wrap it in guidance as any other. For wrappers, alpha and sigma of a level are (N,) tensors, so that
        what they compute element by element is right for every stream; log_snr is that of the clock.
        """

        def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
            if not isinstance(level, JointLevel):
                raise ValueError("a denoiser of streams needs a solver of streams: see Streams.solver")
            parts = self.unpack(x)
            predictions = joint(parts, level.streams, conditioning, memory)
            eps = variance = None
            if any(prediction.eps is not None for prediction in predictions.values()):
                noises = {name: p.noise(parts[name], level.streams[name]) for name, p in predictions.items()}
                eps = self.pack(noises)
            variances = {name: p.variance for name, p in predictions.items() if p.variance is not None}
            if variances:
                variance = self.pack(variances)
            return Prediction(self.pack({name: p.x0 for name, p in predictions.items()}), eps, variance)

        return denoise

    def solver(self, inner: Solver) -> Solver:
        """``inner`` on every stream at once: where it asks about several, they are asked in one call."""
        return _Lockstep(self, inner)


class JointLevel(Level[Any]):
    """The levels at which the streams of one question stand.

    Args:
        streams: Name to level; the first is the clock.
        sizes: Name to number of elements.
        like: The joint state, whose dtype and device alpha and sigma take.
    """

    def __init__(self, streams: Mapping[str, Level[float]], sizes: Mapping[str, int], like: Tensor) -> None:
        clock = next(iter(streams.values()))
        vars(self).update(t=clock.t, clock=clock, streams=streams, sizes=sizes, like=like.new_empty(0))

    clock: Level[float]
    streams: Mapping[str, Level[float]]
    sizes: Mapping[str, int]
    like: Tensor

    @cached_property
    def alpha(self) -> Tensor:
        """(N,): each element's factor of the data."""
        return self._spread({name: level.alpha for name, level in self.streams.items()})

    @cached_property
    def sigma(self) -> Tensor:
        """(N,): each element's factor of the noise."""
        return self._spread({name: level.sigma for name, level in self.streams.items()})

    @property
    def log_snr(self) -> float:
        """log_snr of the clock."""
        return self.clock.log_snr

    def _spread(self, values: Mapping[str, float]) -> Tensor:
        return torch.cat([self.like.new_full((self.sizes[name],), value) for name, value in values.items()])


class _UnansweredError(Exception):
    """What a stream's solver wants to know before it can go on."""

    def __init__(self, x: Tensor, level: Level[float]) -> None:
        super().__init__("asked outside of Streams.solver")
        self.x, self.level = x, level


@dataclass(frozen=True)
class _Lockstep(Solver):
    """One solver per stream, each run until it asks something new.

    A step is a pure function, so it can be run again from its start with the answers so far: no solver has to
    know that its questions are gathered.
    """

    streams: Streams
    inner: Solver

    @property
    def stochastic(self) -> bool:
        return self.inner.stochastic

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        here: Level[float],
        there: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        names = tuple(self.streams.processes)
        starts, ends = self.streams.levels(here.t), self.streams.levels(there.t)
        states, parts = dict(zip(names, state or [()] * len(names), strict=True)), self.streams.unpack(x)
        # A stream that has finished its step is asked about again as it was last, for the others' sake.
        asked = {name: (parts[name], starts[name]) for name in names}
        answers: dict[str, list[Prediction]] = {name: [] for name in names}
        done: dict[str, Update] = {}
        while True:
            for name in names:
                if name not in done:
                    try:
                        done[name] = self.inner.step(
                            states[name], parts[name], _replay(answers[name]), starts[name], ends[name],
                            noise=stream(noise, name),
                        )  # fmt: skip
                    except _UnansweredError as question:
                        asked[name] = question.x, question.level
            if len(done) == len(names):
                break
            for name, prediction in self._ask(denoise, asked).items():
                answers[name].append(prediction)
        updates = {name: done[name] for name in names}
        std, z = self._law({name: (update.std, update.z) for name, update in updates.items()}, x)
        return Update(
            self.streams.pack({name: update.x for name, update in updates.items()}),
            tuple(update.state for update in updates.values()),
            self.streams.pack({name: update.x0 for name, update in updates.items()}),
            std,
            z,
        )

    def renoise(
        self, x: Tensor, here: Level[float], there: Level[float], *, noise: StepNoise
    ) -> tuple[Tensor, float | Tensor, Tensor | None]:
        """Each stream back up its own process."""
        starts, ends = self.streams.levels(here.t), self.streams.levels(there.t)
        moved = {
            name: renoise(part, starts[name], ends[name], noise=stream(noise, name))
            for name, part in self.streams.unpack(x).items()
        }
        std, z = self._law({name: (std, z) for name, (_, std, z) in moved.items()}, x)
        return self.streams.pack({name: part for name, (part, _, _) in moved.items()}), std, z

    def _ask(
        self, denoise: Denoise, asked: Mapping[str, tuple[Tensor, Level[float]]]
    ) -> dict[str, Prediction]:
        x = self.streams.pack({name: part for name, (part, _) in asked.items()})
        level = JointLevel({name: level for name, (_, level) in asked.items()}, self.streams.sizes, x)
        prediction = denoise(x, level)
        x0 = self.streams.unpack(prediction.x0)
        eps, variance = (
            {} if value is None else self.streams.unpack(value)
            for value in (prediction.eps, prediction.variance)
        )
        return {name: Prediction(x0[name], eps.get(name), variance.get(name)) for name in asked}

    def _law(
        self, laws: Mapping[str, tuple[float | Tensor, Tensor | None]], x: Tensor
    ) -> tuple[float | Tensor, Tensor | None]:
        """(std, z) of the joint state; 0 where a stream's step is certain."""
        if all(z is None for _, z in laws.values()):
            return 0.0, None
        blank = self.streams.unpack(torch.zeros_like(x))
        std = {name: blank[name] + value for name, (value, _) in laws.items()}
        return self.streams.pack(std), self.streams.pack(
            {name: blank[name] if z is None else z for name, (_, z) in laws.items()}
        )


def _replay(answers: Sequence[Prediction]) -> Denoise:
    """Gives these answers in turn, then raises the next question."""
    remaining = iter(answers)

    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        answer = next(remaining, None)
        if answer is None:
            raise _UnansweredError(x, level)
        return answer

    return denoise
