"""Words that are translated by hand: of the closed classes, and everyday ones of some languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gen.words.table import LANGUAGES

FOLDER = Path(__file__).parent
EVERYDAY = ("de", "fr", "es", "it", "pt")
"""Languages of the everyday words."""


def closed_words() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Name of a row to its words by language.

    The row ``""`` holds words that say nothing of what is made.
    """
    return _translations("closed_words.txt", LANGUAGES)


def everyday_words() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Name of a row to words that mean it by language, without English."""
    return _translations("everyday_words.txt", EVERYDAY)


def _translations(file: str, languages: Sequence[str]) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    found: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            continue
        name, _, rest = line.partition("=")
        columns = [
            tuple(word.strip() for word in column.split(",") if word.strip()) for column in rest.split("|")
        ]
        found[name.strip()] = dict(zip(languages, columns, strict=True))
    return found
