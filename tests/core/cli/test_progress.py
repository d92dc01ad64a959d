"""The bar on the terminal."""

from __future__ import annotations

import io
import sys

import pytest

from gen.cli.progress import progress_bar
from gen.diffusion import Level, Step
from gen.generate import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(item: int, index: int) -> Progress:
    import torch

    x = torch.zeros(1)
    return Progress(item, 2, 0, 1, Step(index, 4, Level(0.5, 0.5, 0.5), x, x, 1, ()))


def test_a_terminal_gets_a_bar_that_counts_the_steps_of_all_items(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("toy", quiet=False) as report:
        assert report is not None
        report(at(1, 2))
    assert "toy" in terminal.getvalue()
    assert "7/8" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "quiet"), [(Terminal(), True), (io.StringIO(), False)])
def test_silence_and_pipes_get_none(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("toy", quiet=quiet) as report:
        assert report is None
    assert stream.getvalue() == ""
