"""Which cells are given while training, so that one network animates, continues, closes and changes clips."""

from __future__ import annotations

import torch
from torch import Tensor

from gen_video.state import HEAD, PER_PICTURE

SHARE = 0.4
"""Of the clips, some of whose cells are given."""


def draw(count: int, frames: int, generator: torch.Generator) -> Tensor:
    """Draw which cells are given.

    Of a share of the clips, equally often: what is seen and the first frame, the last, both, a run at the
    beginning (to go on from), all but a run in the middle (to close a loop), or none; all but the first
    thing; all but the background.

    Returns:
        Masks (count, 48 + frames), 1 where a cell is given.
    """
    step = torch.arange(frames)[None]
    cell = torch.arange(HEAD)[None]
    kind = torch.randint(8, (count, 1), generator=generator)
    start = 1 + torch.randint(frames // 2, (count, 1), generator=generator)
    hole = 2 + torch.randint(frames // 2, (count, 1), generator=generator)
    first, last, every = step == 0, step == frames - 1, step >= 0
    seen = cell >= 0
    patterns = (
        (seen, first),
        (seen, last),
        (seen, first | last),
        (seen, step < start),
        (seen, (step < start) | (step >= start + hole)),
        (seen, ~every),
        (cell >= PER_PICTURE, every),
        (cell < HEAD - PER_PICTURE, every),
    )
    mask = torch.zeros(count, HEAD + frames, dtype=torch.bool)
    for index, (head, tail) in enumerate(patterns):
        whole = torch.cat([head.expand(count, -1), tail.expand(count, -1)], 1)
        mask = torch.where(kind == index, whole, mask)
    some = torch.rand(count, 1, generator=generator) < SHARE
    return (mask & some).float()


def condition(states: Tensor, mask: Tensor) -> Tensor:
    """The condition ``known`` (B, 1 + C, N) of states (B, C, N) and masks (B, N)."""
    return torch.cat([mask[:, None], mask[:, None] * states], 1)
