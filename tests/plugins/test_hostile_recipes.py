"""Recipes of strangers, in every format that carries one: one line, the exit code, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gen
from gen.api import find_host
from gen.cli.main import main
from gen.recipe import Conversion, Input, ModelReference, Recipe

SHA = "0" * 64
RECIPE = Recipe(
    modality="image",
    model=ModelReference(name="emoji", sha256=SHA),
    prompt="a fox",
    seed=1,
    steps=4,
    guidance=4.5,
    solver="ddim",
    grid="uniform",
    created="2026-01-01T00:00:00Z",
)
MADE = RECIPE.to_dict()
CONVERSION = Conversion(
    converter="inflate",
    kind="mesh",
    inputs=(Input(role="source", name="a.png", sha256=SHA, format="png"),),
    created="2026-01-01T00:00:00Z",
).to_dict()


def changed(**fields: Any) -> str:
    return json.dumps({**MADE, **fields})


def given(name: str) -> list[dict[str, str]]:
    return [{"role": "init", "name": name, "sha256": SHA}]


HOSTILE = {
    "an import string": changed(solver="os:system"),
    "an import string as a modality": changed(modality="os:system"),
    "a path as a model": changed(model={"name": "../../../etc/passwd", "sha256": SHA}),
    "a path as an input": changed(inputs=given("/etc/passwd")),
    "a path as a mask": changed(inputs=given("a.png"), edits={"mask": "/etc/passwd"}),
    "a path as a grid": changed(grid="/etc/passwd"),
    "a huge seed": changed(seed=10**30),
    "not a number": changed(guidance=float("nan")),
    "a huge picture": changed(params={"width": 10**9}),
    "nested": '{"schema": ' * 400 + "1" + "}" * 400,
    "a converter": json.dumps({**CONVERSION, "converter": "os:system"}),
    "a path as a converter's input": json.dumps(
        {**CONVERSION, "inputs": [{"role": "source", "name": "../../etc/passwd", "sha256": SHA}]}
    ),
    "a path as a parameter": json.dumps({**CONVERSION, "params": {"source": "/etc/passwd"}}),
}


def picture() -> dict[str, Any]:
    return {"arrays": {"pixels": np.zeros((16, 16, 3), np.float32)}}


ARTIFACTS: dict[str, Callable[[], dict[str, Any]]] = {
    "image": picture,
    "audio": lambda: {
        "arrays": {"samples": np.zeros((1, 8000), np.float32)},
        "attributes": {"sample_rate": 8000},
    },
    "video": lambda: {
        "arrays": {"frames": np.zeros((4, 16, 16, 3), np.float32)},
        "attributes": {"fps": "8"},
    },
    "mesh": lambda: {
        "arrays": {
            "vertices": np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32) / 2,
            "faces": np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int64),
        }
    },
    "points": lambda: {"arrays": {"points": np.eye(3, dtype=np.float32)}},
}
CARRIERS = [
    pytest.param(spec.kind, spec.name, id=f"{spec.kind}-{spec.name}")
    for spec in find_host().formats()
    if spec.reader and spec.metadata_reader and spec.kind in ARTIFACTS
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), CARRIERS)
def test_nothing_comes_of_the_recipe_of_a_stranger(
    kind: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = next(one for one in find_host().formats(kind) if one.name == name)
    evil = f"evil{spec.suffixes[0]}"
    artifact = gen.Artifact(kind, recipe=RECIPE, **ARTIFACTS[kind]())
    for what, text in HOSTILE.items():
        with monkeypatch.context() as patch:
            patch.setattr(Recipe, "to_json", lambda _, text=text: text)
            artifact.save(evil, format=name, overwrite=True)
        monkeypatch.setattr("sys.argv", ["gen", "rerun", evil, "-o", "made.png"])
        code, told = main(), capfd.readouterr().err
        assert code in (2, 3, 4), (what, told)
        assert told.startswith("gen: error: "), (what, told)
        assert told.count("\n") == 1, (what, told)
        assert [path.name for path in tmp_path.iterdir()] == [evil], what
        monkeypatch.setattr("sys.argv", ["gen", "info", evil])
        assert main() in (0, 2), what
        capfd.readouterr()
