"""``gen info``: what a file says about how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gen import formats
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.cli.tables import outline
from gen.plugin.host import Host


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("info", help=f"{summary} Reads AUTOMATIC1111's, ComfyUI's and InvokeAI's pictures, too.")
    def info(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
        format_name: Annotated[
            str | None,
            typer.Option("--format", metavar="NAME", help="Its format, where the ending is that of several."),
        ] = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        session.data.update(formats.inspect(file, host.formats(), name=format_name))
        for line in outline(session.data):
            session.show(line)
