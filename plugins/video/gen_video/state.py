"""The state that is sampled: cells of three pictures, which hold for the whole clip, then one per frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gen_video.autoencoder import CELLS
from gen_video.layers import NUMBERS, THINGS

PATCH = 2
"""Latents per side of a cell of a picture."""

PICTURES = THINGS + 1
"""The things, then the background."""

PER_PICTURE = (CELLS // PATCH) ** 2
HEAD = PICTURES * PER_PICTURE
"""Cells that hold for the whole clip."""

COPIES = 8
"""How often a cell of a frame says each number: noise drowns them later than it would a single one."""

CHANNELS = COPIES * NUMBERS
"""Numbers per cell: 32 channels of 2 × 2 latents, or 8 times the 16 numbers of a frame."""


def pack(latents: Tensor, motion: Tensor) -> Tensor:
    """Latents (3, 32, 8, 8) of the pictures and numbers (16, T) of the frames to a state (128, 48 + T)."""
    cells = functional.pixel_unshuffle(latents, PATCH).flatten(2)
    return torch.cat([cells.transpose(0, 1).flatten(1), motion.repeat(COPIES, 1)], 1)


def unpack(state: Tensor) -> tuple[Tensor, Tensor]:
    """What ``pack`` put together."""
    cells = state[:, :HEAD].unflatten(1, (PICTURES, PER_PICTURE)).transpose(0, 1)
    side = CELLS // PATCH
    latents = functional.pixel_shuffle(cells.unflatten(2, (side, side)), PATCH)
    return latents, state[:, HEAD:].unflatten(0, (COPIES, NUMBERS)).mean(0)
