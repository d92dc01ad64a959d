"""``gen plugins``: what is installed, and how it stands. Only ``check`` runs a plugin's code."""

import dataclasses
from typing import Annotated

import typer

from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import table
from gen.errors import PluginError
from gen.plugin.host import Host


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command with its sub-commands; without one it lists."""
    group = typer.Typer(help=summary, add_completion=False)
    names = typer.Argument(
        metavar="NAME",
        help="Name of a plugin.",
        autocompletion=lambda incomplete: [
            record.name for record in host.records if record.name.startswith(incomplete)
        ],
    )

    @group.callback(invoke_without_command=True)
    def default(context: typer.Context, as_json: JSON = False) -> None:  # noqa: ARG001
        if context.invoked_subcommand is None:
            _list(session, host)

    @group.command("list", help="List name, distribution, version and status of every plugin.")
    def listed(as_json: JSON = False) -> None:  # noqa: ARG001
        _list(session, host)

    @group.command(help="Show all about a plugin, the traceback of its failure included.")
    def show(name: Annotated[str, names], as_json: JSON = False) -> None:  # noqa: ARG001
        record = host.record(name)
        session.data["plugin"] = dataclasses.asdict(record)
        for key, value in session.data["plugin"].items():
            if value and key not in ("key", "traceback"):
                session.show(f"{key}: {'; '.join(value) if isinstance(value, tuple) else value}")
        if record.traceback:
            session.show(record.traceback.rstrip())

    @group.command(help="Try a plugin against the contract; runs its code.")
    def check(name: Annotated[str, names], as_json: JSON = False) -> None:  # noqa: ARG001
        from gen.testing import check_plugin

        findings = check_plugin(host, name)
        session.data["findings"] = [dataclasses.asdict(finding) for finding in findings]
        for finding in findings:
            session.show(
                f"{finding.level}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")
            )
        if errors := [finding for finding in findings if finding.level == "error"]:
            raise PluginError(f"plugin {name} fails: {errors[0].message}", errors[0].hint)
        session.show(f"{name} keeps the contract")

    @group.command(help="Switch a plugin, or all of a distribution, on again.")
    def enable(name: Annotated[str, names], as_json: JSON = False) -> None:  # noqa: ARG001
        host.enable(name)
        session.data["enabled"] = name
        session.say(f"{name} is switched on")

    @group.command(help="Switch a plugin, or all of a distribution, off.")
    def disable(name: Annotated[str, names], as_json: JSON = False) -> None:  # noqa: ARG001
        host.disable(name)
        session.data["disabled"] = name
        session.say(f"{name} is switched off; `gen plugins enable {name}` switches it on again")

    app.add_typer(group, name="plugins")


def _list(session: Session, host: Host) -> None:
    fields = ("name", "distribution", "version", "status", "summary", "reason", "action")
    session.data["plugins"] = [
        {"group": record.group, **{field: getattr(record, field) for field in fields}}
        for record in host.records
    ]
    rows = [("NAME", "DISTRIBUTION", "VERSION", "STATUS", "SUMMARY")]
    rows += [
        (record.name, record.distribution, record.version, record.status, record.reason or record.summary)
        for record in host.records
    ]
    for line in table(rows):
        session.show(line)
    session.data["shared_endings"] = list(host.shared_endings())
    for line in session.data["shared_endings"]:
        session.show(line)
