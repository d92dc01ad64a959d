"""What ``gen plugins check`` finds, and the tests that plugin authors inherit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_plugins import Install, modality

from gen.plugin.host import Host
from gen.testing import Finding, assert_light_import, check_plugin

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "gen-palette"
COMPLETE = """
from gen.plugin import FormatSpec, ModelSpec, hookimpl

@hookimpl
def gen_models():
    return [ModelSpec(name="tiny", modality="good", summary="Tiny.", source="x", sha256="0" * 64, size=1,
                      licence="CC0-1.0")]

@hookimpl
def gen_formats():
    return [FormatSpec(name="txt", kind="good", suffixes=(".txt",), media_type="text/plain",
                       writer="{writer}")]
"""


def complete(writer: str) -> str:
    return COMPLETE.format(writer=writer)


def _check(install: Install, source: str, work: str) -> list[Finding]:
    install("gen-good", {"good_plugin": source, "good_plugin_work": work}, modalities={"good": "good_plugin"})
    return check_plugin(Host.discover(), "good")


def test_a_model_that_cannot_be_opened(install: Install) -> None:
    source = modality("good", "good_plugin") + complete("good_plugin_work:load")
    (finding,) = _check(install, source, "def load(): ...")
    assert finding.message.startswith("the default model tiny cannot be opened")


@pytest.mark.parametrize(
    ("source", "work", "finding"),
    [
        (modality("good", "good_plugin"), "def load(): ...", ("error", "default_model 'tiny'")),
        (modality("good", "good_plugin"), "def load(): ...", ("error", "default_format 'txt'")),
        (modality("good", "nowhere"), "", ("error", "No module named 'nowhere_work'")),
        (modality("good", "good_plugin"), "load = 3", ("error", "cannot be called")),
        (
            modality("good", "good_plugin") + complete("good_plugin_work:write"),
            "def load(): ...",
            ("error", "no attribute 'write'"),
        ),
        ("import trimesh\n" + modality("good", "good_plugin"), "", ("warning", "imports trimesh at the top")),
        ("print('Hi')\n" + modality("good", "good_plugin"), "", ("warning", "prints 'Hi'")),
        ("1 / 0", "", ("error", "ZeroDivisionError")),
    ],
)
def test_findings(install: Install, site: Path, source: str, work: str, finding: tuple[str, str]) -> None:
    (site / "trimesh.py").write_text("")
    level, says = finding
    findings = _check(install, source, work)
    assert [found.level for found in findings if says in found.message] == [level]


def test_plugin_that_declares_nothing(install: Install) -> None:
    install("gen-empty", {"empty_plugin": ""}, plugins={"empty": "empty_plugin"})
    (finding,) = check_plugin(Host.discover(), "empty")
    assert "declares nothing" in finding.message


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import json", None),
        ("import trimesh", "imports trimesh"),
        ("print('Hi')", "prints 'Hi'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "ends the process"),
    ],
)
def test_light_import(site: Path, source: str, says: str | None) -> None:
    (site / "trimesh.py").write_text("")
    (site / "light_module.py").write_text(source)
    if says is None:
        assert_light_import("light_module")
        with pytest.raises(AssertionError, match="imports json"):
            assert_light_import("light_module", forbid=["json"])
        return
    with pytest.raises(AssertionError, match=says):
        assert_light_import("light_module")


@pytest.mark.slow
def test_example_passes_its_tests(site: Path) -> None:
    """The documented example, installed by pip, is found like any plugin and keeps the whole contract."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(EXAMPLE)], check=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "tests"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=EXAMPLE, env=environment)
    assert done.returncode == 0, done.stdout[-2000:]
    assert " passed" in done.stdout
