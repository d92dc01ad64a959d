"""How far a generation is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gen.diffusion import Step


@dataclass(frozen=True)
class Progress:
    """Where a generation is.

    Args:
        item: Index of the first item of the batch that is being made.
        items: How many items there are in all.
        part: Which run of the sampler for this item it is, from 0.
        parts: How many runs the item takes: more than one for what is longer than the model makes at once.
        step: What the sampler has just done: ``step.index`` of ``step.total``, with the state so far.
    """

    item: int
    items: int
    part: int
    parts: int
    step: Step
