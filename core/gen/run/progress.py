"""How far a generation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from gen.diffusion import Step


@dataclass(frozen=True)
class Progress:
    """Where a generation is.

    Args:
        item: Index of the first item of the batch that is being made: so many are done.
        items: How many items there are in all.
        part: Which run of the sampler for this stage it is, from 0.
        parts: How many runs the stage takes: more than one for what is longer than the model makes at once.
        steps: What the sampler has just done, for each part of the state by name; the name of a state that is
            one tensor is empty. ``steps[name].index`` of ``.total``, with the state so far. None where a loop
            of another library samples, which shows no state.
        looped: Of such a loop how many steps are done, and of how many.
        batch: How many items are being made together.
        stage: Which stage of the model it is, from 0.
        stages: How many the model has.
    """

    item: int
    items: int
    part: int
    parts: int
    steps: Mapping[str, Step]
    batch: int = 1
    stage: int = 0
    stages: int = 1
    looped: tuple[int, int] = (0, 1)

    @property
    def step(self) -> Step:
        """The step of the state, or of the first part of a joint one.

        Raises:
            StopIteration: A loop of another library samples.
        """
        return next(iter(self.steps.values()))

    @property
    def counted(self) -> tuple[int, int]:
        """How many steps are done of this run of the sampler, and of how many."""
        return (self.step.index + 1, self.step.total) if self.steps else self.looped

    @property
    def done(self) -> float:
        """The share that is done, in (0, 1]; stages count alike."""
        steps, total = self.counted
        run = (self.part + steps / total) / self.parts
        return (self.item + self.batch * (self.stage + run) / self.stages) / self.items


Report: TypeAlias = "Callable[[int, int, Mapping[str, Step]], None]"
"""Takes (number of the run of the sampler, how many there are, the step of each part of the state)."""


class StageReport(Protocol):
    """Takes the number of the stage, then what ``Report`` takes; or ``looped`` as of ``Progress``."""

    def __call__(
        self,
        stage: int,
        part: int,
        parts: int,
        steps: Mapping[str, Step],
        *,
        looped: tuple[int, int] = (0, 1),
    ) -> None:
        """Report a step."""
