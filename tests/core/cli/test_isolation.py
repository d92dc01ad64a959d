"""``--isolate`` changes nothing but that a crash of the process is one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thinning import thinned

MAKE = ("toy", "red", "--seed", 1, "--steps", 2)
CRASHES = {
    "os._exit(0)": "the process ended with exit code 0",
    "os._exit(5)": "the process ended with exit code 5",
    "os.kill(os.getpid(), 11)": "the process was ended by SIGSEGV",
}


def crash(toy_folder: Path, toy: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Let the toy's loader end the process: a module on the path patches it in every new process."""
    body = f"import gen_toy.model, os\ngen_toy.model.load = lambda *_: {how}\n"
    (toy.parent / "crash").mkdir(exist_ok=True)
    (toy.parent / "crash" / "sitecustomize.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toy.parent / "crash"), str(toy_folder)]))


@pytest.mark.parametrize("how", thinned(CRASHES, 3))
def test_a_crash_is_one_line(
    how: str, gen_cli: Callable[..., Any], toy: Path, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash(toy_folder, toy, monkeypatch, how)
    ran = gen_cli(*MAKE, "-o", "a.png", "--isolate", "--json")
    assert ran.code == 3
    assert ran.envelope["error"]["code"] == "plugin"
    assert CRASHES[how] in ran.envelope["error"]["message"]
    assert "plugin toy (gen-toy 1.0)" in ran.envelope["error"]["message"]
    assert list(toy.iterdir()) == []


def test_files_with_their_recipes_and_exit_codes_are_the_same(
    gen_cli: Callable[..., Any], toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    plain = gen_cli(*MAKE, "-o", "plain.png")
    made = gen_cli(*MAKE, "-o", "made.png", "--isolate")
    assert (made.code, made.out) == (0, "made.png\n")
    assert made.err.replace("made.png", "plain.png") == plain.err
    assert (toy / "made.png").read_bytes() == (toy / "plain.png").read_bytes()
    again = gen_cli(*MAKE, "-o", "made.png", "--isolate", "--json")
    assert (again.code, json.loads(again.out)["error"]["code"]) == (6, "output")
    assert gen_cli("toy", "red", "--steps", 0, "--isolate").code == 2


def test_ctrl_c_reaches_the_child(
    gen_process: Callable[..., subprocess.Popen[bytes]], toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_SECONDS", "60")
    process = gen_process(*MAKE, "-o", "a.png", "--isolate", stdin=subprocess.DEVNULL)
    assert process.stderr is not None
    # The network talks before it sleeps.
    assert any(b"toy: a plugin that talks" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert b"gen: interrupted" in process.stderr.read()
    assert list(toy.iterdir()) == []
