"""`gen` as a process: signals, pipes and full disks leave nothing half-written and no traceback."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Start = Callable[..., subprocess.Popen[bytes]]


def test_an_interrupt_in_the_middle(gen_process: Start, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_SECONDS", "300")
    with gen_process("toy", "red", "-o", "a.png") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"toy: a plugin that talks\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1] == "gen: interrupted"
    assert b"Traceback" not in err
    assert not list(toy.iterdir())


def test_bytes_go_to_a_pipe_and_nothing_else_does(gen_process: Start, toy: Path) -> None:
    with gen_process("toy", "red", "--seed", 1, "-o", "-", "-f", "png") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    with Image.open(io.BytesIO(out)) as picture:
        assert picture.size == (24, 16)
    assert b"seed 1" in err
    assert not list(toy.iterdir())


@pytest.mark.parametrize("arguments", [["plugins"], ["--help"], ["toy", "red", "-n", "2"]])
def test_a_reader_that_leaves_early(gen_process: Start, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with gen_process(*arguments, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"Broken pipe" not in err


def test_no_stdout_at_all(gen_process: Start) -> None:
    with gen_process("plugins", stdout=None, preexec_fn=lambda: os.close(1)) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"Traceback" not in err


def test_a_full_disk(gen_process: Start, toy: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    with gen_process("toy", "red", "-o", "a.png", preexec_fn=limit) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 6
    assert out == b""
    assert err.decode().splitlines()[-1].startswith("gen: error: cannot write a.png: ")
    assert not list(toy.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_device_behind_stdout(gen_process: Start) -> None:
    with open("/dev/full", "wb") as full, gen_process("toy", "red", "-o", "-", stdout=full) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 6
    assert b"gen: error: cannot write to stdout: No space left on device" in err
