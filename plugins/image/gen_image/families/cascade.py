"""Stages that a further checkpoint samples, which a task names beside the model: upscalers and priors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gen.checkpoints import Checkpoint
from gen.checkpoints.schedule import Schedule
from gen.checkpoints.stage import CheckpointStage, with_scale
from gen.diffusion import Denoiser, ModelDenoiser, TimeGrid
from gen.diffusion.denoiser import Network
from gen.errors import ModelError
from gen.model import Edits, Task
from gen.model.stage import AnyGuidance


@dataclass(frozen=True, kw_only=True, eq=False)
class Further:
    """What a further checkpoint brings.

    Args:
        schedule: How it is sampled.
        network: Its network.
        learned: Whether that gives a variance, too.
    """

    schedule: Schedule
    network: Network
    learned: bool = False


Kind = TypeVar("Kind", bound=Further)


@dataclass(frozen=True, kw_only=True, eq=False)
class FurtherStage(CheckpointStage, Generic[Kind]):
    """The stage of a further checkpoint, which is named by a parameter of the name of the stage.

    It runs on the process of the model: a level of its own is the one of the same signal and noise. Steps and
    scale of the guidance are the parameters ``NAME_steps`` and ``NAME_guidance``.

    Args:
        pipeline: Class of pipeline of the checkpoint.
        title: Of its family, for messages.
        steps, scale: Where a task does not say them.
        load: Loads it.
    """

    pipeline: str
    title: str
    steps: int
    scale: float
    load: Callable[[Checkpoint], Kind]
    _loaded: dict[str, Kind] = field(default_factory=dict)

    def of(self, task: Task) -> Kind | None:
        """That of a task, loaded once while tasks in a row name it; None where it names none.

        Raises:
            ModelError: It is of another family, or damaged.
        """
        found = task.params.get(self.name)
        if found is None:
            return None
        if not isinstance(found, Checkpoint) or found.pipeline != self.pipeline:
            raise ModelError(
                f"the {self.name} is no checkpoint of {self.title}", f"name a folder of {self.pipeline}"
            )
        if found.sha256 not in self._loaded:
            self._loaded.clear()
            self._loaded[found.sha256] = self.load(found)
        return self._loaded[found.sha256]

    def needed(self, task: Task) -> Kind:
        """That of a task, in a stage that is sampled."""
        found = self.of(task)
        assert found is not None
        return found

    def edits(self, task: Task, edits: Edits) -> Edits | None:  # noqa: ARG002
        """None: they are those of the model."""
        return None

    def grid(self, task: Task, named: Callable[[], TimeGrid]) -> TimeGrid | None:
        """None where the task names no checkpoint."""
        return None if self.of(task) is None else named()

    def own_grid(self, task: Task) -> TimeGrid:
        """The steps of its own grid, on the process of the model."""
        schedule = self.needed(task).schedule
        grid = schedule.grid(int(str(task.params.get(f"{self.name}_steps", self.steps))))
        own = schedule.process
        if own == self.process:
            return grid
        times = (self.process.t_of_log_snr(own.level(time).log_snr) for time in grid.times if time > 0)  # type: ignore[union-attr]
        return TimeGrid((*times, *(time for time in grid.times if time <= 0)))

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """The one that is chosen, of its own scale."""
        return with_scale(chosen, float(str(task.params.get(f"{self.name}_guidance", self.scale))))

    def denoiser(self, task: Task) -> Denoiser:
        """Its network as a denoiser."""
        found = self.needed(task)
        schedule = found.schedule
        return ModelDenoiser(found.network, schedule.process, schedule.parameterization, found.learned)
