"""How far a generation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

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
            one tensor is empty. ``steps[name].index`` of ``.total``, with the state so far.
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

    @property
    def step(self) -> Step:
        """The step of the state, or of the first part of a joint one."""
        return next(iter(self.steps.values()))

    @property
    def done(self) -> float:
        """The share that is done, in (0, 1]; stages count alike."""
        run = (self.part + (self.step.index + 1) / self.step.total) / self.parts
        return (self.item + self.batch * (self.stage + run) / self.stages) / self.items


Report: TypeAlias = "Callable[[int, int, Mapping[str, Step]], None]"
"""Takes (number of the run of the sampler, how many there are, the step of each part of the state)."""
StageReport: TypeAlias = "Callable[[int, int, int, Mapping[str, Step]], None]"
"""Takes the number of the stage, then what ``Report`` takes."""
