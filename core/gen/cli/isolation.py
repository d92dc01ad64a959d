"""``--isolate``: run a command in a child process, so that a crash of plugin code ends the child alone.

The child has the streams of its parent, and writes its exit code into a file that the parent names: without
that, it did not reach its end. The child is `gen.cli.isolated`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from gen.atomic import temporary_folder
from gen.cli.probe import ending
from gen.errors import PluginError
from gen.plugin.host import Host

FLAG = "--isolate"
CHILD = "gen.cli.isolated"
"""The module that is the child."""


def run_isolated(words: Sequence[str], modality: str) -> int:
    """Run a command without the flag in a child process.

    Args:
        words: What follows ``gen`` on the command line.
        modality: The command, for messages.

    Returns:
        The exit code of the command.

    Raises:
        PluginError: The child crashed, or left before the end.
    """
    with temporary_folder() as folder:
        report = folder / "exit-code"
        rest = [word for word in words if word != FLAG]
        command = [sys.executable, "-P", "-m", CHILD, str(report), *rest]
        process = subprocess.Popen(command)
        with _signals_passed_to(process):
            code = process.wait()
        if report.exists():
            return int(report.read_text())
    hint = "the system may have run out of memory" if code == -getattr(signal, "SIGKILL", 9) else ""
    label = Host.discover().record(modality).label
    raise PluginError(f"plugin {label} does not reach its end: {ending(code)}", hint)


@contextmanager
def _signals_passed_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave the answer to signals to the child."""
    terminated = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        # A terminal sends it to both.
        if not any(os.isatty(stream) for stream in (0, 1, 2) if _is_open(stream)):
            process.send_signal(number)

    def terminate(number: int, _frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        process.send_signal(number)

    before = signal.signal(signal.SIGINT, interrupt), signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
        if terminated:
            signal.raise_signal(signal.SIGTERM)


def _is_open(stream: int) -> bool:
    try:
        os.fstat(stream)
    except OSError:
        return False
    return True
