"""``gen x``: the commands of plugins."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import typer

from gen.checks import check_param
from gen.cli.flags import command_signature, given_once
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import outline, table
from gen.plugin.boundary import calling, imported
from gen.plugin.host import Host
from gen.plugin.specs import CHECKPOINT, CommandSpec, Param


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the group with a command for each that plugins bring; without one it lists."""
    group = typer.Typer(help=summary, add_completion=False)

    @group.callback(invoke_without_command=True)
    def default(context: typer.Context, as_json: JSON = False) -> None:  # noqa: ARG001
        if context.invoked_subcommand is None:
            specs = host.commands()
            session.data["commands"] = [
                {"name": spec.name, "summary": spec.summary, "plugin": spec.plugin} for spec in specs
            ]
            if not specs:
                session.show("no plugin brings a command")
                return
            for line in table([("COMMAND", "SUMMARY"), *((spec.name, spec.summary) for spec in specs)]):
                session.show(line)

    for spec in host.commands():
        _add(group, session, host, spec)
    app.add_typer(group, name="x")


def _add(group: typer.Typer, session: Session, host: Host, spec: CommandSpec) -> None:
    def command(**values: Any) -> None:
        values.pop("as_json")
        files = [param.name for param in spec.params if param.kind and param.name not in spec.arguments]
        _run(session, host, spec, given_once(values, files))

    command.__signature__ = command_signature(spec)  # type: ignore[attr-defined]
    command.__annotations__ = {
        name: parameter.annotation
        for name, parameter in command.__signature__.parameters.items()  # type: ignore[attr-defined]
    }
    epilog = "\n\n".join(["Examples:", *spec.examples]) if spec.examples else None
    group.command(spec.name, help=spec.summary, epilog=epilog)(command)


def _run(session: Session, host: Host, spec: CommandSpec, given: Mapping[str, Any]) -> None:
    values = {param.name: _value(param, given[param.name], host) for param in spec.params}
    run = cast(Callable[..., object], imported(spec.plugin, spec.run))
    # What it prints must not get among results.
    with contextlib.redirect_stdout(sys.stderr), calling(spec.plugin, f"command {spec.name}") as call:
        result = run(**values)
        if not isinstance(result, Mapping) or not all(isinstance(name, str) for name in result):
            raise call.returned(result, "values by name")
        json.dumps(result, allow_nan=False)
        shown = list(outline(result))
    session.data["result"] = dict(result)
    for line in shown:
        session.show(line)


def _value(param: Param, given: object, host: Host) -> object:
    """The value of an option: of one that is a file, its artifact.

    Raises:
        UsageError: It is out of bounds, or the file cannot be read.
        ModelError: The folder is no checkpoint.
    """
    value = param.default if given is None else given
    if value is None:
        return None
    if not param.kind:
        return check_param(param, value)
    from gen.plan.inputs import Inputs

    inputs = Inputs(host)
    if param.kind == CHECKPOINT:
        return inputs.checkpoint(param.name, str(value), allow_pickle=False)
    return inputs.read(param.name, str(value), param.kind)
