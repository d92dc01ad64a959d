"""Factories of the operators of inverse problems."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.inverse import BlockAverage, Blur, Clipping, Decimation, LinearOperator, Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """The measured values, from which a factory makes its operator.

    Args:
        values: (1, ...).
        axes: The axes of space or time, counted from the end.
        waves: Whether the values are waves.
        lost: True where a value is unknown; broadcasts to ``values``. None without a mask.
    """

    values: Tensor
    axes: tuple[int, ...]
    waves: bool
    lost: Tensor | None = None


def noisy(given: Given, std: float) -> LinearOperator:  # noqa: ARG001
    """The identity: every value is known, with noise."""
    return Mask(torch.ones(1))


def blurred(given: Given, radius: float, std: float) -> LinearOperator:  # noqa: ARG001
    """A Gaussian blur, with noise."""
    return Blur.gaussian(radius, given.axes)


def coarser(given: Given, factor: int) -> LinearOperator:
    """Means of blocks; for waves, the lower frequencies at a lower rate."""
    return Decimation(factor) if given.waves else BlockAverage(factor, given.axes)


def clipped(given: Given, level: float) -> Clipping:
    """Clipping at a level; 0 stands for the largest magnitude of the values."""
    return Clipping(level or float(given.values.abs().max()))


def lossy(given: Given) -> LinearOperator:
    """The mask of the values that are known."""
    assert given.lost is not None
    return Mask(~given.lost)
