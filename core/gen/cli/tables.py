"""Plain text: tables with columns as wide as what is in them, and outlines of what is nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gen.plugin.text import one_line


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, without trailing spaces.

    Args:
        rows: Cells; the first row is the heading.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


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
