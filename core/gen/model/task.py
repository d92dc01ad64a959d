"""What a model is asked to make: one argument that carries everything about a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from gen.diffusion import NoiseSource

Shape: TypeAlias = "tuple[int, ...] | Mapping[str, tuple[int, ...]]"
"""The shape of the state of one item; of a joint state that of each part, by name."""

State: TypeAlias = "Tensor | Mapping[str, Tensor]"
"""States (B, *shape) of a batch; of a joint state those of each part, by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A batch of items that are made together.

    Args:
        prompts: One text per item.
        negatives: What to stay away from, one text per item; None where nobody gave one.
        params: All parameters that are decided, files among them as artifacts.
        guidance: The scale of the guidance.
        steps: Steps of the grid, at least 1.
        noise: One seed per item. What draws numbers of its own draws them from ``noise.child("name")``.
        device: Where the networks run, as torch spells it.
        shape: The shape of the state of one item; empty until it is known.
        previous: The state at the end of the stage before this one; None in the first.
    """

    prompts: tuple[str, ...]
    negatives: tuple[str, ...] | None
    params: Mapping[str, object]
    guidance: float
    steps: int
    noise: NoiseSource
    device: str
    shape: Shape = ()
    previous: State | None = None
