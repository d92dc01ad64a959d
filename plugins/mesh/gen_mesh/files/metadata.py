"""The recipe and its companions as named texts and as comments of files."""

from __future__ import annotations

import json

from gen.errors import UsageError
from gen.metadata import Metadata
from gen.recipe import MAX_BYTES

HEAD_BYTES = 4 * MAX_BYTES
"""How far into a file its recipe is looked for."""


def entries(metadata: Metadata) -> dict[str, str]:
    """The texts of a file by name, without empty ones."""
    named = {
        "gen": metadata.recipe,
        "parameters": metadata.parameters,
        "Software": metadata.software,
        "digitalSourceType": metadata.source_type,
    }
    return {name: text for name, text in named.items() if text}


def comments(metadata: Metadata) -> list[str]:
    """One line for each entry that has no line breaks, in ASCII, as readers of text formats expect."""
    lines = []
    for name, text in entries(metadata).items():
        if name == "gen":
            said = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
            # The words that end the header of a PLY, wherever they stand.
            said = said.replace("end_header", r"end\u005fheader")
            lines.append(f"gen {said}")
        elif name != "parameters":
            lines.append(f"{name} {text}")
    return lines


def in_comments(text: str, start: str) -> dict[str, str]:
    """The entries among the lines of a text that begin with ``start``.

    Raises:
        UsageError: See ``limited``.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith(start):
            name, _, rest = line[len(start) :].partition(" ")
            if name in ("gen", "Software", "digitalSourceType"):
                found.setdefault(name, rest.strip())
    return limited(found)


def limited(found: dict[str, str]) -> dict[str, str]:
    """The same entries.

    Raises:
        UsageError: One is longer than ``gen.recipe.MAX_BYTES``.
    """
    for key, text in found.items():
        if len(text) > MAX_BYTES:
            raise UsageError(f"its text entry {key[:40]!r} exceeds {MAX_BYTES} bytes")
    return found
