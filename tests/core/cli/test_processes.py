"""`gen` as a process: signals, pipes and full disks leave nothing half-written and no traceback."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from thinning import thinned

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["toy", "--help"],
        ["plugins"],
        ["plugins", "--json"],
        ["solvers"],
        ["info", "nothing.png", "--json"],
        pytest.param(["toy", "red", "-o", "a.png"], marks=pytest.mark.slow),
        ["toy", "red", "-o", "a.png", "--json"],
    ],
    ids=" ".join,
)
def test_results_that_stdout_does_not_take(gen_process: Start, toy: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full, gen_process(*arguments, stdout=full) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == (2 if "nothing.png" in arguments else 6)
    assert err.decode().splitlines()[-1].startswith("gen: error: cannot ")
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    assert (toy / "a.png").exists() == ("a.png" in arguments)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_path_that_stdout_does_not_take_is_written_once(gen_process: Start, toy: Path) -> None:
    """Its name is made up, and stdout's error is none of the name's."""
    with open("/dev/full", "wb") as full, gen_process("toy", "red", stdout=full) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 6
    assert b"gen: error: cannot write to stdout: No space left on device" in err
    assert len(list(toy.iterdir())) == 1


@pytest.mark.parametrize("encoding", thinned(["ascii", "cp1252", "utf-16", "utf-8"], 4))
def test_a_path_that_is_printed_opens_whatever_the_encoding(
    gen_process: Start, toy: Path, encoding: str
) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    with gen_process("toy", "red \u308a\u3093\u3054", "--seed", 1, env=environment) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert (toy / os.fsdecode(out.removesuffix(b"\n"))).is_file()


def test_an_interrupt_while_the_program_is_loaded(gen_process: Start, toy: Path) -> None:
    """Wherever the interrupt comes once `main` runs: here in the first import that it makes."""
    program = (
        "import sys, signal, os\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'gen.cli.session': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from gen.cli.main import main\n"
        "sys.exit(main(['--help']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=toy, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"gen: interrupted\n")
