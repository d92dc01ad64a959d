"""Prompts in English: foreign words, emoji and misspelt words become the English words that they mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from gen.words.forms import base_forms
from gen.words.reading import WEIGHT, Word, read
from gen.words.table import word_table


def english(prompt: str) -> str:
    """A prompt in English words, without weights and without what shall not be made.

    English words stay as they are written, and words that the table does not have.

    Raises:
        ValueError: It holds a control character.
    """
    text = WEIGHT.sub(" ", unicodedata.normalize("NFC", prompt))
    # Read again without weights, so that places are those of the text.
    reading = read(text)
    for word in reversed(reading.words):
        text = text[: word.place] + _in_english(word) + text[word.place + len(word.written) :]
    for part in reading.left_out:
        text = text.replace(part, " , ")
    return text


@lru_cache(maxsize=4096)
def forms(word: str) -> frozenset[str]:
    """A word in lower case, and words that it may be a form of."""
    return frozenset({word, *base_forms(word)})


def _in_english(word: Word) -> str:
    table = word_table()
    text = word.written.lower()
    if not word.known or word.rows in {table.find("en", form) for form in _phrase_forms(text)}:
        return word.written
    said = " ".join(table.names[row] for row in word.rows)
    return said if word.written.isascii() else f" {said} "


def _phrase_forms(text: str) -> Iterator[str]:
    """A word or phrase as the table may hold it, the last word or all words in their base form."""
    words = re.split(r"[\s\-]+", text)
    bases = [next((form for form in (word, *base_forms(word)) if _known(form)), word) for word in words]
    yield from (" ".join(words), " ".join(bases))
    yield from (" ".join([*words[:-1], form]) for form in base_forms(words[-1]))
    yield text


def _known(word: str) -> bool:
    return word_table().find("en", word) is not None
