"""`--offline`, its variable and its setting: no plugin reaches another machine, and local sockets stay."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

LOADER = """
import os, socket

def load(file, device, dtype):
    with socket.create_connection(("127.0.0.1", int(os.environ["LOCAL_PORT"])), timeout=5):
        print("local works", os.environ.get("HF_HUB_OFFLINE"))
    try:
        {call}
    except OSError as error:
        raise RuntimeError("it was tried")
"""
CONNECT = 'socket.create_connection(("192.0.2.1", 80), timeout=0.01)'
CALLS = {
    CONNECT: "192.0.2.1:80",
    'socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80))': "2001:db8::1:80",
    'socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))': "192.0.2.1:53",
    'socket.getaddrinfo("host.invalid", 443)': "host.invalid:443",
    'socket.gethostbyname("host.invalid")': "host.invalid",
    '__import__("urllib.request").request.urlopen("http://host.invalid/")': "host.invalid:80",
}


@pytest.fixture
def caller(toy_folder: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give the toy a loader that runs a call."""

    def install(call: str) -> None:
        site = toy.parent / "callers"
        shutil.copytree(toy_folder, site)
        plugin = site / "gen_toy" / "plugin.py"
        plugin.write_text(plugin.read_text().replace("gen_toy.model:load", "gen_toy.caller:load"))
        (site / "gen_toy" / "caller.py").write_text(LOADER.format(call=call))
        monkeypatch.setenv("PYTHONPATH", str(site))

    return install


PROGRAM = """
import json, os, sys
from gen.cli.main import main

for folder, variables, words in json.loads(sys.argv[1]):
    os.chdir(folder)
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    try:
        code = main(words)
    except SystemExit as leaving:
        code = leaving.code
    for stream in (sys.stdout, sys.stderr):
        print(f"exit code {code}", file=stream, flush=True)
"""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(*commands: tuple[Path, dict[str, str | None], tuple[str, ...]]) -> list[Ran]:
    """What commands give, one after another in one new process, beside a server on this machine.

    Args:
        commands: The working folder, variables of the environment from then on (None removes one), and words.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = {"LOCAL_PORT": str(server.getsockname()[1])}
        steps = [(str(folder), {**port, **variables}, words) for folder, variables, words in commands]
        program = [sys.executable, "-c", PROGRAM, json.dumps(steps)]
        done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=120)
    outs, errs = (re.split(r"^exit code (\d+)\n", text, flags=re.M) for text in (done.stdout, done.stderr))
    return [
        Ran(int(code), out, err) for out, err, code in zip(outs[::2], errs[::2], outs[1::2], strict=False)
    ]


@pytest.mark.parametrize(
    ("call", "place"),
    [
        pytest.param(call, place, marks=() if call == CONNECT else pytest.mark.slow)
        for call, place in CALLS.items()
    ],
)
def test_a_plugin_reaches_no_other_machine(
    caller: Callable[[str], None], toy: Path, call: str, place: str
) -> None:
    """Recipes do not say that it was forbidden."""
    caller(call)
    plan, made = run(
        (toy, {}, ("toy", "red", "--offline", "--dry-run")),
        (toy, {}, ("toy", "red", "-o", "a.png", "--offline")),
    )
    assert plan.code == 0
    assert "offline" not in plan.out
    assert made.code == 4, made.err
    first, last = made.err.splitlines()
    assert first == "local works 1"
    assert (
        last == f"gen: error: no connection to {place}: --offline forbids it (run without it to allow that)"
    )
    assert not list(toy.iterdir())


def test_the_file_forbids_it_and_the_variable_allows_it_again(
    caller: Callable[[str], None], toy: Path
) -> None:
    """Without either the connection is tried."""
    caller(CONNECT)
    strict = toy.parent / "strict"
    strict.mkdir()
    (strict / "gen.toml").write_text("offline = true\n")
    red = ("toy", "red")
    # What forbids connections does so for good: it comes last.
    plain, allowed, forbidden = run(
        (toy, {}, red), (strict, {"GEN_OFFLINE": "0"}, red), (strict, {"GEN_OFFLINE": None}, red)
    )
    for tried in (plain, allowed):
        assert tried.code != 0
        assert "it was tried" in tried.err
        assert "local works None" in tried.err
    assert "gen.toml forbids it" in forbidden.err


def test_python_heeds_the_variable(
    toy: Path, caller: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(CONNECT)
    monkeypatch.setenv("GEN_OFFLINE", "1")
    command = [sys.executable, "-c", "import gen; gen.toy('red')"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("LOCAL_PORT", str(server.getsockname()[1]))
        ran = subprocess.run(command, cwd=toy, capture_output=True, check=False, timeout=120)
    assert b"ModelError: no connection to 192.0.2.1:80: GEN_OFFLINE forbids it" in ran.stderr
