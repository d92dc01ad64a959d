"""The word of a noun phrase that says which thing is meant."""

from __future__ import annotations

from gen.words.reading import read
from gen.words.table import word_table

ENDS = frozenset(
    (
        *("above", "against", "around", "as", "at", "away", "behind", "below", "beside", "between", "by"),
        *("down", "for", "from", "front", "in", "inside", "into", "near", "on", "over", "that", "through"),
        *("to", "under", "up", "which", "while", "who", "with"),
    )
)
"""Words behind which a phrase says where or how a thing is."""
MOST = 8
"""Steps from a thing to what it is a sort of in the most general sense."""


def head(text: str) -> int:
    """The row of the last word of the first noun phrase that means a thing; 0 where there is none.

    "a snowman with a carrot nose" is a snowman, "a spaceship flying to mars" a spaceship.
    "of" ends no phrase: of "a pile of coins" it is the coins.

    Raises:
        UsageError: The text holds a control character.
    """
    table = word_table()
    found: list[int] = []
    for word in read(text).words:
        name, written = (table.names[word.rows[0]] if word.rows else ""), word.written.lower()
        verb = written.endswith("ing") and name and not name.endswith("ing")
        if found and (verb or name in ENDS or written in ENDS):
            break
        # "Curled up" and "freshly baked" say how a thing is.
        if not (written.endswith("ed") and name and not name.endswith("ed")):
            found += [row for row in word.rows if row >= table.closed]
    things = [row for row in found if table.things[row]]
    return (things or found or [0])[-1]


def noun_phrase(text: str) -> str:
    """A text up to the first word that says where or how a thing is; all of it where there is none.

    Raises:
        UsageError: The text holds a control character.
    """
    table = word_table()
    for word in read(text).words:
        name = table.names[word.rows[0]] if word.rows else ""
        if word.place and (name in ENDS or word.written.lower() in ENDS):
            return text[: word.place].strip()
    return text


def single_words(text: str) -> frozenset[int]:
    """The rows of the words of a text, each by itself, without those that say where or how a thing is.

    Raises:
        UsageError: The text holds a control character.
    """
    table = word_table()
    rows = (row for word in text.split() for row in read(word).rows)
    return frozenset(row for row in rows if table.names[row] not in ENDS | {"and"})


def kinds(row: int, most: int) -> list[int]:
    """What a word is a sort of, as rows, the nearest first; at most so many."""
    table = word_table()
    found: list[int] = []
    while len(found) < most and (row := int(table.kinds[row])):
        found.append(row)
    return found


def sorts(text: str) -> tuple[str, ...]:
    """What the thing that a text means is a sort of, the nearest first; empty where it means none.

    Raises:
        UsageError: The text holds a control character.
    """
    row = head(text)
    return tuple(word_table().names[kind] for kind in kinds(row, MOST)) if row else ()
