"""The page about the core: its code runs, its names exist, its orders are true, and no noun is missing."""

from __future__ import annotations

import builtins
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import gen.diffusion
from gen.diffusion import categorical, guidance, inverse, joint, solvers
from gen.presets import GUIDANCES, SOLVERS
from gen.presets.caches import CACHES

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "core.md").read_text(encoding="utf-8")
SPACES = {
    "gd": gen.diffusion,
    "categorical": categorical,
    "guidance": guidance,
    "inverse": inverse,
    "joint": joint,
    "solvers": solvers,
}


def test_code_runs_from_top_to_bottom() -> None:
    torch.manual_seed(0)
    namespace: dict[str, Any] = {}
    for match in re.finditer(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        # Behind as many empty lines as are before it, so that a traceback names the line of the page.
        lines = "\n" * (PAGE.count("\n", 0, match.start(1)))
        exec(compile(lines + match[1], str(DOCS / "core.md"), "exec"), namespace)


@pytest.mark.parametrize("space", SPACES)
def test_every_public_name_is_explained(space: str) -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert set(SPACES[space].__all__) <= words, sorted(set(SPACES[space].__all__) - words)


def test_every_guidance_and_cache_of_the_command_line_is_explained() -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert {*GUIDANCES, *CACHES} <= words, sorted({*GUIDANCES, *CACHES} - words)


def test_classes_that_are_named_exist() -> None:
    modules = pkgutil.walk_packages(gen.diffusion.__path__, "gen.diffusion.")
    known = set(dir(builtins)).union(*(dir(importlib.import_module(module.name)) for module in modules))
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
    named = {name for code in quoted for name in re.findall(r"(?<![\w.])[A-Z][A-Za-z]+(?=\(|$)", code)}
    assert len(named) > 80
    assert named <= known, sorted(named - known)


def test_orders_and_calls_of_solvers_are_those_of_their_presets() -> None:
    found: dict[str, list[tuple[set[int], set[int]]]] = {}
    for classes, order, calls in re.findall(r"^\| (`\w+\(.*?) \| .* \| ([^|]+) \| ([^|]+) \|$", PAGE, re.M):
        names = re.findall(r"`(\w+)\(", classes)
        for index, name in enumerate(names):
            found.setdefault(name, []).append((_numbers(order, index, names), _numbers(calls, index, names)))
    assert len(found) > 20
    for preset in SOLVERS.values():
        module, _, name = preset.factory.partition(":")
        if module == "gen.diffusion.solvers" and not preset.stochastic and name != "FlowMap":
            orders, calls = (set().union(*numbers) for numbers in zip(*found[name], strict=True))
            assert preset.order in orders, preset.name
            assert preset.evaluations in calls or not calls, preset.name


def _numbers(cell: str, index: int, names: list[str]) -> set[int]:
    """The numbers of a cell, "2" or "1–4", or with commas those of one name of several."""
    parts = cell.split(", ")
    own = parts[index : index + 1] if len(parts) == len(names) else parts
    bounds = [int(number) for number in re.findall(r"\d+", " ".join(own))]
    return set(range(min(bounds), max(bounds) + 1)) if bounds else set()


def test_links_and_pictures_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (DOCS / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", line).replace(" ", "-").lower()
        for line in re.findall(r"^##+ (.*)$", PAGE, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
    assert {path.name for path in (DOCS / "core").iterdir()} == set(re.findall(r"core/(\w+\.png)", PAGE))
