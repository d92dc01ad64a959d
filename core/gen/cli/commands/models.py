"""``gen models``: what ``--model`` can name, and checkpoints of the hub: pulled, verified, removed."""

import contextlib
import dataclasses
import difflib
from collections.abc import Iterator
from typing import Annotated

import typer

from gen.checkpoints.pulled import HubReference, Pulled, all_pulled, find_pulled, remove_pulled
from gen.cli.described import property_of
from gen.cli.session import Session
from gen.cli.switches import JSON, QUIET
from gen.cli.tables import outline, table
from gen.errors import ModelError, PluginError, UsageError
from gen.model import ModelSource
from gen.plan import Reading, find_source, modality_of, pull_checkpoint
from gen.plan.sources import HUB
from gen.plugin.host import Host
from gen.plugin.specs import ModelSpec

VARIANT = Annotated[str | None, typer.Option(metavar="NAME", help="Variant of the weights, as fp16.")]
PICKLES = Annotated[bool, typer.Option("--allow-pickle", help="Read pickles, as weights only.")]
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

    @group.command(
        help="Show what a model can do, where it comes from, how it is sampled, its card, or what it knows."
    )
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
        variant: VARIANT = None,
        allow_pickle: PICKLES = False,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        if search and not known:
            raise UsageError(
                f"unexpected argument {search[0]!r}", f"gen models show {model} --names {search[0]}"
            )
        reading = Reading(variant, allow_pickle)
        pulled = _pulled(model, variant) if model.startswith(HUB) else None
        modality = modality or modality_of(model, host, reading)
        specs = host.models(modality)
        file = find_source(model, modality, host, reading)
        if known:
            _names(session, file, " ".join(search or []))
            return
        from gen.cli.described_model import facts

        described = host.modality(modality)
        spec = next((spec for spec in specs if spec.name == file.name), None)
        session.data["model"] = {
            **(_declared(spec) if spec else {"name": file.name, "modality": modality}),
            **({} if pulled is None else _where(pulled)),
            **facts(described, host.kind(described.kind, modality), spec, file),
            "sha256": file.sha256,
            "size": file.size,
            "defaults": {key: value for key, value in vars(file.defaults).items() if value != ""}
            | ({"solver": spec.solver} if spec and spec.solver else {}),
            "params": dict(file.params),
            "card": dict(file.card),
        }
        lines = {
            name: ", ".join(value) if isinstance(value, list) else value
            for name, value in session.data["model"].items()
        }
        for line in outline(lines):
            session.show(line)

    checkpoint = typer.Argument(
        metavar="hf:OWNER/NAME[/FILE][@REVISION]",
        help="A checkpoint of the hub, a part as a ControlNet, or a file.",
    )

    @group.command(help="Download a checkpoint of the hub, or what has changed of it.")
    def pull(
        model: Annotated[str, checkpoint],
        variant: VARIANT = None,
        allow_pickle: PICKLES = False,
        quiet: QUIET = False,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        session.quiet = quiet
        pulled = pull_checkpoint(model, host, Reading(variant, allow_pickle), single=True, anew=True)
        session.data["model"] = _row(pulled)
        session.show(f"{pulled.name}: {pulled.size / 1e6:,.1f} MB, licence {pulled.licence or 'not stated'}")

    @group.command(help="Read every file of a pulled checkpoint, and compare it with the hub's digest.")
    def verify(model: Annotated[str, checkpoint], variant: VARIANT = None, as_json: JSON = False) -> None:  # noqa: ARG001
        pulled = _pulled(model, variant)
        damaged = pulled.damaged()
        session.data.update(model=pulled.name, damaged=damaged)
        if damaged:
            raise _damaged(model, damaged, len(pulled.files))
        session.show(f"{pulled.name}: all {len(pulled.files)} files are as on the hub")

    @group.command(help="Delete a pulled checkpoint from the hub's cache, which other programs share.")
    def rm(model: Annotated[str, checkpoint], variant: VARIANT = None, as_json: JSON = False) -> None:  # noqa: ARG001
        pulled = _pulled(model, variant, whole=False)
        freed = remove_pulled(pulled)
        session.data.update(model=pulled.name, freed=freed)
        session.show(f"{pulled.name}: deleted, {freed / 1e6:,.1f} MB")

    app.add_typer(group, name="models")


def _pulled(reference: str, variant: str | None, *, whole: bool = True) -> Pulled:
    """A checkpoint that was pulled.

    Raises:
        ModelError: It was not, or files are missing and it must be whole.
    """
    wanted = HubReference.parse(reference)
    found = find_pulled(wanted, variant, whole=False)
    if found is None:
        others = [one.variant or "none" for one in all_pulled() if one.reference == wanted]
        hint = f"; there is the variant {', '.join(others)}" if others else ""
        raise ModelError(f"{reference} is not downloaded{hint}", f"run `gen models pull {reference}`")
    if whole and (missing := found.missing()):
        raise _damaged(reference, missing, len(found.files))
    return found


def _damaged(reference: str, files: list[str], total: int) -> ModelError:
    return ModelError(
        f"{len(files)} of {total} files of {reference} are damaged: {', '.join(files[:3])}",
        f"run `gen models rm {reference}`, then `gen models pull {reference}`",
    )


def _row(pulled: Pulled) -> dict[str, object]:
    return {"name": pulled.name, "size": pulled.size, "licence": pulled.licence, **_where(pulled)}


def _where(pulled: Pulled) -> dict[str, object]:
    return {
        "revision": pulled.reference.revision,
        "commit": pulled.commit,
        "variant": pulled.variant or "",
        "folder": str(pulled.folder),
    }


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
    session.data["models"] = [
        {**dataclasses.asdict(spec), "params": {param.name: property_of(param) for param in spec.params}}
        for spec in specs
    ]
    rows = [("NAME", "MODALITY", "SIZE", "LICENCE", "SUMMARY")]
    rows += [
        (spec.name, spec.modality, f"{spec.size / 1e6:.1f} MB", spec.licence, spec.summary) for spec in specs
    ]
    found = list(all_pulled()) if modality is None else []
    session.data["pulled"] = [_row(pulled) for pulled in found]
    rows += [
        (
            str(pulled.reference),
            "",
            f"{pulled.size / 1e6:.1f} MB",
            pulled.licence,
            f"Commit {pulled.commit[:12]} of the hub" + (f", {pulled.variant}." if pulled.variant else "."),
        )
        for pulled in found
    ]
    for line in table(rows):
        session.show(line)
