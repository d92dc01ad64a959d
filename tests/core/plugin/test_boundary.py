"""A plugin that misbehaves in each part, in every way: one line, exit code 3, and nothing is left of it."""

from __future__ import annotations

import json
import locale
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sample_plugins import Install

from gen.cli.main import main
from gen.errors import UsageError, described, line_of
from gen.model import ModelFile, save_model
from gen.plugin.boundary import calling
from thinning import striped, thinned

RUDE = Path(__file__).parent / "rude"
MAKE = ("rude", "a", "-o", "out.rude", "--steps", "2", "--seed", "1")
EDIT = (*MAKE, "--init", "in.rude", "--mask", "in.rude")
COMMANDS = {
    "import": MAKE,
    "hook": MAKE,
    "heavy import": MAKE,
    "loader": MAKE,
    "encoder.unknown_words": MAKE,
    "encoder.settle": MAKE,
    "encoder": MAKE,
    "network": MAKE,
    "codec.shape": MAKE,
    "codec.encode": EDIT,
    "codec.mask": EDIT,
    "codec.decode": MAKE,
    "codec.composite": EDIT,
    "writer": MAKE,
    "reader": EDIT,
    "metadata reader": ("info", "in.rude"),
    "can_read": ("info", "in.rude"),
    "evaluation": ("eval", "rude"),
    "recipe factory": ("train", "rude", "--recipe", "quick"),
    "factory of solver rude": (*MAKE, "--solver", "rude"),
    "solver rude": (*MAKE, "--solver", "rude"),
    "factory of grid rude": (*MAKE, "--grid", "rude"),
    "factory of guidance rude": (*MAKE, "--guide", "rude"),
    "factory of guidance ruder": (*MAKE, "--guide", "ruder"),
    "guidance rude": (*MAKE, "--guide", "rude", "--guide", "clip", "--guidance-interval", "0:1"),
    "guidance ruder": (*MAKE, "--guidance", "3", "--guide", "ruder"),
    "factory of cache rude": (*MAKE, "--cache", "rude"),
    "cache rude": (*MAKE, "--cache", "rude"),
    "factory of noise rude": (*MAKE, "--noise", "rude"),
    "noise rude": (*MAKE, "--noise", "rude", "--solver", "rude"),
    "validation of kind rude": MAKE,
    "distance of kind rude": ("rerun", "../made.rude", "--check"),
    "converter rude": ("convert", "in.rude", "-o", "out.polite"),
    "before of run hook rude": MAKE,
    "around of run hook rude": MAKE,
    "after of run hook rude": MAKE,
    "command rude": ("x", "rude"),
}
"""How each part is reached from the command line."""

