"""What an evaluation is given, the model and a way to make things with it, and how it tells shares."""

from __future__ import annotations

import math
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


@dataclass(frozen=True)
class Share:
    """How often something was right; its text is the share with its 95 % interval (Wilson 1927).

    Args:
        right, of: Counts.
    """

    right: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "no samples"
        share = self.right / self.of
        centre = share + 1.92 / self.of
        spread = 1.96 * math.sqrt(share * (1 - share) / self.of + 0.96 / self.of**2)
        low, high = (abs(centre + sign * spread) / (1 + 3.84 / self.of) for sign in (-1, 1))
        return f"{100 * share:.1f} % of {self.of} (95 %: {100 * low:.1f} to {100 * high:.1f})"
