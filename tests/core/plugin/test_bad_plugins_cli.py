"""The command line beside plugins that misbehave: it goes on working and says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sample_plugins import Install, modality
from test_bad_plugins import CASES, Case

GEN = Path(sys.executable).with_name("gen")
CHOSEN = [
    "raises",
    "exits",
    "misspelt-hook",
    "unknown-argument",
    "future-api",
    "missing-distribution",
    "missing-module",
    "reserved-name",
    "built-in-name",
]
"""One of each kind; the host's own tests see them all."""


def _gen(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GEN, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def _complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "gen-bad 1.0" in line]


@pytest.mark.parametrize("case", [CASES[name] for name in CHOSEN], ids=CHOSEN)
def test_commands_go_on_working(case: Case, install: Install) -> None:
    modules = {"bad_plugin": case.source}
    install("gen-bad", modules, modalities={case.name: "bad_plugin"}, requires=case.requires)
    if case.unseen:
        used = _gen(case.name, "--help")
        assert used.returncode == 3
        assert len(_complaints(used)) == 1
        assert used.stdout == ""
    for words in (["--help"], ["plugins"], ["image", "--help"]):
        done = _gen(*words)
        assert done.returncode == 0, done.stderr
        (complaint,) = _complaints(done)
        for said in (case.name, *case.says):
            assert said in complaint
        if words == ["plugins"]:
            row = next(line for line in done.stdout.splitlines() if "gen-bad" in line)
            assert case.name in row
            assert case.status in row
        else:
            assert "image" in done.stdout


def test_heavy_plugin_works_and_is_reported(install: Install) -> None:
    source = "import trimesh\n" + modality("bad", "bad_plugin")
    install("gen-bad", {"bad_plugin": source, "trimesh": ""}, modalities={"bad": "bad_plugin"})
    for words in (["bad", "--help"], ["--help"], ["plugins"], ["image", "--help"]):
        done = _gen(*words)
        assert done.returncode == 0, done.stderr
        (complaint,) = _complaints(done)
        assert "imports trimesh at the top" in complaint


def test_plugin_is_switched_off_and_on(install: Install) -> None:
    install("gen-bad", {"bad_plugin": modality("bad", "bad_plugin")}, modalities={"bad": "bad_plugin"})
    assert _gen("plugins", "disable", "bad").returncode == 0
    refused = _gen("bad", "--help")
    assert refused.returncode == 3
    assert "gen plugins enable bad" in refused.stderr
    assert _gen("plugins", "enable", "bad").returncode == 0
    assert _gen("bad", "--help").returncode == 0


def test_check_and_show(install: Install) -> None:
    install("gen-bad", {"bad_plugin": "1 / 0"}, modalities={"bad": "bad_plugin"})
    checked = _gen("plugins", "check", "bad")
    assert checked.returncode == 3
    assert "ZeroDivisionError" in checked.stderr
    shown = _gen("plugins", "show", "bad")
    assert shown.returncode == 0
    assert "Traceback" in shown.stdout
    assert _gen("plugins", "show", "baad").returncode == 3
