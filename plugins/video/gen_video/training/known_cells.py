"""Which cells are given while training, so that one network animates, continues, closes and changes clips."""

from __future__ import annotations

import torch
from torch import Tensor

from gen_video.state import HEAD, PER_PICTURE


def draw(kind: str, count: int, frames: int, generator: torch.Generator) -> Tensor:
    """Draw which cells of examples are given, each way equally often where there are several.

    Of ``told`` examples mostly none; else what is seen, or all but the first thing, or all but the
    background. Of the others what is seen, and of ``first`` the first frame, of ``ends`` the last or both, of
    ``continued`` a run at the beginning (to go on from) or all but a run in the middle (to close a loop).

    Args:
        kind: One of ``gen_video.training.data.examples.SHARES``.
        count: How many.
        frames: Of each.
        generator: Source of randomness.

    Returns:
        Masks (count, 48 + frames), 1 where a cell is given.
    """
    step = torch.arange(frames)[None]
    cell = torch.arange(HEAD)[None]
    start = 1 + torch.randint(frames // 2, (count, 1), generator=generator)
    hole = 2 + torch.randint(frames // 2, (count, 1), generator=generator)
    first, last, every = step == 0, step == frames - 1, step >= 0
    seen = cell >= 0
    nothing = (~seen, ~every)
    told = (
        (seen, ~every),
        (cell >= PER_PICTURE, every),
        (cell < HEAD - PER_PICTURE, every),
        *[nothing] * 7,
    )
    patterns = {
        "told": told,
        "first": ((seen, first),),
        "ends": ((seen, last), (seen, first | last)),
        "continued": ((seen, step < start), (seen, (step < start) | (step >= start + hole))),
    }[kind]
    which = torch.randint(len(patterns), (count, 1), generator=generator)
    mask = torch.zeros(count, HEAD + frames, dtype=torch.bool)
    for index, (head, tail) in enumerate(patterns):
        whole = torch.cat([head.expand(count, -1), tail.expand(count, -1)], 1)
        mask = torch.where(which == index, whole, mask)
    return mask.float()


def condition(states: Tensor, mask: Tensor) -> Tensor:
    """The condition ``known`` (B, 1 + C, N) of states (B, C, N) and masks (B, N)."""
    return torch.cat([mask[:, None], mask[:, None] * states], 1)
