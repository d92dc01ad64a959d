"""What the operators of inverse problems are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.inverse import BlockAverage, Blur, Clipping, Decimation, LinearOperator, Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What was measured.

    Args:
        values: (1, ...).
        axes: Those that operators run along, counted from the end.
        waves: Whether the values are waves.
        lost: Where nothing is known, True; it broadcasts to ``values``. None where no mask is given.
    """

    values: Tensor
    axes: tuple[int, ...]
    waves: bool
    lost: Tensor | None = None


def noisy(given: Given, std: float) -> LinearOperator:  # noqa: ARG001
    """Every value is known, with noise."""
    return Mask(torch.ones(1))


def blurred(given: Given, radius: float, std: float) -> LinearOperator:  # noqa: ARG001
    """A Gaussian, with noise."""
    return Blur.gaussian(radius, given.axes)


def coarser(given: Given, factor: int) -> LinearOperator:
    """Means of blocks; of waves, their lower frequencies at a lower rate."""
    return Decimation(factor) if given.waves else BlockAverage(factor, given.axes)


def clipped(given: Given, level: float) -> Clipping:
    """Cut off at a level; 0 stands for the largest magnitude there is."""
    return Clipping(level or float(given.values.abs().max()))


def lossy(given: Given) -> LinearOperator:
    """What is not lost is known."""
    assert given.lost is not None
    return Mask(~given.lost)
