"""The task of a model: one argument that carries everything about a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from gen.artifact import Artifact
    from gen.diffusion import NoiseSource

Shape: TypeAlias = "tuple[int, ...] | Mapping[str, tuple[int, ...]]"
"""The shape of the state of one item; of a joint state that of each part, by name."""

State: TypeAlias = "Tensor | Mapping[str, Tensor]"
"""States (B, *shape) of a batch; of a joint state those of each part, by name."""


def _noise() -> NoiseSource:
    from gen.diffusion import NoiseSource

    return NoiseSource([0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A batch of items that are made together; by default one without a prompt, of seed 0.

    Args:
        prompts: One text per item.
        negatives: What to stay away from, one text per item; None where nobody gave one.
        params: All parameters that are decided, files among them as artifacts.
        guidance: The scale of the guidance.
        steps: Steps of the grid, at least 1.
        noise: One seed per item. What draws numbers of its own draws them from ``noise.child("name")``.
        device: Where the networks run, as torch spells it.
        shape: The shape of the state of one item; empty until it is known.
        previous: The state (B, ...) at the end of the stage before this one; None in the first.
        init: What the user gave to start from; None where nothing was.
        mask: Its bright parts are made anew; None where nothing is kept.
        upscale: How many times larger than ``init`` along each side it is made by a model with the ability
            "upscale"; 1 otherwise.
        tile: Edges that meet: ``"x"`` left and right, ``"y"`` top and bottom, ``"xy"`` both; empty for none.
        style: An artifact whose style is followed, by a model with the ability "style".
        noise_std: Standard deviation of the noise in an artifact that ``FieldCodec.measured`` reads, in units
            of the field; 0 where none is stated.
    """

    prompts: tuple[str, ...] = ("",)
    negatives: tuple[str, ...] | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    guidance: float = 1.0
    steps: int = 1
    noise: NoiseSource = field(default_factory=_noise)
    device: str = "cpu"
    shape: Shape = ()
    previous: State | None = None
    init: Artifact | None = None
    mask: Artifact | None = None
    upscale: int = 1
    tile: str = ""
    style: Artifact | None = None
    noise_std: float = 0.0

    def row(self, index: int) -> Task:
        """The task of one item of the batch."""
        negatives = None if self.negatives is None else (self.negatives[index],)
        return replace(
            self,
            prompts=(self.prompts[index],),
            negatives=negatives,
            noise=self.noise.select([index]),
            previous=None if self.previous is None else row_of(self.previous, index),
        )


def row_of(state: State, index: int) -> State:
    """One item (1, *shape) of the states of a batch."""
    if isinstance(state, Mapping):
        return {name: part[index : index + 1] for name, part in state.items()}
    return state[index : index + 1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Edits:
    """What the user gave of the result, as a state that the codec has encoded.

    Args:
        start: What to start from, (1, *shape); None to start from noise.
        keep: Where the state is given, 1, and where it is made, 0: (1, 1, *spatial) or (1, *shape); None
            where nothing is given.
        known: The state there, (1, *shape).
        end: The other end of a way that begins at ``start``, (1, *shape); None where there is none.
    """

    start: State | None = None
    keep: State | None = None
    known: State | None = None
    end: State | None = None

    def __bool__(self) -> bool:
        return self.start is not None or self.keep is not None
