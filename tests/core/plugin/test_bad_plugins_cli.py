"""The command line beside plugins that misbehave: it goes on working and says what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sample_plugins import Install, modality
from test_bad_plugins import CASES, Case

from gen.cli.main import main

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


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        return [line for line in self.err.splitlines() if "gen-bad 1.0" in line]


Cli = Callable[..., Ran]


@pytest.fixture
def gen_cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command as a new process would: the plugin and its libraries are not imported yet."""

    def run(*words: str) -> Ran:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name in ("bad_plugin", "trimesh"):
                patch.delitem(sys.modules, name, raising=False)
            try:
                code = main(list(words))
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            for name in ("bad_plugin", "trimesh"):
                sys.modules.pop(name, None)
        return Ran(code, *capfd.readouterr())

    return run


@pytest.mark.parametrize("case", [CASES[name] for name in CHOSEN], ids=CHOSEN)
def test_commands_go_on_working(case: Case, install: Install, gen_cli: Cli) -> None:
    modules = {"bad_plugin": case.source}
    install("gen-bad", modules, modalities={case.name: "bad_plugin"}, requires=case.requires)
    if case.unseen:
        used = gen_cli(case.name, "--help")
        assert used.code == 3
        assert len(used.complaints) == 1
        assert used.out == ""
    for words in (["--help"], ["plugins"], ["image", "--help"]):
        done = gen_cli(*words)
        assert done.code == 0, done.err
        (complaint,) = done.complaints
        for said in (case.name, *case.says):
            assert said in complaint
        if words == ["plugins"]:
            row = next(line for line in done.out.splitlines() if "gen-bad" in line)
            assert case.name in row
            assert case.status in row
        else:
            assert "image" in done.out


def test_heavy_plugin_works_and_is_reported(install: Install, gen_cli: Cli) -> None:
    source = "import trimesh\n" + modality("bad", "bad_plugin")
    install("gen-bad", {"bad_plugin": source, "trimesh": ""}, modalities={"bad": "bad_plugin"})
    for words in (["bad", "--help"], ["--help"], ["plugins"], ["image", "--help"]):
        done = gen_cli(*words)
        assert done.code == 0, done.err
        (complaint,) = done.complaints
        assert "imports trimesh at the top" in complaint


def test_plugin_is_switched_off_and_on(install: Install, gen_cli: Cli) -> None:
    install("gen-bad", {"bad_plugin": modality("bad", "bad_plugin")}, modalities={"bad": "bad_plugin"})
    assert gen_cli("plugins", "disable", "bad").code == 0
    refused = gen_cli("bad", "--help")
    assert refused.code == 3
    assert "gen plugins enable bad" in refused.err
    assert gen_cli("plugins", "enable", "bad").code == 0
    assert gen_cli("bad", "--help").code == 0


def test_check_and_show(install: Install, gen_cli: Cli) -> None:
    install("gen-bad", {"bad_plugin": "1 / 0"}, modalities={"bad": "bad_plugin"})
    checked = gen_cli("plugins", "check", "bad")
    assert checked.code == 3
    assert "ZeroDivisionError" in checked.err
    shown = gen_cli("plugins", "show", "bad")
    assert shown.code == 0
    assert "Traceback" in shown.out
    assert gen_cli("plugins", "show", "baad").code == 3
