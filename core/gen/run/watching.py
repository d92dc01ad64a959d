"""A file that shows the first item while it is sampled: the current estimate of x0, decoded."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gen.atomic import check_writable
from gen.errors import GenError, GenWarning, UsageError
from gen.formats import find_format, write
from gen.model import Model, State, Task
from gen.plan import Plan
from gen.plugin.specs import FormatSpec
from gen.run.progress import StageReport

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.diffusion import Step

INTERVAL = 1.0
"""Seconds from one preview to the next, at least."""


@dataclass(frozen=True)
class Watch:
    """Where the first item is shown while it is sampled.

    Args:
        path: Replaced by each preview.
        form: The format of the file.
        clock: Gives the time in seconds.
    """

    path: Path
    form: FormatSpec
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(
        cls, path: str | os.PathLike[str], formats: Iterable[FormatSpec], options: Iterable[object] = ()
    ) -> Watch:
        """A watch whose file can be written.

        Args:
            path: The file; its ending names the format.
            formats: Those of the kind of what is made.
            options: The other values of the run. None may name the same file, which it reads.

        Raises:
            UsageError: The ending names no format, or an option names the file.
            OutputError: The file cannot be written.
        """
        form = find_format(formats, path=path)
        check_writable(path, overwrite=True)
        for value in options:
            for one in value if isinstance(value, list | tuple) else (value,):
                if isinstance(one, str | os.PathLike) and same_file(one, path):
                    raise UsageError(f"watch would replace {path}, which is an input", "name another file")
        return cls(Path(path), form)

    def check(self, plan: Plan, model: Model) -> None:
        """Refuse what has no state of the result while it is sampled.

        Raises:
            UsageError: Another library samples, or a picture is made larger in tiles.
        """
        if model.loop is not None:
            raise UsageError(
                f"model {model.name} is sampled by another library, which shows no state", "leave out watch"
            )
        if plan.editing.tiled:
            raise UsageError("a picture made larger in tiles shows no state of the whole", "leave out watch")


@dataclass(eq=False)
class Watching:
    """A report of steps that also shows them.

    Args:
        watch: Where.
        report: Called after the step is shown.
        decode: Makes the artifact of a state (1, *shape) of a task of one item.
        task: That of the batch, with the shape of the codec's state.
    """

    watch: Watch
    report: StageReport
    decode: Callable[[State, Task], Artifact]
    task: Task
    _due: float = field(default=-math.inf, init=False)
    _warned: bool = field(default=False, init=False)

    def __call__(
        self,
        stage: int,
        part: int,
        parts: int,
        steps: Mapping[str, Step],
        *,
        looped: tuple[int, int] = (0, 1),
    ) -> None:
        """Show a step where one is due, or the last; a preview takes half of the time at most."""
        began = self.watch.clock()
        if began >= self._due or all(step.index + 1 == step.total for step in steps.values()):
            # A stage may make another state than the codec's, and a part may be a piece of it.
            if {name: tuple(step.x.shape[1:]) for name, step in steps.items()} == _shapes(self.task):
                self._show(steps)
                ended = self.watch.clock()
                self._due = ended + max(INTERVAL, ended - began)
            elif parts > 1:
                self._warn("what is longer than the model makes at once is not shown")
        self.report(stage, part, parts, steps, looped=looped)

    def _show(self, steps: Mapping[str, Step]) -> None:
        # Copies, so that a codec that works in place cannot change the run.
        x0 = {name: step.x0[:1].clone() for name, step in steps.items()}
        try:
            artifact = self.decode(x0.get("", x0), self.task.row(0))
            write(artifact, self.watch.path, [self.watch.form], overwrite=True, metadata="none")
        except GenError as error:
            self._warn(error.message)

    def _warn(self, reason: str) -> None:
        """Say once why a preview is missing, and let the run go on."""
        if not self._warned:
            warnings.warn(f"watch {self.watch.path}: {reason}", GenWarning, stacklevel=2)
        self._warned = True


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one place, links followed."""
    try:
        return os.path.realpath(one) == os.path.realpath(other)
    except (OSError, ValueError):
        return False


def _shapes(task: Task) -> dict[str, tuple[int, ...]]:
    return dict(task.shape) if isinstance(task.shape, Mapping) else {"": task.shape}
