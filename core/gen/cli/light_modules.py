"""Load the light module of each plugin in another process: which ones are slow, hang or end the process.

`time_light_modules` starts this module as a process of its own, which writes one JSON object per line:
``{"begun": NAME}`` before a plugin is loaded, and ``{"seconds": S}`` after it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from gen.atomic import temporary_folder
from gen.cli.probe import ending, wait_while_it_grows
from gen.plugin.host import Host

SLOW = 0.2
"""Seconds from which on a light module is slow: it delays every command that lists or uses the plugin."""


@dataclass(frozen=True)
class Loading:
    """How the light module of a plugin was loaded.

    Args:
        seconds: How long it took.
        fault: Why it did not end; empty where it did.
    """

    seconds: float = 0.0
    fault: str = ""


def time_light_modules(names: Sequence[str], limit: float) -> dict[str, Loading]:
    """Load plugins in one process, and in a new one behind each that hangs or crashes.

    Args:
        names: Names of the plugins.
        limit: Seconds that one may take.
    """
    found: dict[str, Loading] = {}
    waiting = list(names)
    while waiting:
        done, fault = _load(waiting, limit)
        found |= dict(zip(waiting, done, strict=False))
        if fault:
            found[waiting[len(done)]] = Loading(fault=fault)
        waiting = [name for name in waiting if name not in found]
    return found


def _load(names: Sequence[str], limit: float) -> tuple[list[Loading], str]:
    """Those that were loaded, and the fault of the next; empty where all were."""
    command = [sys.executable, "-P", "-m", __spec__.name, *names]
    with temporary_folder() as folder, open(folder / "results", "w+b") as results:
        streams = {"stdin": subprocess.DEVNULL, "stdout": results, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, **streams)  # type: ignore[call-overload]
        try:
            code = wait_while_it_grows(process, results, limit)
        finally:
            process.kill()
            process.wait()
        results.seek(0)
        entries = [json.loads(line) for line in results.read().decode().splitlines()]
    loaded = [Loading(entry["seconds"]) for entry in entries if "seconds" in entry]
    if len(loaded) == len(names):
        return loaded, ""
    return loaded, f"is not done after {limit:g} s" if code is None else ending(code)


if __name__ == "__main__":
    # What a plugin prints must not get among the results.
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    host = Host.discover()
    # What all plugins share is loaded before the clock runs.
    import gen.plugin.hookspecs  # noqa: F401

    for name in sys.argv[1:]:
        print(json.dumps({"begun": name}), file=stream, flush=True)
        started = perf_counter()
        host.load(name)
        print(json.dumps({"seconds": round(perf_counter() - started, 3)}), file=stream, flush=True)
