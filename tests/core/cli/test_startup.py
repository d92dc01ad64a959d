"""What is imported before anything is made, and what never is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPORT = """
import sys
from gen.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("MODULES", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
HEAVY = {"torch", "numpy", "PIL", "safetensors", "tokenizers", "diffusers", "transformers", "scipy"}


def imported(*arguments: str, **variables: str) -> set[str]:
    import os

    run = subprocess.run(
        [sys.executable, "-c", REPORT, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    return set(run.stdout.rpartition("MODULES")[2].split())


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["plugins"],
        ["plugins", "list", "--json"],
        ["toy", "--help"],
        ["image", "--help"],
        ["toy", "--stpes", "3"],
        ["models"],
        ["models", "show", "crayon"],
        ["schema", "toy"],
        ["toy", "red", "--device", "cpu", "--dry-run"],
    ],
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert "gen" in modules
    assert not modules & HEAVY


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("arguments", [["--help"], ["plugins"]])
def test_lists_run_no_plugins_code(arguments: list[str]) -> None:
    assert not imported(*arguments) & {"gen_toy", "gen_image"}


@pytest.mark.usefixtures("toy")
def test_completion_imports_nothing_heavy() -> None:
    line = {"COMP_WORDS": "gen toy --solver d", "COMP_CWORD": "3", "_GEN_COMPLETE": "complete_bash"}
    assert not imported(**line) & HEAVY


@pytest.mark.usefixtures("toy")
def test_the_package_itself_is_light() -> None:
    script = "import sys, gen; dir(gen); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in ran.stdout.split()} & HEAVY


def test_making_something_imports_neither_diffusers_nor_transformers(toy: Path) -> None:
    modules = imported("toy", "red", "-o", "red.png")
    assert (toy / "red.png").exists()
    assert "torch" in modules
    assert not modules & {"diffusers", "transformers", "scipy", "torchaudio", "tokenizers", "huggingface_hub"}
