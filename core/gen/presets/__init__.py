"""Solvers and grids by their common names. Only building one imports torch.

Case, spaces and punctuation do not count in a name, and "++" is "pp". Beside the names of ``SOLVERS`` and
``GRIDS`` and their aliases, diffusers' scheduler classes and names such as "DPM++ 2M Karras", a solver with
its grid, are known: ``sampler`` takes them apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from gen.errors import UsageError
from gen.plugin.specs import GridSpec, SolverSpec
from gen.plugin.text import plain_name
from gen.presets.grid_list import GridList, grid_list, read_grid_list
from gen.presets.grids import GRIDS, MODEL_GRID, OWN_GRID
from gen.presets.guidances import GUIDANCES
from gen.presets.noises import NOISES
from gen.presets.samplers import REFUSED, SCHEDULERS
from gen.presets.solvers import SOLVERS, TOKEN_SOLVERS
from gen.presets.specs import S, Sampler, build

if TYPE_CHECKING:
    from gen.diffusion import Guidance, Process, Solver, TimeGrid

__all__ = [
    "GRIDS",
    "GUIDANCES",
    "MODEL_GRID",
    "NOISES",
    "OWN_GRID",
    "REFUSED",
    "SCHEDULERS",
    "SOLVERS",
    "TOKEN_SOLVERS",
    "GridList",
    "Sampler",
    "build",
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
    """The name in ``GRIDS`` that a name or alias means, or ``OWN_GRID``; a list, also in a file, as text.

    Args:
        text: A name, an alias, a list, or the path of a file with a list.

    Raises:
        UsageError: It is none of them.
    """
    if plain_name(text) == OWN_GRID:
        return OWN_GRID
    if plain_name(text) in _known(GRIDS):
        return find(GRIDS, text, "grid").name
    numbers = grid_list(text) or read_grid_list(text)
    return find(GRIDS, text, "grid").name if numbers is None else str(numbers)


def sampler(
    name: str, solvers: Mapping[str, SolverSpec] = SOLVERS, grids: Mapping[str, GridSpec] = GRIDS
) -> Sampler:
    """The sampler of a name: "euler", "DPM++ 2M Karras", "dpmpp_2m_sde exponential", "DDIMScheduler".

    Args:
        name: The name.
        solvers, grids: The known ones, by name.

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


GUIDED = 1.5
"""The guidance scale from which a default run counts as guided."""


def default_sampler(
    nfe: int, process: Process, *, guidance: float = 1.0, scale: float = 1.0
) -> tuple[Solver, TimeGrid]:
    """The solver and the grid that were most accurate with ``nfe`` evaluations, one per step.

    Adams-Bashforth-Moulton in flow time on ``TimeGrid.flow_power``, of a higher order for more evaluations.
    Guidance of scale w makes predictions change fast near the noise: there the steps are smaller, by a shift
    of w**(1/4), 8**(1/4) at most. Guided runs of up to 8 evaluations have a shift of sqrt(w) on a grid of
    power 2, and mostly order 1. Chosen on mixtures of Gaussians other than those on which
    ``benchmarks/solvers.py`` compares it with the samplers of other programs.

    Args:
        nfe: Evaluations of the network, at least 1.
        process: What the network was trained on.
        guidance: Scale of the guidance; 1 is none.
        scale: Standard deviation of the data, > 0: flow time is in units of it.

    Raises:
        ValueError: ``nfe`` is below 1, or ``scale`` is not a finite number above 0.
    """
    from gen.diffusion.arguments import whole_number
    from gen.diffusion.grid import TimeGrid
    from gen.diffusion.solvers import FlowAdams

    nfe = whole_number(nfe, "nfe")
    guided, strength = guidance >= GUIDED, min(max(guidance, 1.0), 8.0)
    if guided and nfe <= 8:
        order, power, shift = 1 if nfe <= 6 or guidance > 2 else 2, 2.0, strength**0.5
    else:
        order, power, shift = 2, 1.5, strength**0.25
        if nfe >= 15:
            order = 3 if guided or nfe < 20 else 4
    solver = FlowAdams(order, corrector=True, scale=scale, spread=0.3)
    return solver, TimeGrid.flow_power(nfe, process, power=power, shift=scale * shift)


def find(presets: Mapping[str, S], name: str, noun: str) -> S:
    """The preset that ``name`` means: case, spaces and hyphens do not count, and "++" is "pp".

    Args:
        presets: ``SOLVERS`` or ``GRIDS``.
        name: A name or an alias.
        noun: Its kind, for the error.

    Raises:
        UsageError: There is none; names a substitute, or the closest.
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
