"""Which items are made together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gen.model import Model
from gen.model.parts import Parts
from gen.plan import Item, Plan
from gen.run.notices import in_quotes

Settled: TypeAlias = Mapping[str, int | float | bool | str]


@dataclass(frozen=True)
class Batch:
    """Items that are made together.

    Args:
        items: Those that are wanted.
        settled: Parameters that their prompts or seeds decide.
        rows: How many are made: the items, then copies of the last.
    """

    items: tuple[Item, ...]
    settled: Settled
    rows: int


def batches(plan: Plan, model: Model, batch_size: int) -> list[Batch]:
    """The items of a plan in batches, those with equal parameters together.

    Args:
        plan: Whose items.
        model: Decides parameters, and how many items are always made at once, ``Model.batch``; a loop of its
            own makes one at a time.
        batch_size: At most so many items at once, where the model leaves that open.

    Raises:
        UsageError: A prompt cannot be made; where there are several, it says which.
        PluginError: The model fails, or decides what cannot be.
    """
    size = 1 if model.loop is not None else model.batch if model.batch > 1 else batch_size
    alike: dict[str, tuple[Settled, list[Item]]] = {}
    for item in plan.items:
        settled = _settled(plan, model, item)
        alike.setdefault(repr(sorted(settled.items())), (settled, []))[1].append(item)
    return [
        Batch(tuple(part), settled, model.batch if model.batch > 1 else len(part))
        for settled, items in alike.values()
        for part in _cut(items, size)
    ]


def _settled(plan: Plan, model: Model, item: Item) -> Settled:
    """What the model decides for an item, within the bounds of the parameters."""
    several = len({item.prompt for item in plan.items}) > 1
    about = f"prompt {item.index + 1} of {len(plan.items)}, {in_quotes(item.prompt)}: " * several
    parts = Parts(model, plan.plugin)
    return parts.settle(item.prompt, plan.values, item.seed, plan.own, about)


def _cut(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    return (items[first : first + size] for first in range(0, len(items), size))
