"""Texts of strangers, made fit for a line on a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Join lines, and show control characters (which could move the cursor or recolour) as question marks."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
