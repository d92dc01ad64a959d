"""Solvers and grids by the names that people know. Nothing here imports torch until it is asked to build."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gen.errors import UsageError

if TYPE_CHECKING:
    from gen.diffusion import Process, Solver, TimeGrid


class Preset(Protocol):
    """What can be looked up by name."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class SolverPreset:
    """A named solver.

    Args:
        name: The name that is listed.
        aliases: Other names of the same thing.
        summary: One line.
        factory: Import string, "module:qualified.name".
        order: Order of convergence.
        stochastic: Whether it draws noise in every step.
        options: Keyword arguments of the factory.
    """

    name: str
    aliases: tuple[str, ...]
    summary: str
    factory: str
    order: int
    stochastic: bool = False
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class GridPreset:
    """A named time grid.

    Args:
        name: The name that is listed.
        aliases: Other names of the same thing.
        summary: One line.
        factory: Import string, "module:qualified.name", of a function of (steps) or (steps, process).
        of_process: Whether the factory takes the process.
        options: Keyword arguments of the factory.
    """

    name: str
    aliases: tuple[str, ...]
    summary: str
    factory: str
    of_process: bool = False
    options: Mapping[str, object] = field(default_factory=dict)


P = TypeVar("P", bound=Preset)
MULTISTEP = "gen.diffusion:ExponentialMultistep"


def _table(presets: Iterable[P]) -> Mapping[str, P]:
    return MappingProxyType({preset.name: preset for preset in presets})


SOLVERS: Mapping[str, SolverPreset] = _table(
    [
        SolverPreset(
            "ddim",
            ("euler", "k_euler", "flow_euler", "DDIMScheduler", "EulerDiscreteScheduler"),
            "DDIM, the same as Euler: plain and predictable",
            "gen.diffusion:DDIM",
            1,
        ),
        SolverPreset(
            "ddpm",
            ("euler_a", "euler_ancestral", "k_euler_a", "DDPMScheduler", "EulerAncestralDiscreteScheduler"),
            "DDPM, the same as Euler ancestral: fresh noise in every step",
            "gen.diffusion:DDIM",
            1,
            True,
            {"eta": 1.0},
        ),
        SolverPreset(
            "heun",
            ("k_heun", "HeunDiscreteScheduler"),
            "Heun: second order with two evaluations per step",
            "gen.diffusion:Heun",
            2,
        ),
        SolverPreset(
            "dpmpp_2m",
            ("k_dpmpp_2m", "DPMSolverMultistepScheduler"),
            "DPM-Solver++ 2M: second order with one evaluation per step",
            MULTISTEP,
            2,
            False,
            {"order": 2, "quadrature": "midpoint"},
        ),
        SolverPreset(
            "dpmpp_3m",
            ("k_dpmpp_3m",),
            "DPM-Solver++ 3M: third order with one evaluation per step",
            MULTISTEP,
            3,
            False,
            {"order": 3},
        ),
        SolverPreset(
            "dpmpp_2m_sde",
            ("k_dpmpp_2m_sde",),
            "DPM-Solver++ 2M as an SDE: fresh noise in every step",
            MULTISTEP,
            2,
            True,
            {"order": 2, "eta": 1.0, "quadrature": "midpoint"},
        ),
        SolverPreset(
            "dpmpp_3m_sde",
            ("k_dpmpp_3m_sde",),
            "DPM-Solver++ 3M as an SDE: fresh noise in every step",
            MULTISTEP,
            3,
            True,
            {"order": 3, "eta": 1.0},
        ),
    ]
)

GRIDS: Mapping[str, GridPreset] = _table(
    [
        GridPreset(
            "uniform", ("linear", "simple", "flow"), "Equal steps of time", "gen.diffusion:TimeGrid.uniform"
        ),
        GridPreset(
            "trailing",
            ("sgm_uniform",),
            "Equal steps of time on the 1,000 steps of a discrete chain",
            "gen.diffusion:TimeGrid.trailing",
        ),
        GridPreset(
            "karras",
            (),
            "Karras et al. with rho = 7: many small steps near the data",
            "gen.diffusion:TimeGrid.karras",
            True,
        ),
        GridPreset(
            "uniform_log_snr",
            ("exponential", "lu"),
            "Equal steps of log_snr",
            "gen.diffusion:TimeGrid.uniform_log_snr",
            True,
        ),
    ]
)


def solver(name: str) -> Solver:
    """The solver of this name or alias.

    Raises:
        UsageError: There is none; names the closest.
    """
    preset = find(SOLVERS, name, "solver")
    built: Solver = _load(preset.factory)(**preset.options)
    return built


def grid(name: str, steps: int, process: Process, *, shift: float = 1.0) -> TimeGrid:
    """The grid of this name or alias.

    Args:
        name: A name of ``GRIDS``, or an alias.
        steps: At least 1.
        process: Whose levels the grid may space.
        shift: Passed to ``TimeGrid.shift``; 1 changes nothing.

    Raises:
        UsageError: There is no such grid, or it cannot have these steps or this shift.
    """
    preset = find(GRIDS, name, "grid")
    arguments = (steps, process) if preset.of_process else (steps,)
    try:
        built: TimeGrid = _load(preset.factory)(*arguments, **preset.options)
        return built.shift(shift)
    except ValueError as error:
        raise UsageError(f"grid {preset.name}: {error}") from error


def find(presets: Mapping[str, P], name: str, noun: str) -> P:
    """The preset that ``name`` means: case, spaces and hyphens do not count, and "++" is "pp".

    Args:
        presets: ``SOLVERS`` or ``GRIDS``.
        name: A name or an alias.
        noun: What the error calls it.

    Raises:
        UsageError: There is none; names the closest.
    """
    known = {_key(known): preset for preset in presets.values() for known in (preset.name, *preset.aliases)}
    preset = known.get(_key(name))
    if preset is None:
        close = difflib.get_close_matches(_key(name), known, n=3)
        names = sorted({known[key].name for key in close}) or sorted(presets)
        raise UsageError(
            f"unknown {noun} {name[:80]!r}", f"{'did you mean' if close else 'known'}: {', '.join(names)}"
        )
    return preset


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))


def _load(reference: str) -> Any:
    module, _, path = reference.partition(":")
    return reduce(getattr, path.split("."), importlib.import_module(module))
