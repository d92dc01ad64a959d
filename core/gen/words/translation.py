"""Prompts in English: foreign words and emoji become the English words that they mean."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from gen.words.inflection import base_forms
from gen.words.reading import BUT, WEIGHT, Reading, Word, read
from gen.words.table import word_table

_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "many")
_SIDE = re.compile(r"(?<=\w) +(?:left|right)(?= +(?!of\b|corner\b|side\b|background\b)\w)")
"""Words of other languages for "left of" become "left"."""
_BACKGROUND = re.compile(r"\b(?:on|in|above|against|with) +background +(?P<colour>light blue|\w+)\b")
"""Colours stand behind nouns in many languages."""
_ARTICLES = {
    (language, word): article
    for language, indefinite, definite in (
        ("de", "ein eine einen einem einer eines", "der die das den dem des"),
        ("fr", "un une d'un d'une", "le la les"),
        ("es", "un una", "el la los las"),
        ("it", "un uno una", "il lo la i gli le"),
        ("pt", "um uma", "o a os as"),
    )
    for words, article in ((indefinite, "a"), (definite, "the"))
    for word in words.split()
}
_VOWEL = re.compile(r"\ba(?= +[aeiou])")
_SAID = {"front": "in front of", "beside": "next to"}
"""Rows of the table whose names are no English."""
_LAST = re.compile(r"\b(?:with|and|of|in|on|but)\s*$", re.IGNORECASE)
"""Words that are nothing without what follows."""
_BUT = re.compile(rf"^\s*(?:{'|'.join(BUT)})\b", re.IGNORECASE)


def english(prompt: str, names: tuple[str, ...] = ()) -> str:
    """A prompt in English words, without weights and without what shall not be made.

    English words stay as they are written, and words that the table does not have. Emoji in a row are a list,
    equal ones a number.

    Args:
        prompt: In any language.
        names: Of things, which may hold a negation: "cup without handle".

    Raises:
        UsageError: It holds a control character.
    """
    # Selectors of an emoji's style are no part of its name, and places are those of a text without them.
    text = _listed(WEIGHT.sub(" ", unicodedata.normalize("NFC", prompt).replace("\ufe0f", "")))
    # Read again without weights, so that places are those of the text.
    reading = read(text)
    own = _thing_in_english(reading)
    for word in reversed(reading.words):
        said = word.written.lower() if word is own else _in_english(word, reading.language)
        text = text[: word.place] + said + text[word.place + len(word.written) :]
    for part in reading.left_out:
        if not is_named(part, names):
            before, _, behind = text.partition(part)
            text = f"{_LAST.sub('', before).rstrip()}, {_BUT.sub('', behind.lstrip(' ,'))}"
    if reading.language != "en":
        text = _BACKGROUND.sub(r"on \g<colour> background", _SIDE.sub(r"\g<0> of", text))
        text = _VOWEL.sub("an", text)
    return text


def is_named(absence: str, names: tuple[str, ...]) -> bool:
    """Whether what shall not be made is part of a name: "without a handle" of a cup without handle."""
    bare = " ".join(word for word in absence.lower().split() if word not in ("a", "an", "the", "any"))
    return any(bare in name for name in names)


def _listed(text: str) -> str:
    """A text whose emoji in a row are listed."""
    words = read(text).words
    runs = [
        (emoji, list(run))
        for emoji, run in groupby(words, lambda word: unicodedata.category(word.written[0]) == "So")
    ]
    for emoji, run in reversed(runs):
        if emoji and len(run) > 1:
            equal = [(written, len(list(many))) for written, many in groupby(word.written for word in run)]
            listed = ", ".join(
                written if count == 1 else f"{_COUNTS[min(count - 1, len(_COUNTS)) - 1]} {written}"
                for written, count in equal
            )
            text = text[: run[0].place] + listed + text[run[-1].place + len(run[-1].written) :]
    return text


def _thing_in_english(reading: Reading) -> Word | None:
    """The colour that is a thing by its English meaning, where no other word is one: "eine rote Rose"."""
    table = word_table()
    if reading.language == "en" or any(table.things[row] for row in reading.rows):
        return None
    for word in reading.words:
        said = word.written.lower()
        found = (table.find("en", form) for form in (said, *base_forms(said)))
        rows = next((rows for rows in found if rows), ())
        if word.rows and rows != word.rows and any(table.things[row] for row in rows):
            return word
    return None


def _in_english(word: Word, language: str) -> str:
    """A word of a prompt in a language; as it is written where it is English, or may be misspelt English."""
    table = word_table()
    text = word.written.lower()
    if language != "en" and word.known and not word.rows:
        return _ARTICLES.get((language, text), "")
    if text.isascii() and (language == "en" or _same(word, text)):
        return word.written
    return (
        f" {' '.join(_SAID.get(name := table.names[row], name) for row in word.rows)} "
        if word.known
        else text
    )


def _same(word: Word, text: str) -> bool:
    """Whether a word is English, perhaps in another form, that means what it means here."""
    said = " ".join(word_table().names[row] for row in word.rows)
    return said in (text, *base_forms(text))
