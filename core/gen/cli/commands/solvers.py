"""``gen solvers``: what ``--solver`` and ``--grid`` can name, with all settings."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, TypeVar

import typer

from gen.cli.described import as_json as listed
from gen.cli.described import described, setting_rows, values_of
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import table
from gen.plan.choice import choose_solver
from gen.plugin.host import Host
from gen.plugin.specs import ChoiceSpec, GridSpec, SolverSpec
from gen.plugin.text import plain_name
from gen.presets.settings import COMMON_SETTINGS

S = TypeVar("S", bound=ChoiceSpec)


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("solvers", help=summary)
    def solvers(
        name: Annotated[
            str | None, typer.Argument(metavar="NAME", help="Only what this name stands for, with settings.")
        ] = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        chosen, grids = host.choices(SolverSpec), host.choices(GridSpec)
        if name is not None and not _named(chosen, name) and (alone := _named(grids, name)):
            chosen, grids = (), alone
        elif name is not None:
            solver, found = choose_solver(chosen, grids, name)
            session.data["sampler"] = dataclasses.asdict(found)
            chosen, grids = (solver.spec,), tuple(grid for grid in grids if grid.name == found.grid)
            if found.process:
                session.show(f"process: {found.process.partition(':')[2]}")
        session.data["solvers"] = [
            entry | {"order": spec.order, "evaluations": spec.evaluations, "stochastic": spec.stochastic}
            for entry, spec in zip(listed(host, chosen), chosen, strict=True)
        ]
        session.data["grids"] = listed(host, grids)
        rows = [("SOLVER", "ORDER", "CALLS", "NOISE", "SUMMARY")]
        rows += [
            (
                spec.name,
                str(spec.order),
                str(spec.evaluations or "any"),
                "yes" if spec.stochastic else "no",
                described(spec),
            )
            for spec in chosen
        ]
        if chosen:
            _show(session, rows)
        if grids:
            if chosen:
                session.show("")
            _show(session, [("GRID", "SUMMARY"), *((grid.name, described(grid)) for grid in grids)])
        if name is None:
            session.show("")
            session.show("`gen solvers NAME` shows the settings, as --solver ddim:eta=0.5")
            return
        own = list(setting_rows((*chosen, *grids)))
        common = [
            (noun, param.name, values_of(param), param.help)
            for noun, kind in (("any solver", SolverSpec), ("any grid", GridSpec))
            for param in COMMON_SETTINGS[kind]
        ]
        session.show("")
        _show(session, [("OF", "SETTING", "VALUES", "MEANING"), *own, *common])


def _named(specs: Sequence[S], name: str) -> tuple[S, ...]:
    """Those of this name or alias, at most one."""
    key = plain_name(name)
    return tuple(spec for spec in specs if key in map(plain_name, (spec.name, *spec.aliases)))


def _show(session: Session, rows: Sequence[Sequence[str]]) -> None:
    for line in table(rows):
        session.show(line)
