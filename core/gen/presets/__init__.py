"""Solvers and grids by the names that people know. Nothing here imports torch until it is asked to build.

Case, spaces and punctuation do not count in a name, and "++" is "pp". Beside the names of ``SOLVERS`` and
``GRIDS`` and their aliases, diffusers' scheduler classes and names such as "DPM++ 2M Karras", a solver with
its grid, are known: ``sampler`` takes them apart.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gen.errors import UsageError
from gen.plugin.specs import GridSpec, SolverSpec
from gen.plugin.text import plain_name
from gen.presets.grid_list import GridList, grid_list, read_grid_list
from gen.presets.grids import GRIDS
from gen.presets.guidances import GUIDANCES
from gen.presets.samplers import REFUSED, SCHEDULERS
from gen.presets.solvers import SOLVERS, TOKEN_SOLVERS
from gen.presets.specs import S, Sampler, build

if TYPE_CHECKING:
    from gen.diffusion import Guidance, Process, Solver, TimeGrid

__all__ = [
    "GRIDS",
    "REFUSED",
    "SCHEDULERS",
    "SOLVERS",
    "TOKEN_SOLVERS",
    "GridList",
    "Sampler",
    "build",
    "default_names",
    "default_sampler",
    "find",
    "grid",
    "grid_list",
    "grid_name",
    "guidance",
    "read_grid_list",
    "sampler",
    "solver",
]


def solver(name: str) -> Solver:
    """The solver of this name, or that of a sampler of this name.

    Raises:
        UsageError: There is none; names the closest.
    """
    built: Solver = build(SOLVERS[sampler(name).solver])
    return built


def guidance(name: str, scale: float) -> Guidance:
    """The guidance that belongs to the solver of this name, at this scale: classifier-free, or CFG++.

    Raises:
        UsageError: There is no such solver, or its guidance cannot have this scale.
    """
    preset = SOLVERS[sampler(name).solver]
    try:
        built: Guidance = build(find(GUIDANCES, preset.guidance, "guidance"), scale=scale)
    except ValueError as error:
        raise UsageError(f"solver {preset.name}: {error}", "change the guidance or the solver") from error
    return built


def grid(name: str, steps: int, process: Process, *, shift: float = 1.0) -> TimeGrid:
    """The grid of this name or alias, or the list that ``grid_list`` reads.

    Args:
        name: A name of ``GRIDS``, an alias, or a list.
        steps: At least 1; those of a list.
        process: Whose levels the grid may space.
        shift: Passed to ``TimeGrid.shift``; 1 changes nothing.

    Raises:
        UsageError: There is no such grid, or it cannot have these steps or this shift.
    """
    numbers = grid_list(name)
    if numbers is not None:
        if steps != numbers.steps:
            raise UsageError(f"the list of the grid has {numbers.steps} steps, not {steps}")
        label, made = "list", partial(numbers.build, process)
    else:
        preset = find(GRIDS, name, "grid")
        spaced: dict[str, Any] = {"process": process} if preset.needs else {}
        label, made = preset.name, partial(build, preset, steps=steps, **spaced)
    try:
        return made().shift(shift)
    except ValueError as error:
        raise UsageError(f"grid {label}: {error}") from error


def grid_name(text: str) -> str:
    """The name in ``GRIDS`` that a name or alias means; a list, also one in a file, as text.

    Args:
        text: A name, an alias, a list, or the path of a file with a list.

    Raises:
        UsageError: It is none of them.
    """
    if plain_name(text) in _known(GRIDS):
        return find(GRIDS, text, "grid").name
    numbers = grid_list(text) or read_grid_list(text)
    return find(GRIDS, text, "grid").name if numbers is None else str(numbers)


def sampler(
    name: str, solvers: Mapping[str, SolverSpec] = SOLVERS, grids: Mapping[str, GridSpec] = GRIDS
) -> Sampler:
    """What a name stands for: "euler", "DPM++ 2M Karras", "dpmpp_2m_sde exponential", "DDIMScheduler".

    Args:
        name: The name.
        solvers, grids: What there is, by name.

    Raises:
        UsageError: There is none; names the closest.
    """
    key = plain_name(name)
    for scheduler, found in SCHEDULERS.items():
        if plain_name(scheduler) == key:
            return found
    known, known_grids = _known(solvers), _known(grids)
    if key in known:
        return Sampler("", known[key].name, "")
    # The longest grid first: "karras" rather than "s".
    for suffix in sorted(known_grids, key=len, reverse=True):
        if key.endswith(suffix) and key.removesuffix(suffix) in known:
            return Sampler("", known[key.removesuffix(suffix)].name, known_grids[suffix].name)
    return Sampler("", find(solvers, name, "solver").name, "")


GUIDED = 2.0
"""The guidance scale above which a run on a flow has the solver for strong guidance."""


def default_names(nfe: int, process: Process, *, guidance: float = 1.0) -> Sampler:
    """The solver and the grid that were most accurate with ``nfe`` evaluations on such a process.

    Chosen on mixtures of Gaussians other than those on which ``benchmarks/solvers.py`` compares them with
    the samplers of other programs, and on the shipped networks by ``benchmarks/networks.py``: guidance of a
    network above 2 makes predictions jump, which high orders and clocks of the data's scales extrapolate;
    there Adams-Bashforth of order 2 in flow time is the best. With few evaluations a chain, which starts with
    a little signal, has the steps of DPM-Solver or DEIS and stops at its first level.

    Args:
        nfe: Evaluations of the network, at least 1.
        process: What the network was trained on.
        guidance: Scale of the guidance; 1 is none.

    Raises:
        ValueError: ``nfe`` is below 1.
    """
    from gen.diffusion.arguments import whole_number

    nfe = whole_number(nfe, "nfe")
    start = process.level(1.0).alpha
    if guidance > GUIDED and start == 0:
        return Sampler("", "flow_adams_2", "uniform")
    if nfe <= 8 and 0 < start < 1:
        return Sampler("", "dpm_2m" if nfe <= 6 else "deis", "karras_open")
    if nfe <= 6:
        return Sampler("", "scale_2", "scale_coarse")
    if nfe <= 11:
        return Sampler("", "scale_3", "scale_medium")
    return Sampler("", "scale_3_fine", "scale_fine" if nfe <= 24 else "scale_finest")


def default_sampler(
    nfe: int, process: Process, *, guidance: float = 1.0, scale: float = 1.0
) -> tuple[Solver, TimeGrid]:
    """``default_names`` built for a process: every step of it is one evaluation.

    Args:
        nfe: Evaluations of the network, at least 1.
        process: What the network was trained on.
        guidance: Scale of the guidance; 1 is none.
        scale: Standard deviation of the data, > 0. Clocks of the data's scales are in units of it.

    Raises:
        ValueError: ``nfe`` is below 1, or ``scale`` is not a finite number above 0.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be a finite number above 0, not {scale}")
    names = default_names(nfe, process, guidance=guidance)
    built = solver(names.solver)
    if not names.solver.startswith("scale"):
        return built, grid(names.grid, nfe, process)
    from gen.diffusion import scale_grid
    from gen.diffusion.scale_clock import ScaleClock
    from gen.diffusion.solvers import ScaleMultistep

    assert isinstance(built, ScaleMultistep)
    defaults = {setting.name: setting.default for setting in GRIDS[names.grid].settings}
    fine, coarse = (cast(float, defaults[end]) * scale for end in ("fine", "coarse"))
    clock = ScaleClock(built.clock.fine * scale, built.clock.coarse * scale)
    return replace(built, clock=clock), scale_grid(nfe, process, fine=fine, coarse=coarse)


def find(presets: Mapping[str, S], name: str, noun: str) -> S:
    """The preset that ``name`` means: case, spaces and hyphens do not count, and "++" is "pp".

    Args:
        presets: ``SOLVERS`` or ``GRIDS``.
        name: A name or an alias.
        noun: What the error calls it.

    Raises:
        UsageError: There is none; says what to use instead, or names the closest.
    """
    known = _known(presets)
    preset = known.get(plain_name(name))
    if preset is not None:
        return preset
    for refused, advice in REFUSED.items():
        if plain_name(name) in (plain_name(refused), "k" + plain_name(refused)):
            raise UsageError(f"{name[:80]!r} is no {noun} here", advice)
    close = difflib.get_close_matches(plain_name(name), known, n=3)
    names = sorted({known[key].name for key in close}) or sorted(presets)
    raise UsageError(
        f"unknown {noun} {name[:80]!r}", f"{'did you mean' if close else 'known'}: {', '.join(names)}"
    )


def _known(presets: Mapping[str, S]) -> dict[str, S]:
    return {
        plain_name(name): preset for preset in presets.values() for name in (preset.name, *preset.aliases)
    }
