"""Edges that meet: where they do, a state is drawn anew, given what is on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from gen.diffusion import Conditioning

AXES = {"x": -1, "y": -2}
"""Axes of a state (B, C, ..., height, width) whose ends may meet."""

SHARE = 4
"""One cell in so many is drawn anew, at least two."""


def closed(draw: Callable[[int, Tensor, Tensor], Tensor], state: Tensor, given: Tensor, tile: str) -> Tensor:
    """A state whose ends meet.

    Args:
        draw: (number of the run, from 1, keep (B, 1, …), known (B, C, …)) -> a state, given what is known
            where keep is 1.
        state: (B, C, ..., height, width).
        given: (B, 1, ...), 1 where the user gave it: it stays at the seam, too.
        tile: Names of the axes, see ``AXES``.
    """
    for number, name in enumerate(tile, start=1):
        axis = AXES[name]
        size = state.shape[axis]
        half, width = size // 2, max(2, size // SHARE)
        # Rolled by half, the seam is in the middle.
        keep = torch.ones_like(given)
        keep.narrow(axis, half - width // 2, width).fill_(0)
        keep = keep.maximum(given.roll(half, axis))
        state = draw(number, keep, state.roll(half, axis)).roll(-half, axis)
    return state


def undescribed(conditioning: Conditioning) -> Conditioning:
    """The conditioning of a seam: what is there follows from its sides, not from the prompt."""
    uncond = conditioning.uncond
    return conditioning if uncond is None else replace(uncond, uncond=uncond)
