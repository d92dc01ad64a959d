"""``gen guidances``: what ``--guide``, ``--cache`` and ``--noise`` can name, with all settings."""

from collections.abc import Sequence
from typing import Annotated

import typer

from gen.cli.described import as_json as listed
from gen.cli.described import described, setting_rows
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import table
from gen.plugin.host import Host
from gen.plugin.specs import CacheSpec, ChoiceSpec, GuidanceSpec, NoiseSpec
from gen.presets import find


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("guidances", help=summary)
    def guidances(
        name: Annotated[
            str | None, typer.Argument(metavar="NAME", help="Only this one, with its settings.")
        ] = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        specs = host.choices(GuidanceSpec)
        caches, noises = host.choices(CacheSpec), host.choices(NoiseSpec)
        if name is not None:
            every: dict[str, ChoiceSpec] = {spec.name: spec for spec in (*noises, *caches, *specs)}
            found = find(every, name, "guidance, cache or noise rule")
            specs = tuple(spec for spec in specs if spec is found)
            caches = tuple(spec for spec in caches if spec is found)
            noises = tuple(spec for spec in noises if spec is found)
        session.data["guidances"] = [
            entry | {"role": spec.role, "scales": list(spec.scales), "scale": spec.scale}
            for entry, spec in zip(listed(host, specs), specs, strict=True)
        ]
        session.data["caches"], session.data["noises"] = listed(host, caches), listed(host, noises)
        groups: tuple[tuple[str, tuple[ChoiceSpec, ...]], ...] = (
            ("GUIDANCE", tuple(spec for spec in specs if spec.role == "rule")),
            ("MODIFIER", tuple(spec for spec in specs if spec.role == "modifier")),
            ("CACHE", caches),
            ("NOISE", noises),
        )
        for heading, group in groups:
            if group:
                _show(session, [(heading, "SUMMARY"), *((spec.name, described(spec)) for spec in group)])
        rows = list(setting_rows((*specs, *caches, *noises)))
        if rows:
            _show(session, [("OF", "SETTING", "VALUES", "MEANING"), *rows])


def _show(session: Session, rows: Sequence[Sequence[str]]) -> None:
    for line in table(rows):
        session.show(line)
    session.show("")
