"""Noise between that of two seeds: variations of one, and ways from one to the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gen.diffusion.noise import NoiseSource


class BlendedNoise(NoiseSource):
    """sqrt(1 - w**2) first + w second in every draw, which is standard normal like both.

    As w goes from 0 to 1 the draws go along the sphere from those of ``first``, bit for bit, to those of
    ``second`` (spherical interpolation; independent normal vectors are nearly orthogonal: White 2016,
    arXiv 1609.04468, sec. 2). What else takes part in a run, such as the noise of steps, goes with them.

    Args:
        first, second: As many items each.
        weights: w of each item, in [0, 1].

    Raises:
        ValueError: The sources differ in their number of items or in kind, or a weight is outside.
    """

    first: NoiseSource
    second: NoiseSource
    weights: tuple[float, ...]

    def __init__(self, first: NoiseSource, second: NoiseSource, weights: Sequence[float]) -> None:
        super().__init__(second.seeds, second.brownian)
        if not len(first.seeds) == len(second.seeds) == len(weights) or first.brownian != second.brownian:
            raise ValueError(
                "blended noise needs two sources of the same items and kind, and a weight for each"
            )
        if not all(0 <= weight <= 1 for weight in weights):
            raise ValueError(f"weights of blended noise lie in [0, 1], not {tuple(weights)}")
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "second", second)
        object.__setattr__(self, "weights", tuple(weights))

    def normal(self, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        """As ``NoiseSource.normal``."""

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device="cpu").reshape(-1, *(1,) * len(shape))

        kept = [math.sqrt(1 - weight**2) for weight in self.weights]
        first, second = (source.normal(shape, stream, index) for source in (self.first, self.second))
        return column(kept) * first + column(self.weights) * second

    def child(self, name: str) -> BlendedNoise:
        """As ``NoiseSource.child``."""
        return BlendedNoise(self.first.child(name), self.second.child(name), self.weights)

    def select(self, rows: Sequence[int]) -> BlendedNoise:
        """As ``NoiseSource.select``."""
        weights = [self.weights[row] for row in rows]
        return BlendedNoise(self.first.select(rows), self.second.select(rows), weights)
