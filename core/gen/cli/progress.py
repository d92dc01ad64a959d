"""A bar on the terminal while something is made; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gen.generate import Progress


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar on stderr.

    Args:
        title: What is being made.
        quiet: Show nothing.

    Yields:
        What to call after each step; None when nothing is shown.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(title), total=None)

        def report(progress: Progress) -> None:
            total = progress.step.total * progress.parts * progress.items
            runs = progress.parts * progress.item + progress.part
            done = progress.step.total * runs + progress.step.index + 1
            bars.update(task, total=total, completed=done)

        yield report
