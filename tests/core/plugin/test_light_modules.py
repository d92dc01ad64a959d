"""Light modules that are slow, hang or end the process are named, and do not take the doctor with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sample_plugins import Install, modality

from gen.cli.light_modules import SLOW, time_light_modules
from gen.plugin.host import Host

WAYS = {
    "quick": "",
    "slow": "import time; time.sleep(0.4)",
    "hangs": "import time; time.sleep(600)",
    "leaves": "import os; os._exit(0)",
    "last": "",
}


@pytest.mark.slow
def test_each_light_module_is_judged_by_itself(install: Install) -> None:
    for name, body in WAYS.items():
        source = f"{body}\n{modality(name, name)}"
        install(f"gen-{name}", {f"{name}_plugin": source}, modalities={name: f"{name}_plugin"})
    found = time_light_modules([*WAYS], limit=8)
    assert found.keys() == WAYS.keys()
    assert found["slow"].seconds > max(SLOW, found["quick"].seconds, found["last"].seconds)
    assert found["hangs"].fault == "is not done after 8 s"
    assert found["leaves"].fault == "the process ended with exit code 0"
    assert not any(found[name].fault for name in ("quick", "slow", "last"))


def test_a_plugin_that_is_set_aside_is_not_loaded(install: Install) -> None:
    install("gen-bad", {"bad_plugin": "raise SystemExit"}, modalities={"bad": "bad_plugin"})
    host = Host.discover()
    host.set_aside("bad", "its light module hangs")
    assert host.load("bad") is None
    assert host.record("bad").reason == "its light module hangs"


def test_the_doctor_names_a_light_module_that_ends_the_process(install: Install) -> None:
    install("gen-bad", {"bad_plugin": WAYS["leaves"]}, modalities={"bad": "bad_plugin"})
    gen = Path(sys.executable).with_name("gen")
    done = subprocess.run([gen, "doctor", "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gen: error:")]
    assert "plugin bad (gen-bad 1.0) is broken: its light module" in line
    assert "the process ended with exit code 0" in line
