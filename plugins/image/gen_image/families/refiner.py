"""The last part of the steps by another checkpoint: the refiner of Stable Diffusion XL.

An ensemble of denoisers for different noise levels (Podell et al. 2023, arXiv 2307.01952, sec. 2.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gen.checkpoints import Checkpoint
from gen.checkpoints.stage import CheckpointStage
from gen.diffusion import Conditioning, Denoiser, TimeGrid
from gen.diffusion.joint import JointDenoiser
from gen.errors import ModelError, UsageError
from gen.model import State, Task
from gen_image.families.unet import CHAIN

SWITCH = 0.8
"""Share of the way from noise to picture that the base goes, where nobody says otherwise."""


def parts_of(grid: TimeGrid, task: Task) -> tuple[TimeGrid | None, TimeGrid | None]:
    """The parts of a grid that belong to the base and to the refiner; None for one without a step.

    Raises:
        UsageError: A switch is given and no refiner.
    """
    switch = task.params.get("denoising_end")
    if task.params.get("refiner") is None:
        if switch is not None:
            raise UsageError("denoising_end belongs to a refiner that is not given", "add `refiner=FOLDER`")
        return grid, None
    if grid.renoise_steps:
        raise UsageError("a grid that adds noise again has no place for a refiner", "name another grid")
    last = round(CHAIN * (1 - (SWITCH if switch is None else float(str(switch)))))
    times = grid.times
    place = next((i for i, time in enumerate(times) if round(time * CHAIN) - 1 < last), len(times) - 1)
    return (
        TimeGrid(times[: place + 1]) if place else None,
        TimeGrid(times[place:]) if place + 1 < len(times) else None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Refining(CheckpointStage):
    """What the base has left to the checkpoint that a task names as ``refiner``; passed over without one.

    Grid and process are those of the base, whose state it takes over.

    Args:
        load: Loads the stage of a checkpoint of this family.
    """

    load: Callable[[Checkpoint], CheckpointStage]
    _loaded: dict[str, CheckpointStage] = field(default_factory=dict)

    def grid(self, task: Task, named: Callable[[], TimeGrid]) -> TimeGrid | None:
        """The part behind the switch."""
        return parts_of(named(), task)[1]

    def encode(self, task: Task) -> Conditioning:
        """As the refiner does it."""
        return self._inner(task).encode(_without_controls(task))

    def denoiser(self, task: Task) -> Denoiser | JointDenoiser:
        """The refiner's network."""
        return self._inner(task).denoiser(_without_controls(task))

    def prior(self, task: Task, grid: TimeGrid) -> State:
        """What the base has made; pure noise where it had no step."""
        return super().prior(task, grid) if task.previous is None else task.previous

    def _inner(self, task: Task) -> CheckpointStage:
        """The stage of the refiner, loaded once while tasks in a row name it.

        Raises:
            ModelError: It is of another family or damaged.
        """
        given = task.params["refiner"]
        assert isinstance(given, Checkpoint)
        if given.sha256 not in self._loaded:
            self._loaded.clear()
            self._loaded[given.sha256] = self.load(given)
        return self._loaded[given.sha256]


def check_refiner(given: object) -> None:
    """Refuse what is no refiner; before the base takes a step.

    Raises:
        ModelError: It is of another family, a single part, or a base model.
    """
    found = given.pipeline if isinstance(given, Checkpoint) else "a single part"
    if "XL" not in found:
        raise ModelError(
            f"the checkpoint for refiner is {found}, not Stable Diffusion XL", "name the refiner's folder"
        )
    # The refiner reads prompts with the second encoder alone.
    if isinstance(given, Checkpoint) and "text_encoder" in given:
        raise ModelError(
            f"the checkpoint {given.name} for refiner is a base model", "name the refiner's folder"
        )


def _without_controls(task: Task) -> Task:
    """The networks beside the base are made for its U-Net alone."""
    own = {name: value for name, value in task.params.items() if not name.startswith("control")}
    return replace(task, params=own)
