"""The switches that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

JSON = Annotated[bool, typer.Option("--json", help="Write one JSON envelope to stdout, errors included.")]
QUIET = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
OFFLINE = Annotated[bool, typer.Option("--offline", help="Open no network connection.")]
VERBOSE = Annotated[bool, typer.Option("-v", "--verbose", help="Say more; show tracebacks.")]
