"""``gen solvers``: what ``--solver`` and ``--grid`` can name."""

import dataclasses
from typing import Annotated

import typer

from gen import presets
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import table
from gen.plugin.host import Host
from gen.plugin.specs import ChoiceSpec


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:  # noqa: ARG001
    """Add the command."""

    @app.command("solvers", help=summary)
    def solvers(
        name: Annotated[
            str | None, typer.Argument(metavar="NAME", help="Only what this name stands for.")
        ] = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        chosen, grids = list(presets.SOLVERS.values()), list(presets.GRIDS.values())
        if name is not None:
            found = presets.sampler(name)
            session.data["sampler"] = dataclasses.asdict(found)
            chosen = [presets.SOLVERS[found.solver]]
            grids = [presets.GRIDS[found.grid]] if found.grid else []
            if found.process:
                session.show(f"process: {found.process.partition(':')[2]}")
        session.data["solvers"] = [
            {
                "name": preset.name,
                "aliases": list(preset.aliases),
                "summary": preset.summary,
                "order": preset.order,
                "evaluations": preset.evaluations,
                "stochastic": preset.stochastic,
            }
            for preset in chosen
        ]
        session.data["grids"] = [
            {"name": preset.name, "aliases": list(preset.aliases), "summary": preset.summary}
            for preset in grids
        ]
        rows = [("SOLVER", "ORDER", "CALLS", "NOISE", "SUMMARY")]
        rows += [
            (
                preset.name,
                str(preset.order),
                str(preset.evaluations or "any"),
                "yes" if preset.stochastic else "no",
                _described(preset),
            )
            for preset in chosen
        ]
        for line in table(rows):
            session.show(line)
        if grids:
            session.show("")
            for line in table([("GRID", "SUMMARY"), *((grid.name, _described(grid)) for grid in grids)]):
                session.show(line)


def _described(preset: ChoiceSpec) -> str:
    also = f" (also {', '.join(preset.aliases)})" if preset.aliases else ""
    return preset.summary + also
