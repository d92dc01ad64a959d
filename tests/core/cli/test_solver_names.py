"""``gen solvers``, and names of samplers where a solver is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gen import presets

Cli = Callable[..., Any]


def test_solvers_and_grids_are_listed(gen_cli: Cli) -> None:
    data = gen_cli("solvers", "--json").envelope["data"]
    assert [solver["name"] for solver in data["solvers"]] == [*presets.SOLVERS, "default"]
    assert [grid["name"] for grid in data["grids"]] == [*presets.GRIDS, "default", presets.OWN_GRID]
    out = gen_cli("solvers").out
    assert all(f"\n{name} " in out for name in (*list(presets.SOLVERS)[1:], *presets.GRIDS))
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    presets_of = [*presets.SOLVERS.values(), *presets.GRIDS.values()]
    assert all(alias in words for preset in presets_of for alias in preset.aliases)


def test_a_name_is_explained(gen_cli: Cli) -> None:
    data = gen_cli("solvers", "UniPCMultistepScheduler", "--json").envelope["data"]
    assert data["sampler"]["solver"] == "unipc_2"
    assert [grid["name"] for grid in data["grids"]] == ["linspace_open"]
    assert gen_cli("solvers", "UniPCMultistepScheduler").out.startswith("process: DiscreteBetas.linear\n")
    data = gen_cli("solvers", "DDIM Uniform", "--json").envelope["data"]
    assert (data["solvers"], [grid["name"] for grid in data["grids"]]) == ([], ["ddim_uniform"])
    assert gen_cli("solvers", "karras").out.startswith("GRID ")
    refused = gen_cli("solvers", "dpm_fast")
    assert refused.code == 2
    assert "`dpm_3`" in refused.err


def test_a_sampler_sets_solver_and_grid(gen_cli: Cli) -> None:
    def planned(*flags: str) -> tuple[str, str]:
        recipe = gen_cli("toy", "red", "--dry-run", "--json", *flags).envelope["data"]["recipes"][0]
        return recipe["solver"], recipe["grid"]

    assert planned("--solver", "DPM++ 2M Karras") == ("dpmpp_2m", "karras")
    assert planned("--solver", "DPM++ 2M Karras", "--grid", "beta") == ("dpmpp_2m", "beta")
    assert planned("--solver", "euler") == ("ddim", "uniform")
    default = ("--steps", "8", "--guidance", "2", "--solver", "default")
    assert planned(*default) == ("flow_abm_2:spread=0.3", "flow_power:flow_shift=3,power=2")
    assert planned(*default, "--grid", "beta") == ("flow_abm_2:spread=0.3", "beta")
