"""Words of captions that every grammar needs."""

from __future__ import annotations

NUMBERS = ("one", "two", "three", "four", "five")


def with_article(noun: str) -> str:
    """A noun behind "a" or "an", by its first letter."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"
