"""Noise that depends on nothing but an item's own seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

StepNoise: TypeAlias = Callable[[Tensor, str], Tensor]
"""Standard normal noise shaped like a state, for one step and the named use within it."""


@dataclass(frozen=True)
class NoiseSource:
    """Independent standard normal streams, one seed per item.

    A draw is a function of (seed, stream, index) alone and is made on the CPU in float32, so item i of a
    batch equals the single run on every device, and a run can be resumed at any step. There is no state.

    Args:
        seeds: One integer in [0, 2**63) per item.

    Raises:
        ValueError: A seed is out of range.
    """

    seeds: tuple[int, ...]

    def __init__(self, seeds: Sequence[int]) -> None:
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
                raise ValueError(f"a seed must be a whole number from 0 to 2**63 - 1, not {seed}")
        object.__setattr__(self, "seeds", tuple(seeds))

    def normal(self, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        """Draw ``index`` of ``stream``: float32 (B, *shape) on the CPU."""
        noise = torch.empty(len(self.seeds), *shape)
        for seed, item in zip(self.seeds, noise, strict=True):
            digest = hashlib.blake2b(f"{seed}/{stream}/{index}".encode(), digest_size=8).digest()
            item.normal_(generator=torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1))
        return noise

    def prior(self, shape: Sequence[int]) -> Tensor:
        """The noise that generation starts from, float32 (B, *shape) on the CPU."""
        return self.normal(shape, "prior")

    def at(self, index: int) -> StepNoise:
        """The noise of step ``index``."""
        return lambda like, stream: self.normal(like.shape[1:], stream, index).to(like)

    def select(self, rows: Sequence[int]) -> NoiseSource:
        """The source of the items ``rows``."""
        return NoiseSource([self.seeds[row] for row in rows])
