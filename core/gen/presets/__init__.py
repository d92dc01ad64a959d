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
from gen.presets.default import DEFAULT_GRID, DEFAULT_SOLVER, default_choices, default_sampler
from gen.presets.grid_list import GridList, grid_list, read_grid_list
from gen.presets.grids import GRIDS, MODEL_GRID, OWN_GRID
from gen.presets.guidances import GUIDANCES
from gen.presets.noises import NOISES
from gen.presets.samplers import NEAREST, REFUSED, SCHEDULERS
from gen.presets.solvers import SOLVERS, TOKEN_SOLVERS
from gen.presets.specs import S, Sampler, build

if TYPE_CHECKING:
    from gen.diffusion import Guidance, Process, Solver, TimeGrid

__all__ = [
    "DEFAULT_GRID",
    "DEFAULT_SOLVER",
    "GRIDS",
    "GUIDANCES",
    "MODEL_GRID",
    "NEAREST",
    "NOISES",
    "OWN_GRID",
    "REFUSED",
    "SCHEDULERS",
    "SOLVERS",
    "TOKEN_SOLVERS",
    "GridList",
    "Sampler",
    "build",
    "default_choices",
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


def solver(name: str, process: Process | None = None) -> Solver:
    """The solver of this name, or that of a sampler of this name.

    Args:
        name: The name.
        process: That of the run: some names mean other solvers on flows. None stands for any other.

    Raises:
        UsageError: There is none, or none for flows; names the closest.
    """
    preset = SOLVERS[sampler(name).solver]
    parts: dict[str, Any] = {"process": process} if preset.needs else {}
    built: Solver = build(preset, **parts)
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
        # One that has a grid of its own name, as ``default``.
        return Sampler("", known[key].name, key if key in known_grids else "")
    # The longest grid first: "karras" rather than "s".
    for suffix in sorted(known_grids, key=len, reverse=True):
        if key.endswith(suffix) and key.removesuffix(suffix) in known:
            return Sampler("", known[key.removesuffix(suffix)].name, known_grids[suffix].name)
    return Sampler("", find(solvers, name, "solver").name, "")


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
