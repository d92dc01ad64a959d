"""Whether a module is light: what importing it loads and prints, seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from gen.plugin.checks import HEAVY_MODULES

_PROBE = """
import contextlib, importlib, io, json, sys
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    importlib.import_module(sys.argv[1])
print(json.dumps([sorted(set(sys.modules) & set(sys.argv[2:])), printed.getvalue()]))
"""


def assert_light_import(module: str, forbid: Iterable[str] = HEAVY_MODULES) -> None:
    """Import a module in a fresh process and see that it stays light.

    Args:
        module: Dotted name of the module, as the entry point names it.
        forbid: Top-level modules that the import must not load.

    Raises:
        AssertionError: The import fails, loads a forbidden module or prints; the message says which.
    """
    command = [sys.executable, "-c", _PROBE, module, *forbid]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise AssertionError(f"{module} cannot be imported: {last}")
    if not done.stdout.strip():
        raise AssertionError(f"{module} ends the process when it is imported")
    loaded, printed = json.loads(done.stdout.splitlines()[-1])
    if loaded:
        raise AssertionError(f"{module} imports {', '.join(loaded)} at the top")
    if printed:
        raise AssertionError(f"{module} prints {printed.strip()[:60]!r} when it is imported")
