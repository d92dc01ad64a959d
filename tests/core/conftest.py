"""A toy modality in a distribution of its own, and ways to run `gen` with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "toy"
CONFIG = {
    "modality": "toy",
    "words": ["red", "green", "blue", "white"],
    "defaults": {"solver": "ddim", "grid": "uniform", "steps": 4, "guidance": 1.0},
    "params": {"width": 24},
}


@dataclass(frozen=True)
class Ran:
    """What one run of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` with the toy installed in it."""
    import torch

    from gen.model import save_model

    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(SOURCE / "gen_toy", folder / "gen_toy", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "gen_toy" / "weights").mkdir()
    colours = torch.tensor([[0.8, -0.8, -0.8], [-0.8, 0.8, -0.8], [-0.8, -0.8, 0.8], [0.8, 0.8, 0.8]])
    card = {"data": "four crayons", "licence": "CC0-1.0"}
    save_model(folder / "gen_toy" / "weights" / "crayon.safetensors", {"colours": colours}, CONFIG, card)
    info = folder / "gen_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gen-toy\nVersion: 1.0\nSummary: A toy.\n")
    (info / "entry_points.txt").write_text("[gen.modalities]\ntoy = gen_toy.plugin\n")
    return folder


@pytest.fixture
def toy(toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The toy is installed, settings are empty, and the working folder is an empty one, which is given."""
    for name in [name for name in os.environ if name.startswith("GEN_")]:
        monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").touch()
    monkeypatch.setenv("GEN_CONFIG", str(tmp_path / "config" / "config.toml"))
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(toy_folder))
    monkeypatch.syspath_prepend(str(toy_folder))
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def gen_cli(toy: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process."""
    from gen.cli.main import main

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def gen_process(toy: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command line in a process of its own."""

    def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gen", *map(str, arguments)]
        # A test run that was started in the background passes on that Ctrl-C is ignored.
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": heed, **options}
        return subprocess.Popen(command, cwd=toy, **streams)

    return start
