"""``gen models``: what ``--model`` can name."""

import contextlib
import dataclasses
import difflib
from collections.abc import Iterator
from typing import Annotated

import typer

from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import outline, table
from gen.errors import ModelError, PluginError, UsageError
from gen.model import ModelSource
from gen.plan import find_source, modality_of
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

    @group.command(help="Show where a model comes from, how it is sampled, its card, or what it knows.")
    def show(
        model: Annotated[str, names],
        search: Annotated[
            list[str] | None, typer.Argument(metavar="[TEXT]...", help="Only names that hold this text.")
        ] = None,
        *,
        known: Annotated[
            bool, typer.Option("--names", help="List the things that the model can make, by name.")
        ] = False,
        modality: MODALITY = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        if search and not known:
            raise UsageError(
                f"unexpected argument {search[0]!r}", f"gen models show {model} --names {search[0]}"
            )
        modality = modality or modality_of(model, host)
        specs = host.models(modality)
        file = find_source(model, modality, host)
        if known:
            _names(session, file, " ".join(search or []))
            return
        spec = next((spec for spec in specs if spec.name == file.name), None)
        session.data["model"] = {
            **(_declared(spec) if spec else {"name": file.name, "modality": modality}),
            "sha256": file.sha256,
            "size": file.size,
            "defaults": {key: value for key, value in vars(file.defaults).items() if value != ""}
            | ({"solver": spec.solver} if spec and spec.solver else {}),
            "params": dict(file.params),
            "card": dict(file.card),
        }
        for line in outline(session.data["model"]):
            session.show(line)

    app.add_typer(group, name="models")


def _declared(spec: ModelSpec) -> dict[str, object]:
    """What a spec says, without what it leaves to the modality; of its own parameters the names."""
    table = dataclasses.asdict(spec)
    table["options"] = [param.name for param in spec.params]
    del table["params"]
    own = ("prompt", "abilities", "options", "loader")
    return {key: value for key, value in table.items() if key not in own or value}


def _names(session: Session, file: ModelSource, text: str) -> None:
    """List what a model knows, or what of it holds a text."""
    if not file.names:
        raise ModelError(f"the file of model {file.name} does not list what it knows")
    found = [name for name in file.names if text.lower() in name.lower()]
    session.data.update(model=file.name, names=found)
    for name in found:
        session.show(name)
    if not found:
        near = difflib.get_close_matches(text.lower(), file.names, n=5)
        hint = f"; nearest are {', '.join(near)}" if near else ""
        session.warn(f"the model {file.name} knows no name with {text!r}{hint}")


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
