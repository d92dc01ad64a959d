"""What an evaluation is given: the model that is to be measured, and a way to make things with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.model import Model


class Draw(Protocol):
    """Makes things with the model that is measured, as ``gen MODALITY`` does."""

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int], **params: object) -> Iterator[Artifact]:
        """Make one artifact for each prompt, one after another, several at once inside.

        Args:
            prompts: What to make.
            seeds: As many, each from 0 to 2**63 - 1.
            params: Values of the modality's parameters; those left out are as when nobody gives them.

        Raises:
            GenError: Something cannot be made.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A model that is to be measured by the evaluation of its modality, behind ``gen eval``.

    Args:
        model: The model, for what cannot be seen in the things that it makes.
        draw: Makes things with it.
        samples: At most so many of each sort of prompt; None for all.
        report: Takes lines of progress.
    """

    model: Model
    draw: Draw
    samples: int | None
    report: Callable[[str], None]
