"""Measurements: an operator with its measured values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.inverse.operators import Mask, Operator


@dataclass(frozen=True, eq=False)
class Measurement:
    """y = A(x0) + std n, n standard normal.

    Args:
        operator: A.
        y: The measured values: (B, ...), or (1, ...) for all items.
        std: Standard deviation of the noise in y, in the units of y; 0 where y is exact.

    Raises:
        ValueError: ``std`` is negative or not finite.
    """

    operator: Operator
    y: Tensor
    std: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.std < math.inf:
            raise ValueError(f"std must be a finite number of at least 0, not {self.std}")

    def residual(self, expected: Tensor) -> Tensor:
        """y - expected, for expected = A(x0).

        Raises:
            ValueError: A(x0) has another shape than y.
        """
        if self.y.shape[0] not in (1, expected.shape[0]) or self.y.shape[1:] != expected.shape[1:]:
            raise ValueError(
                f"y has the shape {tuple(self.y.shape)}, but the operator gives {tuple(expected.shape)}"
            )
        return self.y.to(expected) - expected


def extension(part: Tensor, length: int, *, axis: int = -1, start: int = 0) -> Measurement:
    """The measurement of a state of which one stretch is given: to continue sound or video in time.

    Args:
        part: The given stretch, (B, ...) with fewer than ``length`` elements along ``axis``.
        length: How long the state is along ``axis``.
        axis: The axis of time, counted from the end.
        start: Where the stretch begins: 0 to continue it, ``length - part.shape[axis]`` to lead up to it.

    Raises:
        ValueError: The stretch does not lie within the state, or the axis is not counted from the end.
    """
    if not -part.ndim < axis < 0:
        raise ValueError(f"axis must be counted from the end, -1 to {1 - part.ndim}, not {axis}")
    size = part.shape[axis]
    if start < 0 or start + size > length:
        raise ValueError(f"{size} elements from {start} on do not fit into {length}")
    shape = list(part.shape)
    shape[axis] = length
    y = part.new_zeros(shape)
    y.narrow(axis, start, size).copy_(part)
    place = torch.arange(length, device=part.device)
    given = (place >= start) & (place < start + size)
    return Measurement(Mask(given.reshape(-1, *(1,) * (-axis - 1))), y)
