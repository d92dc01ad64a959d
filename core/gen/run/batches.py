"""Which items are made together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gen.model import Model, SettlingEncoder
from gen.plan import Item, Plan
from gen.run.failures import user_values
from gen.run.notices import in_quotes


def batches(
    plan: Plan, model: Model, batch_size: int
) -> list[tuple[Mapping[str, int | float | bool | str], Sequence[Item]]]:
    """Items that can be made together, with the parameters that their texts decide.

    Raises:
        UsageError: A text cannot be made; where there are several, it says which.
    """
    encoder, params = model.encoder, {**plan.params, **plan.artifacts}
    if not isinstance(encoder, SettlingEncoder):
        return [
            ({}, plan.items[first : first + batch_size]) for first in range(0, len(plan.items), batch_size)
        ]
    settled: dict[str, Mapping[str, int | float | bool | str]] = {}
    several = len({item.prompt for item in plan.items}) > 1
    for item in plan.items:
        if item.prompt not in settled:
            what = f"prompt {item.index + 1} of {len(plan.items)}, {in_quotes(item.prompt)}: " * several
            with user_values(what):
                settled[item.prompt] = encoder.settle(item.prompt, params)
    return [(settled[item.prompt], (item,)) for item in plan.items]
