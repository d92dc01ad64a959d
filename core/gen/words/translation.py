"""Prompts in English: foreign words and emoji become the English words that they mean."""

from __future__ import annotations

import unicodedata

from gen.words.inflection import base_forms
from gen.words.reading import WEIGHT, Reading, Word, read
from gen.words.table import word_table


def english(prompt: str) -> str:
    """A prompt in English words, without weights and without what shall not be made.

    English words stay as they are written, and words that the table does not have.

    Raises:
        UsageError: It holds a control character.
    """
    # Selectors of an emoji's style are no part of its name, and places are those of a text without them.
    text = WEIGHT.sub(" ", unicodedata.normalize("NFC", prompt).replace("\ufe0f", ""))
    # Read again without weights, so that places are those of the text.
    reading = read(text)
    own = _thing_in_english(reading)
    for word in reversed(reading.words):
        said = word.written.lower() if word is own else _in_english(word, reading.language)
        text = text[: word.place] + said + text[word.place + len(word.written) :]
    for part in reading.left_out:
        text = text.replace(part, " , ")
    return text


def _thing_in_english(reading: Reading) -> Word | None:
    """The colour that is a thing by its English meaning, where no other word is one: "eine rote Rose"."""
    table = word_table()
    if reading.language == "en" or any(table.things[row] for row in reading.rows):
        return None
    for word in reading.words:
        rows = table.find("en", word.written.lower()) or ()
        if word.rows and rows != word.rows and any(table.things[row] for row in rows):
            return word
    return None


def _in_english(word: Word, language: str) -> str:
    """A word of a prompt in a language; as it is written where it is English, or may be misspelt English."""
    table = word_table()
    text = word.written.lower()
    if text.isascii() and (language == "en" or _same(word, text)):
        return word.written
    return f" {' '.join(table.names[row] for row in word.rows)} " if word.known else word.written


def _same(word: Word, text: str) -> bool:
    """Whether a word says the same in English."""
    found = (word_table().find("en", form) for form in (text, *base_forms(text)))
    return next((rows for rows in found if rows is not None), None) == word.rows
