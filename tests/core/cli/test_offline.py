"""`--offline`, its variable and its setting: no plugin reaches another machine, and local sockets stay."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[bytes]]

LOADER = """
import os
import socket

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


def run(start: Start, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and stderr of a run beside a server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("LOCAL_PORT", str(server.getsockname()[1]))
        with start(*arguments) as process:
            _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


@pytest.mark.parametrize(
    ("call", "place"),
    [
        pytest.param(call, place, marks=() if call == CONNECT else pytest.mark.slow)
        for call, place in CALLS.items()
    ],
)
def test_a_plugin_reaches_no_other_machine(
    gen_process: Start,
    caller: Callable[[str], None],
    toy: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    place: str,
) -> None:
    caller(call)
    code, err = run(gen_process, "toy", "red", "-o", "a.png", "--offline", monkeypatch=monkeypatch)
    assert code == 4, err
    first, last = err.splitlines()
    assert first == "local works 1"
    assert (
        last == f"gen: error: no connection to {place}: --offline forbids it (run without it to allow that)"
    )
    assert not list(toy.iterdir())


def test_without_the_flag_the_connection_is_tried(
    gen_process: Start, caller: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(CONNECT)
    code, err = run(gen_process, "toy", "red", monkeypatch=monkeypatch)
    assert code != 0
    assert "it was tried" in err
    assert "local works None" in err


def test_the_variable_and_the_files_forbid_it_too(
    gen_process: Start, caller: Callable[[str], None], toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(CONNECT)
    settings = toy / "gen.toml"
    settings.write_text("offline = true\n")
    assert "gen.toml forbids it" in run(gen_process, "toy", "red", monkeypatch=monkeypatch)[1]
    monkeypatch.setenv("GEN_OFFLINE", "0")
    assert "it was tried" in run(gen_process, "toy", "red", monkeypatch=monkeypatch)[1]


def test_python_heeds_the_variable(
    toy: Path, caller: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(CONNECT)
    monkeypatch.setenv("GEN_OFFLINE", "1")
    command = [sys.executable, "-c", "import gen; gen.toy('red')"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("LOCAL_PORT", str(server.getsockname()[1]))
        ran = subprocess.run(command, cwd=toy, capture_output=True, check=False, timeout=60)
    assert b"ModelError: no connection to 192.0.2.1:80: GEN_OFFLINE forbids it" in ran.stderr


def test_recipes_do_not_tell(gen_process: Start, toy: Path) -> None:
    with gen_process("toy", "red", "--offline", "--dry-run") as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"offline" not in out
