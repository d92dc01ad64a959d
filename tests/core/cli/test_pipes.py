"""Files through pipes: the recipe travels in the bytes, and what is no artifact is refused."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

Cli = Callable[..., Any]


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_what_comes_through_a_pipe_is_an_input_with_its_recipe(
    gen_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    gen_cli("toy", "red", "--seed", 7, "-o", "red.png")
    feed(monkeypatch, Path("red.png").read_bytes())
    assert gen_cli("toy", "blue", "--left", "-", "-o", "blue.png").code == 0
    recipe = gen_cli("info", "blue.png", "--json").envelope["data"]["recipe"]
    assert recipe["inputs"][0]["format"] == "png"
    assert recipe["parents"][0]["seed"] == 7
    assert gen_cli("rerun", "blue.png", "--check").code == 0


@pytest.mark.parametrize(
    ("content", "line"), [(b"", "stdin is empty"), (b"no picture", "stdin holds no image")]
)
def test_what_is_no_artifact_is_refused(
    gen_cli: Cli, monkeypatch: pytest.MonkeyPatch, content: bytes, line: str
) -> None:
    feed(monkeypatch, content)
    ran = gen_cli("toy", "blue", "--left", "-", "-o", "blue.png")
    assert ran.code == 2
    assert line in ran.err
    assert not Path("blue.png").exists()
