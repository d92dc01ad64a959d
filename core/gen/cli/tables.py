"""Plain text: tables with columns as wide as what is in them, and outlines of what is nested."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from gen.plugin.text import one_line

WIDTH = 80
"""Columns that a table takes at most where its last column can be wrapped."""

NARROWEST = 24
"""Columns of the last column at least."""


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, without trailing spaces; the last column is wrapped at ``WIDTH``.

    Args:
        rows: Cells; the first row is the heading.
    """
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    indent = sum(widths) + 2 * len(widths)
    for *cells, last in rows:
        start = "".join(f"{cell.ljust(width)}  " for cell, width in zip(cells, widths, strict=True))
        lines = textwrap.wrap(last, max(WIDTH - indent, NARROWEST), break_on_hyphens=False) or [""]
        yield (start + lines[0]).rstrip()
        yield from (" " * indent + line for line in lines[1:])


def outline(content: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Lines ``name: value``, those of what is within another indented by two; what is empty is left out.

    Args:
        content: JSON values by name, which a stranger may have written.
        indent: What each line starts with.
    """
    for name, value in content.items():
        start = f"{indent}{one_line(name)}:"
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                if part:
                    yield start
                    yield from outline(part, indent + "  ")
            elif part not in (None, ""):
                shown = str(part)
                yield f"{start} {shown if shown.isprintable() else repr(shown)}"
