"""``gen info``: what a file says about how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gen import formats
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.plugin.host import Host
from gen.plugin.text import one_line


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("info", help=f"{summary} Reads AUTOMATIC1111's, ComfyUI's and InvokeAI's pictures, too.")
    def info(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        session.data.update(formats.inspect(file, host.formats()))
        for line in _lines(session.data):
            session.show(line)


def _lines(content: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in content.items():
        key = one_line(name)
        if isinstance(value, Mapping):
            if value:
                yield f"{indent}{key}:"
                yield from _lines(value, indent + "  ")
        elif isinstance(value, list):
            for item in value:
                yield f"{indent}{key}:"
                yield from _lines(item, indent + "  ")
        elif value not in (None, ""):
            shown = value if not isinstance(value, str) or value.isprintable() else repr(value)
            yield f"{indent}{key}: {shown}"
