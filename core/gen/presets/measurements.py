"""What the operators of inverse problems are made of."""

from __future__ import annotations

import torch

from gen.diffusion.inverse import BlockAverage, Blur, LinearOperator, Mask


def noisy(axes: tuple[int, ...], std: float) -> LinearOperator:  # noqa: ARG001
    """Every value is known, with noise."""
    return Mask(torch.ones(1))


def blurred(axes: tuple[int, ...], radius: float, std: float) -> LinearOperator:  # noqa: ARG001
    """A Gaussian, with noise."""
    return Blur.gaussian(radius, axes)


def averaged(axes: tuple[int, ...], factor: int) -> LinearOperator:
    """Means of blocks."""
    return BlockAverage(factor, axes)
