"""Where the noise of a batch comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gen.diffusion.noise import BlendedNoise, NoiseSource
from gen.plan import Item, Plan


def noise_of(plan: Plan, items: Sequence[Item]) -> NoiseSource:
    """The noise of items: of their own seeds, or between two seeds.

    Args:
        plan: Names the noise rule, and what is edited.
        items: One for each row of the batch.
    """
    editing, make = plan.editing, plan.choices.make_noise
    own = make([item.seed for item in items])
    if editing.vary_seed is not None:
        return BlendedNoise(make([editing.vary_seed] * len(items)), own, [editing.amount] * len(items))
    if editing.to_seed is not None:
        # At 0 and 1 the noise of a single seed, bit for bit.
        weights = [
            share if share in (0, 1) else math.sin(share * math.pi / 2) for share in (i.share for i in items)
        ]
        return BlendedNoise(own, make([editing.to_seed] * len(items)), weights)
    return own
