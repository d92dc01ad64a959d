"""The benchmarks run: each can be imported, and the quick ones print their tables on small settings."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = sorted(file.stem for file in FOLDER.glob("*.py"))
Main = Callable[..., None]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Iterator[Main]:
    """Runs a benchmark with these arguments."""
    monkeypatch.syspath_prepend(FOLDER)

    def run(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        importlib.import_module(name).main()

    yield run
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_imported(name: str, main: Main) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    if hasattr(module, "main"):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(name, "--help")


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_accuracy_on_shipped_networks(
    modality: str, main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = importlib.import_module("networks")
    monkeypatch.setattr(networks, "PROMPTS", {modality: networks.PROMPTS[modality][:1]})
    monkeypatch.setattr(networks, "PEERS", [("ddim", 1.0)])
    main("networks", modality, "--guidance", "2", "--nfe", "1", "--reference", "2")
    assert re.search(
        rf"## {modality}, guidance 2\n.*\| 1 \| ddim, shift 1 \| [\d.]+ \| ", capsys.readouterr().out, re.S
    )


def test_cost_of_a_step(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    main("step_cost", "--shape", "1", "2", "2", "--steps", "2", "--repeats", "1")
    names = re.findall(r"^(\w+) +[\d.]+  \w+", capsys.readouterr().out, re.M)
    assert names == [name for name, *_ in importlib.import_module("step_cost").PAIRS]


def test_cost_of_batches(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    main("batches", "--rows", "2", "--rounds", "1")
    assert "same bits" in capsys.readouterr().out
