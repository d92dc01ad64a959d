"""Words of the closed classes, in English and the languages that prompts are read in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "zh", "ja", "hi", "ar")


def closed_words() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Name of a row to its words by language.

    The row ``""`` holds words that say nothing of what is made.
    """
    found: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            continue
        name, _, rest = line.partition("=")
        columns = [
            tuple(word.strip() for word in column.split(",") if word.strip()) for column in rest.split("|")
        ]
        found[name.strip()] = dict(zip(LANGUAGES, columns, strict=True))
    return found
