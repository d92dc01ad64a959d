"""A modality without prompts, whose rows hold numbers and tokens, driven from the shell and from Python."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gen
from gen.errors import UsageError
from gen.testing import ModalityConformance

CONFIG = {
    "modality": "table",
    "defaults": {"solver": "ddim", "grid": "uniform", "steps": 8, "guidance": 1.0},
}
pytestmark = pytest.mark.usefixtures("table")


@pytest.fixture(scope="module")
def table_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` with the tables installed in it."""
    import torch

    from gen.model import ModelFile, save_model

    folder = tmp_path_factory.mktemp("tables")
    package = folder / "gen_table"
    shutil.copytree(Path(__file__).parent / "table" / "gen_table", package)
    save_model(package / "pets.safetensors", {"unused": torch.zeros(1)}, CONFIG, {"licence": "CC0-1.0"})
    plugin = package / "plugin.py"
    plugin.write_text(plugin.read_text().replace("{sha256}", ModelFile(package / "pets.safetensors").sha256))
    info = folder / "gen_table-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gen-table\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gen.modalities]\ntable = gen_table.plugin\n")
    return folder


@pytest.fixture
def table(toy: Path, table_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(table_folder))
    monkeypatch.setenv("PYTHONPATH", str(table_folder), prepend=os.pathsep)
    return toy


def cells(path: Path) -> list[str]:
    """The row in a file."""
    return path.read_text().splitlines()[0].split(",")


def test_rows_are_made_without_a_prompt(gen_cli: Callable[..., Any]) -> None:
    ran = gen_cli("table", "-n", 3, "--seed", 4, "-o", "row-{index}.csv")
    assert ran.code == 0, ran.err
    rows = [cells(Path(f"row-{index}.csv")) for index in (1, 2, 3)]
    assert {row[2] for row in rows} <= {"cat", "dog"}
    ran = gen_cli("table", "--seed", 5)
    assert ran.out.strip() == "table-5.csv"
    assert cells(Path("table-5.csv")) == cells(Path("row-2.csv"))


def test_what_the_model_cannot_do_is_not_shown_and_is_refused_with_the_reason(
    gen_cli: Callable[..., Any],
) -> None:
    shown = gen_cli("table", "--help").out
    assert "--negative" not in shown
    # Another model of the modality takes a prompt, can be guided, and has a parameter.
    for text in ("--init", "--mask", "--guidance", "May be left out", "--only", "Options of some models"):
        assert text in shown
    refused = {
        ("a cat",): "model pets takes no prompt",
        ("--negative", "dogs"): "model pets takes no negative prompt",
        ("--guidance", "3"): "model pets cannot be guided",
        ("--guide", "apg"): "model pets cannot be guided",
        ("--guidance-interval", "0:0.5"): "model pets cannot be guided",
        ("--only", "cat"): "model pets takes no only",
        ("--model", "asked", "--init", "row.csv"): "model asked starts from noise alone",
    }
    for arguments, reason in refused.items():
        ran = gen_cli("table", *arguments)
        assert ran.code == 2
        assert reason in ran.err
    schema = json.loads(gen_cli("schema", "table").out)
    assert schema["required"] == []
    assert {"init", "guidance", "only", "prompt"} <= schema["properties"].keys()
    assert "negative" not in schema["properties"]


def test_missing_cells_are_filled_in(gen_cli: Callable[..., Any]) -> None:
    Path("row.csv").write_text("28.5,0,0\n")
    Path("mask.csv").write_text("0,1,1\n")
    ran = gen_cli(
        "table", "--init", "row.csv", "--mask", "mask.csv", "-n", 20, "--seed", 1, "-o", "filled-{index}.csv"
    )
    assert ran.code == 0, ran.err
    rows = [cells(path) for path in Path().glob("filled-*.csv")]
    assert len(rows) == 20
    assert {row[0] for row in rows} == {"28.5000"}
    assert all(45 < float(row[1]) < 80 for row in rows)
    assert sum(row[2] == "dog" for row in rows) >= 18


def test_a_model_may_have_parameters_a_loader_and_abilities_of_its_own() -> None:
    made = gen.table(model="asked", only="dog", count=10, seed=1)
    assert all(one.arrays["kind"][0] == 1 for one in made)
    assert made[0].recipe.params == {"only": "dog"}
    prompted = gen.table("cat", model="asked", guidance=2.0, seed=1)
    assert prompted.arrays["kind"][0] == 0
    again = gen.rerun(made[3])
    np.testing.assert_array_equal(again.arrays["numbers"], made[3].arrays["numbers"])
    with pytest.raises(UsageError, match="model pets takes no only"):
        gen.table(only="dog")


def test_the_law_of_the_rows_is_that_of_the_model() -> None:
    rows = gen.load("pets")(count=400, seed=0, steps=32)
    kinds = np.array([row.arrays["kind"][0] for row in rows])
    weights = np.array([row.arrays["numbers"][0] for row in rows])
    assert 0.4 < kinds.mean() < 0.6
    assert abs(weights[weights < 15].mean() - 4) < 0.6
    assert np.corrcoef(kinds, weights)[0, 1] > 0.85


def test_few_lines_surround_the_network() -> None:
    source = (Path(__file__).parent / "table" / "gen_table" / "model.py").read_text()
    network = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "network")
    assert network.end_lineno is not None
    assert len(source.splitlines()) - (network.end_lineno - network.lineno + 1) <= 100


class TestTable(ModalityConformance):
    name = "table"