RAISED = (
    "ValueError",
    "TypeError",
    "RuntimeError",
    "FileNotFoundError",
    "BrokenPipeError",
    "StopIteration",
    "GeneratorExit",
    "MuteError",
    "SystemExit0",
    "SystemExit5",
    "SystemExitText",
    "KeyboardInterrupt",
    "BaseExceptionGroup",
    "RecursionError",
)
RETURNED = {
    "loader": ("None", "text"),
    "encoder.unknown_words": ("None", "text", "int"),
    "encoder.settle": ("None", "unknown name", "NaN by name"),
    "encoder": ("None", "NaN condition", "two conditions"),
    "network": ("None", "longer", "integers", "NaN"),
    "codec.shape": ("None", "zero", "list", "text"),
    "codec.encode": ("None", "two rows", "longer", "NaN"),
    "codec.mask": ("None", "longer", "NaN", "beyond"),
    "codec.decode": ("None", "int", "empty list", "twice", "NaN artifacts"),
    "codec.composite": ("None", "text", "NaN artifact", "strange image"),
    "writer": ("None", "text", "empty bytes"),
    "reader": ("None", "text", "strange image"),
    "metadata reader": ("None", "text", "number by name"),
    "can_read": ("None", "text"),
    "evaluation": ("None", "text", "empty list", "NaN by name"),
    "recipe factory": ("None",),
    "factory of solver rude": ("None", "text"),
    "solver rude": ("None", "text", "NaN update", "longer update"),
    "factory of grid rude": ("None", "text"),
    "factory of guidance rude": ("None", "text"),
    "factory of guidance ruder": ("None", "text"),
    "guidance rude": ("None", "text", "NaN prediction", "longer prediction"),
    "guidance ruder": ("None", "text", "NaN prediction", "longer prediction"),
    "factory of cache rude": ("None", "text"),
    "cache rude": ("None", "text", "NaN prediction", "longer prediction"),
    "factory of noise rude": ("None", "text"),
    "noise rude": ("None", "text", "NaN", "longer"),
    "validation of kind rude": ("None", "int"),
    "distance of kind rude": ("None", "text", "endless"),
    "converter rude": ("None", "text", "NaN artifact", "strange image"),
    "before of run hook rude": ("text", "int"),
    "after of run hook rude": ("None", "text", "strange image"),
    "command rude": ("None", "text", "NaN by name"),
}
FAULTS = [
    *striped(COMMANDS, RAISED, 14),
    *((part, how) for part, ways in RETURNED.items() for how in ways),
]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def rude(
    install: Install,
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command while a part of the rude plugin behaves in some way."""
    model, work = tmp_path / "tiny.safetensors", tmp_path / "work"
    defaults = {"solver": "ddim", "grid": "uniform", "steps": 2, "guidance": 1.0}
    save_model(model, {}, {"modality": "rude", "defaults": defaults}, {})
    case = (RUDE / "rude_case.py").read_text()
    sources = {name: (RUDE / f"{name}.py").read_text() for name in ("rude_plugin", "rude_work")}
    install("gen-rude", sources, modalities={"rude": "rude_plugin"}, version="2.5")
    work.mkdir()
    (work / "in.rude").write_text('{"values": [0.5, 1, 0, 1]}')
    monkeypatch.chdir(work)
    monkeypatch.setenv("GEN_RUDE_TEST", "1")
    monkeypatch.setenv("GEN_PLUGINS", "rude")

    def run(part: str, how: str, *command: str) -> Ran:
        names = f"PART, HOW, MODEL, SHA256 = {(part, how, str(model), ModelFile(model).sha256)!r}"
        (site / "rude_case.py").write_text(case.replace('PART, HOW, MODEL, SHA256 = "", "", "", ""', names))
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        for name in ("rude_case", "rude_plugin", "rude_work"):
            sys.modules.pop(name, None)
        words = command or COMMANDS[part]
        if words[0] == "rerun" and not Path(words[1]).exists():
            run("nothing", "None", *MAKE, "-o", words[1])
            return run(part, how, *command)
        capfd.readouterr()
        try:
            code = main(list(words))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        finally:
            sys.dont_write_bytecode = before
        return Ran(code, *capfd.readouterr())

    return run


def shared_state() -> dict[str, Any]:
    """All that a plugin should leave as it is."""
    umask = os.umask(0o22)
    os.umask(umask)
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.empty(0).device,
        "threads": torch.get_num_threads(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "gradients": torch.is_grad_enabled(),
        "numbers of torch": torch.get_rng_state().tolist(),
        "numbers of numpy": [*map(repr, np.random.get_state())],
        "numbers of Python": random.getstate(),
        "warnings": list(warnings.filters),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "umask": umask,
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
        "hooks": (sys.excepthook, sys.stdout, sys.stderr),
    }


def only_error(ran: Ran) -> str:
    (line,) = [line for line in ran.err.splitlines() if line.startswith("gen: error:")]
    return line


@pytest.mark.parametrize(("part", "how"), FAULTS)
def test_every_fault_is_one_line_that_names_the_plugin_and_leaves_nothing(
    rude: Run, part: str, how: str
) -> None:
    before, files = shared_state(), sorted(Path.cwd().iterdir())
    ran = rude(part, how)
    line = only_error(ran)
    assert ran.code == 3, ran.err
    assert "plugin rude (gen-rude 2.5)" in line
    assert "internal error" not in line
    assert "Traceback" not in ran.err
    if part == "heavy import":
        assert "cannot load 'rude_work:" in line
    elif part not in ("import", "hook"):
        assert f"the {part}" in line
    if how in RAISED:
        assert how.rstrip("05").removesuffix("Text") in line
    assert ran.out == ""
    assert sorted(path for path in Path.cwd().iterdir() if path.name != "runs") == files
    assert shared_state() == before


@pytest.mark.parametrize(
    "part", thinned([part for part in COMMANDS if part not in ("import", "hook", "heavy import")], 3)
)
def test_memory_that_does_not_suffice_has_its_own_exit_code(rude: Run, part: str) -> None:
    ran = rude(part, "MemoryError")
    assert ran.code == 5
    assert "the memory does not suffice" in only_error(ran)
    assert "plugin rude (gen-rude 2.5)" in only_error(ran)


@pytest.mark.parametrize(
    ("part", "fails"), striped([part for part in COMMANDS if part != "recipe factory"], [False, True], 4)
)
def test_what_the_process_shares_is_as_before(rude: Run, part: str, fails: bool) -> None:
    before = shared_state()
    ran = rude(part, "pollutes and raises" if fails else "pollutes")
    after = shared_state()
    for name, value in before.items():
        assert after[name] == value, name
    assert ran.code == (3 if fails else 0), ran.err


@pytest.mark.parametrize("part", thinned([part for part in COMMANDS if part != "recipe factory"], 3))
def test_stdout_is_the_hosts(rude: Run, part: str) -> None:
    polite = rude("nothing", "None", *COMMANDS[part])
    for path in Path.cwd().glob("out.*"):
        path.unlink()
    loud = rude(part, "prints")
    assert loud.code == 0, loud.err
    assert loud.out == polite.out
    assert loud.err.count("RUBBISH") >= 4


def test_a_file_on_stdout_and_an_envelope_stay_whole(rude: Run) -> None:
    made = rude("codec.decode", "prints", *MAKE[:2], "-o", "-", "--seed", "1")
    assert len(json.loads(made.out)["values"]) == 4
    told = rude("codec.decode", "prints", *MAKE, "--json")
    assert json.loads(told.out)["ok"] is True


def test_stdout_may_be_closed(tmp_path: Path) -> None:
    """What is printed then reaches no file that happens to have the descriptor of stdout."""
    program = (
        "import os, sys\n"
        "from gen.cli.plugin_output import stdout_to_stderr\n"
        "with stdout_to_stderr():\n"
        "    os.write(1, b'RUBBISH')\n"
        "file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "assert file == 1\n"
    )
    command = '"$0" -c "$1" "$2" >&-'
    words = ["sh", "-c", command, sys.executable, program, str(tmp_path / "file")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == "RUBBISH"


def test_a_user_is_blamed_only_by_the_exception_for_it() -> None:
    with pytest.raises(UsageError, match=r"^a\.png: too dark$"), calling("rude", "encoder", about="a.png: "):
        raise UsageError("too dark")


@pytest.mark.parametrize("otherwise", [None, RuntimeError("never mind"), SystemExit(0)])
def test_ctrl_c_that_a_plugin_swallows_or_renames_still_interrupts(otherwise: BaseException | None) -> None:
    def plugin() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        if otherwise is not None:
            raise otherwise

    with pytest.raises(KeyboardInterrupt), calling("rude", "encoder"):
        plugin()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_file_that_its_kind_does_not_allow_is_the_users(rude: Run) -> None:
    ran = rude("validation of kind rude", "text", *EDIT)
    assert ran.code == 2
    assert "init in.rude: a text" in only_error(ran)


@pytest.mark.parametrize("how", thinned(RAISED, 3))
def test_a_hook_that_fails_at_its_end_is_named_and_what_is_written_stays(rude: Run, how: str) -> None:
    ran = rude("exit of run hook rude", how, *MAKE)
    assert ran.code == 7, "something is made"
    assert "the exit of run hook rude of plugin rude (gen-rude 2.5)" in only_error(ran)
    assert Path("out.rude").stat().st_size


def test_exceptions_are_described_on_one_line() -> None:
    assert described(ValueError("two\nlines")) == "ValueError: two lines"
    assert described(RuntimeError()) == "RuntimeError"
    assert described(ExceptionGroup("all", [KeyError("a")])).startswith("ExceptionGroup: all")
    assert line_of(RuntimeError()) == "RuntimeError"


FOUND = {
    "encoder.settle": ("unknown name", "error", "decided 'rudeness'"),
    "network": ("in place", "error", "the network changes its input in place"),
    "codec.decode": ("draws", "warning", "the codec.decode changes torch's random numbers of the process"),
    "codec.encode": ("None", "error", "what was made cannot be used as init"),
    "codec.mask": ("beyond", "error", "what was made cannot be used as mask"),
    "codec.shape": ("small only", "error", "size = 8: the codec.shape of plugin rude"),
    "writer": ("empty bytes", "error", "the format rude: the writer of rude of plugin rude"),
    "reader": ("text", "error", "the format rude: "),
    "can_read": ("text", "error", "the format ruder: the can_read of ruder of plugin rude"),
    "loader": ("pollutes", "warning", "the loader changes the working folder, the environment"),
    "recipe factory": ("None", "error", "the recipe quick: the recipe factory quick of plugin rude"),
}


@pytest.mark.parametrize("part", FOUND)
def test_the_check_names_what_a_part_does_wrong(rude: Run, part: str) -> None:
    how, level, said = FOUND[part]
    ran = rude(part, how, "plugins", "check", "rude", "--json")
    findings = json.loads(ran.out)["data"]["findings"]
    (finding,) = [finding for finding in findings if said in finding["message"]]
    assert finding["level"] == level
    assert finding["hint"]
    assert "fault of the plugin" not in finding["hint"]


def test_a_trace_names_each_call_with_its_time(rude: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_TRACE_PLUGINS", "1")
    ran = rude("nothing", "None", *MAKE)
    assert ran.out == "out.rude\n"
    traced = [line for line in ran.err.splitlines() if line.startswith("gen: trace:")]
    for part in ("light module", "hook gen_models", "loader", "encoder", "network", "codec.decode", "writer"):
        assert any(f"ms  {part}" in line and "rude (gen-rude 2.5)" in line for line in traced), part
