"""A bar on the terminal while something is made; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gen.run import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


class Bar:
    """A bar that comes with the first step and goes before anything else is written.

    Args:
        title: What is being made.
        shown: Whether there is a terminal to show it.
    """

    def __init__(self, title: str, *, shown: bool) -> None:
        self.title, self.shown = title, shown
        self._bars: Bars | None = None

    def report(self, progress: Progress) -> None:
        """Show how far the generation is."""
        if not self.shown:
            return
        total = progress.counted[1] * progress.parts * progress.stages * progress.items
        done = round(total * progress.done)
        if self._bars is None:
            self._bars = _bars()
            self._bars.add_task(self.title, total=total, completed=done)
            self._bars.start()
        self._bars.update(self._bars.task_ids[0], total=total, completed=done)

    def clear(self) -> None:
        """Take the bar off the terminal; the next step brings it back."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Bar]:
    """A bar on stderr that is gone at the end, whatever happens.

    Args:
        title: What is being made.
        quiet: Show nothing.
    """
    bar = Bar(title, shown=not quiet and sys.stderr is not None and sys.stderr.isatty())
    try:
        yield bar
    finally:
        bar.clear()


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Bars(*columns, console=Console(stderr=True), transient=True)
