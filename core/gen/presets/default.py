"""The solver and the grid ``default``: the most accurate ones for a number of steps and a scale of guidance.

No torch here but in what builds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from gen.plugin.specs import GridSpec, SolverSpec
from gen.presets.grids import GRIDS
from gen.presets.solvers import SOLVERS
from gen.presets.specs import build

if TYPE_CHECKING:
    from gen.diffusion import Process, Solver, TimeGrid

DEFAULT_SOLVER = SolverSpec(
    name="default",
    summary="The most accurate solver for the steps and the guidance, with its grid; recipes name both",
    factory="gen.presets:default_sampler",
    order=3,
)
DEFAULT_GRID = GridSpec(
    name="default",
    summary="The grid of the solver default for the steps and the guidance; recipes name it",
    factory="gen.presets:default_sampler",
)
"""Neither is in ``SOLVERS`` or ``GRIDS``: a plan puts what ``default_choices`` names in their place."""

GUIDED = 1.5
"""The guidance scale from which a run counts as guided."""

STRONG = 3.0
"""The guidance scale above which steps are checked for stability."""

STABLE = -0.3
"""The cosine between two changes of the velocity up to which they oppose each other.

With guidance 7.5 its mean near the noise is -0.3 to 0.2 for clips and 0.2 to 1 for densities. At 0 the errors
of densities in 6 steps are up to 1.5 times those at -0.3, and those of clips hardly smaller.
"""


class DefaultChoices(NamedTuple):
    """What ``default`` stands for.

    Args:
        solver, grid: Names in ``SOLVERS`` and ``GRIDS``.
        solver_settings, grid_settings: Their settings by name.
    """

    solver: str
    solver_settings: Mapping[str, float | bool]
    grid: str
    grid_settings: Mapping[str, float]


def default_choices(steps: int, guidance: float = 1.0, scale: float = 1.0) -> DefaultChoices:
    """The solver and the grid that were most accurate, of one evaluation per step.

    Adams-Bashforth-Moulton in flow time, of a higher order for more steps. Guidance makes predictions change
    fast near the noise, so that steps there are smaller. Above a scale of 3 they are of order 1 there, down
    to u = 0.2 with fewer than 15 steps, to 0.8 with more, and items whose velocity changes to and fro take
    Euler's steps at any u. Chosen on mixtures of Gaussians other than those of ``benchmarks/solvers.py``, and
    on three prompts for each network other than those of ``benchmarks/networks.py``.

    Args:
        steps: At least 1.
        guidance: Its scale; 1 is none.
        scale: Standard deviation of the data, > 0.
    """
    first_order_above, stable_above = 1.0, -1.0
    if guidance < GUIDED:
        order, power = 2 if steps < 15 else 3 if steps < 20 else 4, 1.5
        shift = 1.5 if steps <= 6 else 1.1 if steps < 10 else 1.0
    elif guidance <= STRONG:
        order, power = 3 if steps >= 15 and guidance <= 2 else 2, 2.0
        shift = guidance if steps <= 6 else 1.5 * guidance
    elif steps < 15:
        order, power, shift = 3, 2.0, 2 + guidance / 4
        first_order_above, stable_above = 0.2, STABLE
    else:
        order, power, shift = 2, 1.5, 2.0
        first_order_above, stable_above = 0.8, STABLE
    return DefaultChoices(
        f"flow_abm_{min(order, 3)}",
        {
            "order": order,
            "scale": scale,
            "spread": 0.3,
            "first_order_above": first_order_above,
            "stable_above": stable_above,
        },
        "flow_power",
        {"power": power, "flow_shift": scale * shift},
    )


def default_sampler(
    nfe: int, process: Process, *, guidance: float = 1.0, scale: float = 1.0
) -> tuple[Solver, TimeGrid]:
    """The solver and the grid of ``default_choices``.

    Args:
        nfe: Evaluations of the network, one per step, at least 1.
        process: What the network was trained on.
        guidance, scale: As of ``default_choices``.

    Raises:
        ValueError: ``nfe`` is below 1, or ``scale`` is not a finite number above 0.
    """
    from gen.diffusion.arguments import whole_number

    chosen = default_choices(whole_number(nfe, "nfe"), guidance, scale)
    solver: Solver = build(SOLVERS[chosen.solver], chosen.solver_settings)
    grid: TimeGrid = build(GRIDS[chosen.grid], chosen.grid_settings, steps=nfe, process=process)
    return solver, grid
