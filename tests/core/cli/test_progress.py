"""The bar on the terminal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen.cli.progress import progress_bar
from gen.diffusion import Level, Step
from gen.run import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(item: int, index: int) -> Progress:
    import torch

    x = torch.zeros(1)
    step = Step(index, 4, Level(0.5, 0.5, 0.5), x, x, 1, ())
    return Progress(item, 2, 0, 1, {"": step})


def test_a_terminal_gets_a_bar_that_counts_the_steps_of_all_items(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("[toy]", quiet=False) as bar:
        assert terminal.getvalue() == ""
        bar.report(at(1, 2))
    assert "[toy]" in terminal.getvalue()
    assert "7/8" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "quiet"), [(Terminal(), True), (io.StringIO(), False)])
def test_silence_and_pipes_get_none(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("toy", quiet=quiet) as bar:
        bar.report(at(0, 1))
    assert stream.getvalue() == ""


def screen(text: str, rows: int = 40, columns: int = 100) -> list[str]:
    """What is left on a terminal to which a text was written: lines, cursor moves and erasures."""
    lines, row, column = [""] * rows, 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
        if part == "\n":
            row, column = row + 1, 0
        elif part == "\r":
            column = 0
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("A"):
            row = max(0, row - int(part[2:-1] or 1))
        elif not part.startswith("\x1b"):
            lines[row] = lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip()[:columns] for line in lines if line.strip()]


def test_on_a_terminal_paths_stand_alone_and_no_bar_is_left(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pty = pytest.importorskip("pty")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    command = [sys.executable, "-m", "gen", "toy", "red", "blue", "--seed", "1", "-o", "{seed}.png"]
    leader, follower = pty.openpty()
    with subprocess.Popen(command, cwd=toy, stdout=follower, stderr=follower, stdin=follower) as process:
        os.close(follower)
        written = b""
        with contextlib.suppress(OSError):
            while part := os.read(leader, 65536):
                written += part
    os.close(leader)
    assert process.returncode == 0
    assert "8/8" in written.decode()
    lines = [line for line in screen(written.decode()) if line[:5] not in ("toy: ", "gen: ")]
    assert [line[:6] for line in lines] == ["1.png", "seed 1", "2.png", "seed 2"]


def test_a_newline_in_a_path_is_spelt_out_in_messages(gen_cli: Callable[..., Any]) -> None:
    ran = gen_cli("toy", "red", "-o", "a\nb.png")
    assert ran.out == "a\nb.png\n"
    assert "a\\u000ab.png: seed" in ran.err
