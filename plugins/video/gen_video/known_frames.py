"""Which frames are given while training, so that one network animates, continues, closes and interpolates."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.4
"""Of the clips, some of whose frames are given."""


def draw(count: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw which frames are given.

    Of a share of the clips, equally often: the first frame, the last, both, a run at the beginning (to go on
    from), all but a run in the middle (to close a loop), or every second.

    Returns:
        Masks (count, frames), 1 where a frame is given, and whether it is every second (count,), bool.
    """
    step = torch.arange(frames)[None]
    kind = torch.randint(6, (count, 1), generator=generator)
    start = 1 + torch.randint(frames // 2, (count, 1), generator=generator)
    hole = 2 + torch.randint(frames // 2, (count, 1), generator=generator)
    first, last = step == 0, step == frames - 1
    patterns = (
        first,
        last,
        first | last,
        step < start,
        (step < start) | (step >= start + hole),
        step % 2 == start % 2,
    )
    mask = torch.zeros(count, frames, dtype=torch.bool)
    for index, pattern in enumerate(patterns):
        mask = torch.where(kind == index, pattern.expand(count, -1), mask)
    some = torch.rand(count, 1, generator=generator) < SHARE
    return (mask & some).float(), (some & (kind == len(patterns) - 1))[:, 0]


def condition(latents: Tensor, mask: Tensor) -> Tensor:
    """The condition ``known`` (B, 1 + C, T, G, G) of latents (B, C, T, G, G) and masks (B, T)."""
    cells = mask[:, None, :, None, None].expand(-1, -1, -1, *latents.shape[3:])
    return torch.cat([cells, cells * latents], 1)
