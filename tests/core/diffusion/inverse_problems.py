"""Linear inverse problems on the states of every modality, for the tests beside this file."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.diffusion.inverse import BlockAverage, Blur, CompressedSensing, LinearOperator, Mask

AUDIO, IMAGE, VIDEO, POINTS = (2, 24), (3, 8, 8), (2, 4, 6, 6), (10, 3)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _some(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5)) < 0.4


LINEAR: dict[str, tuple[LinearOperator, tuple[int, ...]]] = {
    "mask audio": (Mask(torch.arange(24) < 15), AUDIO),
    "mask image": (Mask(_some(8, 8)), IMAGE),
    "mask video": (Mask(torch.tensor([True, False, False, True])[:, None, None]), VIDEO),
    "mask points": (Mask(_some(10, 1)), POINTS),
    "soft mask": (Mask(torch.linspace(0, 1, 24)), AUDIO),
    "average audio": (BlockAverage(4, (-1,)), AUDIO),
    "average image": (BlockAverage(2, (-2, -1)), IMAGE),
    "average video": (BlockAverage(2, (-3, -2, -1)), VIDEO),
    "average points": (BlockAverage(5, (-2,)), POINTS),
    "blur audio": (Blur.gaussian(0.8, (-1,)), AUDIO),
    "blur image": (Blur.gaussian(0.5, (-2, -1)), IMAGE),
    "blur with an order": (Blur(normal(2, 3, seed=3), (-1, -3)), VIDEO),
    "blur that loses waves": (Blur(torch.ones(5) / 5, (-2,)), POINTS),
    "projections image": (CompressedSensing(IMAGE, 60), IMAGE),
    "projections points": (CompressedSensing(POINTS, 30, seed=4), POINTS),
}


def matrix(operator: LinearOperator, shape: tuple[int, ...]) -> Tensor:
    """A as a matrix: what it makes of each unit vector."""
    size = torch.Size(shape).numel()
    return operator(torch.eye(size, dtype=torch.float64).reshape(size, *shape)).flatten(1).T
