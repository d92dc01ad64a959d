"""What models make, seen as numbers of fixed places: what operators measure of it, and how it is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.model import Task
from gen.model.parts import Parts
from gen.plugin.specs import ArrayLayout, Dimension, KindSpec, Signal


class View(Protocol):
    """How states are seen as numbers, and numbers as states."""

    @property
    def axes(self) -> tuple[int, ...]:
        """Those that operators run along, counted from the end."""

    @property
    def waves(self) -> bool:
        """Whether the numbers are waves, whose phases a model may leave to chance."""

    @property
    def is_field(self) -> bool:
        """Whether they are the field of a codec."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest number."""

    def measured(self, artifact: Artifact, task: Task) -> Tensor:
        """The numbers of an artifact that a user gave, (1, ...)."""

    def decoded(self, state: Tensor, task: Task) -> Tensor:
        """The numbers of a state (1, *shape), (1, ...)."""

    def encoded(self, numbers: Tensor, task: Task) -> Tensor:
        """The state (1, *shape) of numbers."""

    def alike(self, numbers: Tensor, other: Tensor) -> Tensor:
        """Numbers with as many channels as others have."""

    def delivered(self, numbers: Tensor, made: Artifact) -> Artifact:
        """``made`` with these numbers, where it has them."""


def view_of(kind: KindSpec | None, parts: Parts, given: Artifact, task: Task) -> View:
    """How what a model makes is seen.

    Raises:
        UsageError: It is no numbers of fixed places.
    """
    if kind is not None and kind.signal is not None and given.kind == kind.name:
        return SignalView(parts, kind, kind.signal)
    if parts.measured(given, task) is not None:
        return FieldView(parts)
    raise UsageError(
        f"what model {parts.model.name} decodes is no array of fixed places, so that nothing measures it",
        "leave out restore",
    )


@dataclass(frozen=True, eq=False)
class SignalView:
    """The array that a kind declares as its signal.

    Args:
        parts: Decode and encode.
        kind: The kind.
        signal: That of the kind.
    """

    parts: Parts
    kind: KindSpec
    signal: Signal
    is_field: bool = False

    @property
    def axes(self) -> tuple[int, ...]:
        """Counted from the end."""
        shape = self._layout.shape
        return tuple(place - len(shape) for place, name in enumerate(shape) if name in self.signal.axes)

    @property
    def waves(self) -> bool:
        """As the kind says it."""
        return self.signal.phase

    @property
    def bounds(self) -> tuple[float, float]:
        """As the kind says it."""
        low, high = self._layout.low, self._layout.high
        return (-np.inf if low is None else low), (np.inf if high is None else high)

    @property
    def _layout(self) -> ArrayLayout:
        return next(one for one in self.kind.arrays if one.name == self.signal.array)

    def measured(self, artifact: Artifact, task: Task) -> Tensor:  # noqa: ARG002
        """The array."""
        return torch.from_numpy(artifact.arrays[self.signal.array])[None]

    def decoded(self, state: Tensor, task: Task) -> Tensor:
        """The array of what is decoded."""
        return self.measured(self.parts.decode(state, task), task)

    def encoded(self, numbers: Tensor, task: Task) -> Tensor:
        """The state of an artifact with this array, and the attributes of the input."""
        low, high = self.bounds
        array = np.ascontiguousarray(numbers[0].clamp(low, high).numpy(), dtype=np.float32)
        attributes = {} if task.init is None else dict(task.init.attributes)
        for name in attributes.keys() & task.params.keys():
            attributes[name] = task.params[name]  # type: ignore[assignment]
        state = self.parts.encode(Artifact(self.kind.name, {self.signal.array: array}, attributes), task)
        assert isinstance(state, Tensor)
        return state

    def alike(self, numbers: Tensor, other: Tensor) -> Tensor:
        """Pictures are laid on white, grey ones repeated; of sounds, the mean or copies of their channels."""
        for place, dimension in enumerate(self._layout.shape, start=1):
            if numbers.shape[place] != other.shape[place] and _is_channels(dimension):
                numbers = _with_channels(numbers, place, other.shape[place])
        return numbers

    def delivered(self, numbers: Tensor, made: Artifact) -> Artifact:
        """``made`` with this array."""
        low, high = self.bounds
        array = np.ascontiguousarray(numbers[0].clamp(low, high).numpy(), dtype=np.float32)
        return replace(made, arrays={**made.arrays, self.signal.array: array})


@dataclass(frozen=True, eq=False)
class FieldView:
    """The field of a codec, off which artifacts are read.

    Args:
        parts: Decode and encode it.
    """

    parts: Parts
    axes: tuple[int, ...] = (-3, -2, -1)
    is_field: bool = True
    waves: bool = False
    bounds: tuple[float, float] = (-1.0, 1.0)

    def measured(self, artifact: Artifact, task: Task) -> Tensor:
        """See ``FieldCodec``."""
        found = self.parts.measured(artifact, task)
        assert found is not None
        return found

    def decoded(self, state: Tensor, task: Task) -> Tensor:
        """See ``FieldCodec``."""
        return self.parts.decode_field(state, task)

    def encoded(self, numbers: Tensor, task: Task) -> Tensor:
        """See ``FieldCodec``."""
        return self.parts.encode_field(numbers.clamp(*self.bounds), task)

    def alike(self, numbers: Tensor, other: Tensor) -> Tensor:  # noqa: ARG002
        """The same."""
        return numbers

    def delivered(self, numbers: Tensor, made: Artifact) -> Artifact:  # noqa: ARG002
        """The same."""
        return made


def _is_channels(dimension: Dimension) -> bool:
    return isinstance(dimension, tuple) or dimension == "channels"


def _with_channels(numbers: Tensor, place: int, count: int) -> Tensor:
    if place == numbers.ndim - 1 and numbers.shape[place] == 4:
        numbers = numbers[..., :3] * numbers[..., 3:] + (1 - numbers[..., 3:])
    if numbers.shape[place] != count:
        sizes: Sequence[int] = [count if axis == place else size for axis, size in enumerate(numbers.shape)]
        numbers = numbers.mean(place, keepdim=True).expand(sizes)
    return numbers
