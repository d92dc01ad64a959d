"""Texts of strangers: made fit for a line on a terminal, and names as they are compared."""

from __future__ import annotations

import re


def one_line(text: str) -> str:
    """Join lines, and show control characters (which could move the cursor or recolour) as question marks."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def without_controls(text: str) -> str:
    """Spell out, as JSON does, what could move the cursor, recolour or reorder text; lines and tabs stay."""
    return "".join(f"\\u{ord(char):04x}" if _drives_terminal(char) else char for char in text)


def plain_name(name: str) -> str:
    """A name without case, spaces and punctuation, "++" as "pp": "DPM++ 2M" is "dpmpp2m"."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))


def close_names(name: str, known: list[str]) -> str:
    """The names that a misspelt one may stand for, joined by "or"; empty when none is near."""
    from difflib import get_close_matches

    return " or ".join(get_close_matches(name, known, n=3))


def _drives_terminal(character: str) -> bool:
    code = ord(character)
    control = (code < 0x20 and character not in "\t\n") or 0x7F <= code <= 0x9F
    return control or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
