"""``gen convert``: a file in another format, or as another kind of thing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gen import formats
from gen.cli.flags import parse_params
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.conversion import convert as converted
from gen.conversion import route
from gen.errors import GenError, PartialError, UsageError
from gen.plugin.host import Host

INDEX = "{index}"
"""Stands for the number of a file in the name of the output."""


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("convert", help=summary)
    def convert(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
        *,
        output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to.")],
        format_name: Annotated[
            str | None, typer.Option("-f", "--format", metavar="NAME", help="File format of the output.")
        ] = None,
        via: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME",
                help="The converters to take, in order; by default the shortest way.",
                autocompletion=lambda: [spec.name for spec in host.converters()],
            ),
        ] = None,
        param: Annotated[
            list[str] | None, typer.Option("-p", "--param", metavar="NAME=VALUE", help="Of a converter.")
        ] = None,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        known = host.formats()
        artifact = formats.read(file, known)
        # A sound can be written as a picture, too, but nothing reads that as a sound again.
        own = [form for form in known if form.holds(artifact.kind) and form.reader]
        direct = not via and any(output.suffix.lower() in form.suffixes for form in own)
        converters = host.converters()
        target = next((spec.target for spec in converters if via and spec.name == via[-1]), None)
        fitting = [form for form in known if form.holds(target)]
        form = formats.find_format(own if direct else fitting, path=output, name=format_name)
        way = () if direct else route(converters, artifact.kind, target or form.kind, via or ())
        params = parse_params(param or [], "-p", "convert")
        session.data |= {"kind": target or form.kind, "via": [spec.name for spec in way]}
        files = _each(params, output)
        for number, values in enumerate(files, start=1):
            try:
                made = converted(file, way, values, host) if way else artifact
                path = Path(str(output).replace(INDEX, str(number)))
                written = formats.write(made, path, [form], overwrite=overwrite)
            except GenError as error:
                if number == 1:
                    raise
                raise PartialError(
                    f"{number - 1} of {len(files)} were written, then: {error.message}", error.hint
                ) from error
            session.data |= {"path": str(written.path), "kind": made.kind}
            session.data.setdefault("paths", []).append(str(written.path))
            session.show_path(str(written.path))


def _each(params: dict[str, str], output: Path) -> list[dict[str, str]]:
    """The parameters of each file: one parameter may have several values where the name counts files.

    Raises:
        UsageError: There is not exactly one with several values, and the name counts.
    """
    if INDEX not in str(output):
        return [params]
    several = [name for name, value in params.items() if "," in value]
    if len(several) != 1:
        raise UsageError(f"{INDEX} needs one parameter with several values", "for instance -p at=0,0.5,1")
    values = params[several[0]].split(",")
    return [{**params, several[0]: value.strip()} for value in values]
