"""The guide for plugin authors shows the examples as they are."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:python|toml)\n(.*?)\n```", GUIDE, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.splitlines()[0][:30] for block in BLOCKS])
def test_code_is_that_of_the_example(block: str) -> None:
    examples = ROOT / "examples"
    files = [*examples.rglob("*.py"), *examples.rglob("pyproject.toml")]
    assert any(block in file.read_text(encoding="utf-8") for file in files)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target


def test_examples_and_templates_import_public_modules_alone() -> None:
    section = GUIDE.partition("## Public and private")[2].partition("\n## ")[0]
    public = set(re.findall(r"`(gen[\w.]*)`", section)) - {"gen.checkpoints"}
    assert {"gen", "gen.plugin", "gen.model"} <= public
    files = [*(ROOT / "examples").rglob("*.py"), *(ROOT / "core" / "gen" / "templates").rglob("*.py")]
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        imported = re.findall(r"^\s*(?:from|import) (gen(?:\.[\w.]+)?)\s", text, re.M)
        assert set(imported) <= public, file


def test_public_modules_exist() -> None:
    for name in re.findall(r"`(gen\.[\w.]+)`", GUIDE.partition("## Public and private")[2]):
        assert importlib.import_module(name)


def test_the_reference_is_that_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import make_plugin_reference as page; print(page.reference(), end='')"],
        cwd=ROOT / "docs",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    written = (ROOT / "docs" / "plugin-reference.md").read_text(encoding="utf-8")
    assert done.stdout == written, "run docs/make_plugin_reference.py"
