"""Python's warnings on the command line: those of libraries show under -v alone, ours always, none raw."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from thinning import thinned

Start = Callable[..., subprocess.Popen[bytes]]
TEXT = "this function goes away"


def stderr_of(start: Start, *arguments: object) -> str:
    process = start(*arguments)
    _, err = process.communicate()
    assert process.returncode == 0, err.decode()
    return err.decode()


@pytest.mark.parametrize("filters", thinned(["error", "always"], 2))
def test_the_warning_of_a_library_neither_shows_nor_fails(
    gen_process: Start, monkeypatch: pytest.MonkeyPatch, filters: str
) -> None:
    monkeypatch.setenv("TOY_WARNS", TEXT)
    monkeypatch.setenv("PYTHONWARNINGS", filters)
    assert TEXT not in stderr_of(gen_process, "toy", "red", "-o", "red.png")


def test_under_v_it_is_one_line_without_a_place_in_a_file(
    gen_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_WARNS", TEXT)
    lines = stderr_of(gen_process, "toy", "red", "-v", "-o", "red.png").splitlines()
    assert [line for line in lines if TEXT in line] == [f"gen: DeprecationWarning: {TEXT}"]
    assert not any("warnings.warn" in line for line in lines)


def test_our_own_is_a_line_and_stands_in_the_envelope(
    gen_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_WARNS", "no such\nthing")
    monkeypatch.setenv("TOY_WARNING_IS_OURS", "1")
    ran = gen_cli("toy", "red", "--json", "-o", "red.png")
    assert "gen: warning: no such thing\n" in ran.err
    assert ran.envelope["data"]["warnings"] == ["no such thing"]
