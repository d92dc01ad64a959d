"""What the presets state as orders is what is observed, by the code that writes docs/orders.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gen import presets
from gen.plugin import SolverSpec

SOLVERS = [p for p in presets.SOLVERS.values() if p.evaluations and not p.stochastic]


@pytest.fixture(scope="module")
def orders() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[3] / "benchmarks")
        import orders

        yield orders
        for name in ("orders", "mixtures"):
            del sys.modules[name]


@pytest.mark.parametrize("preset", SOLVERS, ids=lambda preset: preset.name)
def test_the_order_of_the_steps(preset: SolverSpec, orders: ModuleType) -> None:
    flow, (_, mixture) = orders.PROCESSES["flow"], orders.problems()
    assert orders.observed(presets.solver(preset.name), flow, mixture, orders.STEPS) == pytest.approx(
        preset.order, abs=0.15
    )


@pytest.mark.parametrize(
    "preset", [p for p in SOLVERS if p.run_order < p.order], ids=lambda preset: preset.name
)
def test_the_first_steps_limit_whole_runs(preset: SolverSpec, orders: ModuleType) -> None:
    """Not below; above where the first error is small beside the others."""
    flow, (_, mixture) = orders.PROCESSES["flow"], orders.problems()
    assert (
        orders.observed(presets.solver(preset.name), flow, mixture, orders.STEPS, 0) > preset.run_order - 0.2
    )


def test_the_table_lists_every_solver() -> None:
    table = (Path(__file__).resolve().parents[3] / "docs" / "orders.md").read_text()
    words = set(re.findall(r"\w+", table))
    assert {preset.name for preset in presets.SOLVERS.values() if preset.evaluations} <= words
    for preset in SOLVERS:
        assert f"| {preset.name} | {preset.order} |" in table
