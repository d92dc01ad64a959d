"""``gen models``: what ``--model`` can name."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Annotated

import typer

from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import outline, table
from gen.errors import PluginError
from gen.model import find_model
from gen.plan import modality_of
from gen.plugin.host import Host
from gen.plugin.specs import ModelSpec

MODALITY = Annotated[str | None, typer.Option(help="Only those of one modality.")]


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command with its sub-commands; without one it lists."""
    group = typer.Typer(help=summary, add_completion=False)

    @group.callback(invoke_without_command=True)
    def default(context: typer.Context, as_json: JSON = False) -> None:  # noqa: ARG001
        if context.invoked_subcommand is None:
            _list(session, host, None)

    @group.command("list", help="List the models that are registered.")
    def listed(modality: MODALITY = None, as_json: JSON = False) -> None:  # noqa: ARG001
        _list(session, host, modality)

    names = typer.Argument(
        metavar="MODEL",
        help="Name of a model or path of a model file.",
        autocompletion=lambda incomplete: [
            spec.name for spec in _specs(host, None) if spec.name.startswith(incomplete)
        ],
    )

    @group.command(help="Show where a model comes from, how it is sampled, and its card.")
    def show(
        model: Annotated[str, names],
        modality: MODALITY = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        modality = modality or modality_of(model, host)
        specs = host.models(modality)
        file = find_model(model, modality, specs)
        spec = next((spec for spec in specs if spec.name == file.name), None)
        session.data["model"] = {
            **(dataclasses.asdict(spec) if spec else {"name": file.name, "modality": modality}),
            "sha256": file.sha256,
            "size": file.path.stat().st_size,
            "defaults": dataclasses.asdict(file.defaults),
            "params": dict(file.params),
            "card": dict(file.card),
        }
        for line in outline(session.data["model"]):
            session.show(line)

    app.add_typer(group, name="models")


def _specs(host: Host, modality: str | None) -> Iterator[ModelSpec]:
    if modality is not None:
        yield from host.models(modality)
        return
    for record in host.modalities:
        # The host reports a plugin that fails; the others' models are listed all the same.
        with contextlib.suppress(PluginError):
            yield from host.models(record.name)


def _list(session: Session, host: Host, modality: str | None) -> None:
    specs = list(_specs(host, modality))
    session.data["models"] = [dataclasses.asdict(spec) for spec in specs]
    rows = [("NAME", "MODALITY", "SIZE", "LICENCE", "SUMMARY")]
    rows += [
        (spec.name, spec.modality, f"{spec.size / 1e6:.1f} MB", spec.licence, spec.summary) for spec in specs
    ]
    for line in table(rows):
        session.show(line)
