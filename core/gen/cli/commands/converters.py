"""``gen converters``: ways from one kind of artifact to another."""

import typer

from gen.cli.described import property_of, values_of
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import table
from gen.plugin.host import Host


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("converters", help=summary)
    def converters(as_json: JSON = False) -> None:  # noqa: ARG001
        specs = host.converters()
        session.data["converters"] = [
            {
                "name": spec.name,
                "source": spec.source,
                "target": spec.target,
                "summary": spec.summary,
                "lossless": spec.lossless,
                "plugin": spec.plugin,
                "params": {param.name: property_of(param) for param in spec.params},
            }
            for spec in specs
        ]
        rows = [("NAME", "FROM", "TO", "SUMMARY")]
        rows += [(spec.name, spec.source, spec.target, spec.summary) for spec in specs]
        for line in table(rows):
            session.show(line)
        settings = [
            (spec.name, param.name, values_of(param), param.help) for spec in specs for param in spec.params
        ]
        if settings:
            session.show("")
            for line in table([("OF", "PARAMETER", "VALUES", "MEANING"), *settings]):
                session.show(line)
