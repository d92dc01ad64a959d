"""Kinds of artifact: those of the core and of plugins are declared, checked, previewed and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_plugins import Install

from gen.artifact import Artifact
from gen.errors import PluginError, UsageError
from gen.kinds import KINDS
from gen.plan.kinds import check_made
from gen.plan.plan import Plan
from gen.plugin.host import Host
from gen.run.kinds import distance

LIGHT = """
from gen.plugin import ArrayLayout, KindSpec, Signal, hookimpl

@hookimpl
def gen_kinds():
    return [
        KindSpec(name="table", summary="A table.",
                 arrays=(ArrayLayout(name="cells", shape=("rows", (2, 3))),),
                 validate="table_work:validate", distance="table_work:distance"),
        KindSpec(name="image", summary="Another.", arrays=(ArrayLayout(name="cells", shape=("rows",)),)),
    ]
"""
WORK = """
def validate(artifact):
    return "it has negative cells" if (artifact.arrays["cells"] < 0).any() else ""

def distance(one, other):
    return abs(len(one.arrays["cells"]) - len(other.arrays["cells"]))
"""


def table(*rows: tuple[float, ...], name: str = "cells") -> Artifact:
    return Artifact("table", {name: np.array(rows, np.float32)})


@pytest.fixture
def planned(install: Install) -> Callable[..., Any]:
    def plan(work: str = WORK) -> Any:
        from types import SimpleNamespace

        install("gen-table", {"table_plugin": LIGHT, "table_work": work}, plugins={"table": "table_plugin"})
        kind = Host.discover().kind("table", "image")
        return SimpleNamespace(kind=kind, spec=SimpleNamespace(plugin="maker (gen-maker 1.0)"))

    return plan


def test_what_is_made_is_checked_by_its_kind(planned: Callable[..., Plan]) -> None:
    plan = planned()
    check_made(plan.kind, table((1, 2), (3, 4)), plan.spec.plugin, "codec")
    for wrong, line in (
        (table((1, 2), name="cell"), "table has no array 'cell'"),
        (table((1, 2, 3, 4)), "cells"),
        (table((float("nan"), 2)), "cells"),
        (table((-1, 2)), "made an artifact that no table may be: it has negative cells"),
    ):
        with pytest.raises(PluginError, match="codec of plugin maker") as caught:
            check_made(plan.kind, wrong, plan.spec.plugin, "codec")
        assert line in caught.value.message


def test_what_is_given_is_checked_by_its_kind(planned: Callable[..., Plan]) -> None:
    from gen.plan.inputs import Inputs

    planned()
    host = Host.discover()
    good = table((1, 2))
    assert Inputs(host).read("init", good, "table") is good
    for wrong, line in (
        (table((1, 2), name="cell"), "init: table has no array 'cell'"),
        (table((-1, 2)), "init: it has negative cells"),
    ):
        with pytest.raises(UsageError) as caught:
            Inputs(host).read("init", wrong, "table")
        assert caught.value.message == line
        assert caught.value.hint


def test_a_kind_says_how_far_two_are_apart(planned: Callable[..., Plan]) -> None:
    assert distance(planned(), table((1, 2)), table((5, 6), (7, 8))) == 1.0


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            '"it has negative cells" if (artifact.arrays["cells"] < 0).any() else ""',
            "3",
            "validation of kind",
        ),
        ("return abs(", "return -1 - abs(", "distance of kind table of plugin table (gen-table 1.0)"),
        ("return abs(", "return str(", "distance of kind table of plugin table (gen-table 1.0)"),
    ],
)
def test_a_kind_that_fails_is_named(planned: Callable[..., Plan], old: str, new: str, line: str) -> None:
    plan = planned(WORK.replace(old, new))

    def use() -> None:
        check_made(plan.kind, table((1, 2)), plan.spec.plugin, "codec")
        distance(plan, table((1, 2)), table((1, 2)))

    with pytest.raises(PluginError) as caught:
        use()
    assert line in caught.value.message


def test_the_core_keeps_its_kinds_and_declares_them_by_the_hook(planned: Callable[..., Plan]) -> None:
    planned()
    host = Host.discover()
    for name, spec in KINDS.items():
        assert host.kind(name, "image") == spec
    assert "kind 'image' is left out, gen has it already" in host.record("table").notes
    assert host.kind("none", "image") is None
    for record in host.modalities:
        modality = host.modality(record.name)
        kind = host.kind(modality.kind, record.name)
        assert kind is not None
        assert kind.preview in {"", *(form.name for form in host.formats(kind.name))}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('shape=("rows", (2, 3))', 'shape="rows"', "shape must be a tuple of names"),
        (
            'shape=("rows", (2, 3))',
            'shape=("rows",), dtype="float64"',
            "dtype must be 'float32' or 'integer'",
        ),
        ('name="table"', 'name="Table"', "the name must be lower-case"),
        ('validate="table_work:validate"', 'validate="check"', "validate must be an import string"),
        (
            'validate="table',
            'signal=Signal(array="rows", axes=("rows",)), validate="table',
            "is none of its arrays",
        ),
        (
            'validate="table',
            'signal=Signal(array="cells", axes=("row",)), validate="table',
            "dimensions of cells",
        ),
    ],
)
def test_a_faulty_spec_breaks_its_plugin_alone(install: Install, old: str, new: str, reason: str) -> None:
    source = LIGHT.replace(old, new)
    install("gen-table", {"table_plugin": source, "table_work": WORK}, plugins={"table": "table_plugin"})
    host = Host.discover()
    assert host.kind("table", "image") is None
    assert reason in host.record("table").reason


def test_the_preview_of_a_kind(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from gen.cli.main import main

    output = str(tmp_path / "rain.wav")
    assert main(["audio", "rain", "--steps", "1", "--duration", "1", "-o", output, "--preview", "auto"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rain.png", "rain.wav"]
    assert main(["image", "a fox", "--dry-run", "--preview", "auto"]) == 2
    assert "image has no preview" in capfd.readouterr().err
