"""Run hooks that refuse, change, surround and mark; commands under ``gen x``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_plugins import Install

import gen
from gen.artifact import distance
from gen.recipe import Recipe

LIGHT = """
from gen.plugin import CommandSpec, Param, RunSpec, hookimpl

@hookimpl
def gen_run():
    return [
        RunSpec(name="polite", summary="Refuses.", before="marks_work:refuse", modalities=("image",)),
        RunSpec(name="mark", summary="Marks pictures.", after="marks_work:mark", around="marks_work:around"),
    ]

@hookimpl
def gen_commands():
    side = Param(name="side", type=int, help="Pixels.", default=3, minimum=1, maximum=9)
    photo = Param(name="photo", type=str, help="A picture.", kind="image")
    word = Param(name="word", type=str, help="A word.", choices=("wide", "high"))
    return [
        CommandSpec(name="area", summary="Area.", run="marks_work:area", params=(side, photo)),
        CommandSpec(
            name="extent", summary="Extent.", run="marks_work:extent", params=(side, photo, word),
            arguments=("word", "photo"),
        ),
    ]
"""

WORK = """
from contextlib import contextmanager
from dataclasses import replace

from gen.errors import UsageError

EVENTS = []

def refuse(plan):
    if any("rude" in item.prompt for item in plan.items):
        raise UsageError("this prompt is rude", "be polite")
    if plan.steps > 5:
        return replace(plan, steps=5)

@contextmanager
def around(plan):
    EVENTS.append("begin")
    yield
    EVENTS.append("end")

def mark(artifact, plan):
    pixels = artifact.arrays["pixels"].copy()
    pixels[:2, :2] = 0
    EVENTS.append("mark")
    return replace(artifact, arrays={"pixels": pixels}), {"corner": "black", "size": 2}

def area(side, photo):
    print("talks")
    return {"area": side * side, "photo": None if photo is None else photo.sizes["width"]}

def extent(side, photo, word):
    return {word: photo.sizes["width" if word == "wide" else "height"] * side}
"""


@pytest.fixture
def marks(install: Install, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def write(old: str = "", new: str = "") -> None:
        work = WORK.replace(old, new)
        install("gen-marks", {"marks_plugin": LIGHT, "marks_work": work}, plugins={"marks": "marks_plugin"})

    return write


def test_a_hook_refuses_changes_and_marks(marks: Callable[..., None]) -> None:
    plain = gen.image("a fox", seed=1, steps=5, solver="ddim")
    marks()
    with pytest.raises(gen.errors.UsageError, match="this prompt is rude"):
        gen.image("a rude fox", steps=1)
    made = gen.image("a fox", seed=1, steps=9, solver="ddim")
    import marks_work  # type: ignore[import-not-found]

    assert marks_work.EVENTS == ["begin", "mark", "end"]
    assert made.recipe is not None
    assert made.recipe.steps == 5
    assert not made.arrays["pixels"][:2, :2].any()
    assert (made.arrays["pixels"][2:] == plain.arrays["pixels"][2:]).all()
    assert made.recipe.provenance == {"mark": {"corner": "black", "size": 2}}
    assert made.recipe.versions["gen-marks"] == "1.0"
    stored = Recipe.from_json(made.recipe.to_json())
    assert stored == made.recipe
    assert distance(made, gen.rerun(stored)) == 0


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "return replace(plan, steps=5)",
            "return 3",
            "before of run hook polite of plugin marks",
        ),
        ('raise UsageError("this prompt is rude", "be polite")', "pass", ""),
        ("    yield\n", "    raise ValueError('no')\n    yield\n", "around of run hook mark of plugin marks"),
        ("@contextmanager\n", "", "around of run hook mark of plugin marks (gen-marks 1.0) returned"),
        (
            '{"corner": "black", "size": 2}',
            "3",
            "after of run hook mark of plugin marks",
        ),
        ('"size": 2', '"size": [2]', "gave notes that no recipe can hold"),
    ],
)
def test_a_hook_that_fails_is_named(
    marks: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    old: str,
    new: str,
    line: str,
) -> None:
    from gen.cli.main import main

    marks(old, new)
    code = main(
        ["image", "a rude fox" if not line else "a fox", "--steps", "6", "-o", str(tmp_path / "x.png")]
    )
    assert code == (3 if line else 0)
    assert line in capfd.readouterr().err


def test_commands_of_plugins(
    marks: Callable[..., None], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import json

    from gen.cli.main import main

    marks()

    def run(*words: str) -> Any:
        capfd.readouterr()
        code = main(["x", *words])
        out, err = capfd.readouterr()
        return code, out, err

    assert "area" in run()[1]
    assert run("area", "--side", "4")[:2] == (0, "area: 16\n")
    assert "talks" in run("area")[2]
    photo = tmp_path / "p.png"
    gen.Artifact("image", {"pixels": np.zeros((2, 5, 3), np.float32)}).save(photo)
    envelope = json.loads(run("area", "--photo", str(photo), "--json")[1])
    assert envelope["data"]["result"] == {"area": 9, "photo": 5}
    assert run("area", "--side", "10")[0] == 2
    assert "side must be at least 1 and at most 9" in run("area", "--side", "10")[2]
    code, _, err = run("area", "--photo", "none.png")
    assert code == 2
    assert "cannot read none.png" in err
    assert run("extent", "High", str(photo), "--side", "2")[:2] == (0, "high: 4\n")
    code, _, err = run("extent", "wide")
    assert code == 2
    assert "Missing argument 'PHOTO' (see `gen x extent --help`)" in err


def test_a_command_that_fails_is_named(marks: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    from gen.cli.main import main

    marks('return {"area"', 'return side\n    return {"area"')
    assert main(["x", "area"]) == 3
    assert (
        "command area of plugin marks (gen-marks 1.0) returned 3, not values by name"
        in capfd.readouterr().err
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('before="marks_work:refuse", ', "", "it has neither before nor around nor after"),
        ('after="marks_work:mark"', 'after="mark"', "after must be an import string"),
        ('name="side"', 'name="json"', "--json belongs to the core"),
        ('name="area"', 'name="Area"', "the name must be lower-case"),
        ('("word", "photo")', '("word", "words")', "arguments names 'words', which is no parameter"),
        ('("word", "photo")', '("word", "word")', "argument 'word' is declared twice"),
        ('("word", "photo")', '("side",)', "parameter 'side' is an argument, and has a default"),
        ('("word", "photo")', "[]", "arguments must be a tuple"),
    ],
)
def test_a_faulty_spec_breaks_its_plugin_alone(install: Install, old: str, new: str, reason: str) -> None:
    from gen.plugin.host import Host

    install(
        "gen-marks",
        {"marks_plugin": LIGHT.replace(old, new), "marks_work": WORK},
        plugins={"marks": "marks_plugin"},
    )
    host = Host.discover()
    assert host.runs("image") == ()
    assert not [spec for spec in host.commands() if spec.plugin.startswith("plugin marks")]
    assert reason in host.record("marks").reason


def test_what_surrounds_a_run_ends_where_writing_fails(
    marks: Callable[..., None], gen_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while somebody holds the error, and with it all that was at work."""
    errors = []

    def full(*_: object) -> None:
        errors.append(gen.errors.OutputError("the disk is full"))
        raise errors[0]

    marks()
    monkeypatch.setattr("gen.cli.making._write", full)
    assert gen_cli("image", "a fox", "--steps", "1", "-o", "fox.png").code == 6
    from marks_work import EVENTS

    assert EVENTS[-1] == "end"
