"""Presets: every name builds what it says, without torch until then."""

import subprocess
import sys

import pytest

from gen import presets
from gen.diffusion import DDIM, RectifiedFlow, TimeGrid
from gen.errors import UsageError


@pytest.mark.parametrize("preset", presets.SOLVERS.values(), ids=lambda preset: preset.name)
def test_solvers_are_what_the_table_says(preset: presets.SolverPreset) -> None:
    built = presets.solver(preset.name)
    assert built.stochastic == preset.stochastic
    assert getattr(built, "order", preset.order) == preset.order
    for alias in preset.aliases:
        assert presets.solver(alias) == built


@pytest.mark.parametrize("preset", presets.GRIDS.values(), ids=lambda preset: preset.name)
def test_grids_are_what_the_table_says(preset: presets.GridPreset) -> None:
    built = presets.grid(preset.name, 5, RectifiedFlow())
    assert built.steps == 5
    assert presets.grid(preset.name, 5, RectifiedFlow(), shift=2.0) == built.shift(2.0)
    for alias in preset.aliases:
        assert presets.grid(alias, 5, RectifiedFlow()) == built


def test_no_name_means_two_things() -> None:
    for table in (presets.SOLVERS, presets.GRIDS):
        names = [name.lower() for preset in table.values() for name in (preset.name, *preset.aliases)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["DPM++ 2M", "dpmpp-2m", "DPMPP_2M", "DPMSolverMultistepScheduler"])
def test_spellings_that_people_use(name: str) -> None:
    assert presets.solver(name) == presets.solver("dpmpp_2m")


def test_euler_is_ddim() -> None:
    assert presets.solver("Euler") == DDIM()
    assert presets.solver("Euler a") == presets.solver("ddpm") == DDIM(1.0)
    assert presets.grid("uniform", 3, RectifiedFlow()) == TimeGrid.uniform(3)


def test_unknown_names_and_impossible_steps_are_usage_errors() -> None:
    with pytest.raises(UsageError, match=r"unknown solver 'dpmpp_2n'.*dpmpp_2m"):
        presets.solver("dpmpp_2n")
    with pytest.raises(UsageError, match=r"unknown grid 'zzzz'.*known: karras"):
        presets.grid("zzzz", 3, RectifiedFlow())
    with pytest.raises(UsageError, match="grid trailing: steps must be"):
        presets.grid("trailing", 0, RectifiedFlow())


def test_the_tables_need_no_torch() -> None:
    code = "import sys, gen.presets; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
