"""The entry point of ``gen``, light enough that an interrupt while the rest is imported is caught, too.

Exit codes: 0 ok, 1 failed (also: stdout was closed early), 2 usage, 3 plugin, 4 model, 5 memory or device,
6 output, 7 part of a batch, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gen.errors import INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows ``gen`` on the command line; that of the process by default.

    Returns:
        The exit code.
    """
    try:
        from gen.cli.app import run

        return run(list(sys.argv[1:] if arguments is None else arguments) or ["--help"])
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("gen: interrupted\n")
        return INTERRUPTED
