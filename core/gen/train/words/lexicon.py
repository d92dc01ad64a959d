"""Which words, phrases and emoji of which language mean which rows."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gen.train.words import cldr
from gen.train.words.closed_words import closed_words, everyday_words
from gen.train.words.wordnet import WordNet
from gen.words.inflection import base_forms
from gen.words.reading import pieces_of, read_with
from gen.words.table import BEGINS, EMOJI, LANGUAGES, SEVERAL, Table, key

LONGEST = 8
"""Rows of the longest name."""
LEAST_OVERLAP = 0.3
"""A foreign word means the English one that is said of the same emoji, if so much of both sets is shared."""


class Lexicon:
    """Collects keys; what was added first stays."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[int, ...]] = {}
        self._bare: dict[int, tuple[int, ...]] = {}

    def add(self, language: str, text: str, rows: Iterable[int]) -> None:
        """Let a text of a language mean rows; none for a word that says nothing."""
        found = tuple(rows)[:LONGEST]
        if text:
            self._rows.setdefault(key(language, text), found)
            if " " in text:
                self._rows.setdefault(key(BEGINS + language, text.partition(" ")[0]), ())
            bare = without_accents(text)
            if bare != text:
                self._bare.setdefault(key(language, bare), found)

    def rows(self, language: str, text: str) -> tuple[int, ...]:
        """What a text of a language means so far; none where it is unknown."""
        return self._rows.get(key(language, text), ())

    def arrays(self) -> dict[str, np.ndarray]:
        """``keys``, ``values`` and ``sequences`` of ``gen.words.table.Table``."""
        # "E" is "and" in Italian, and no "è" without its accent.
        every = self._bare | self._rows
        longer = sorted({rows for rows in every.values() if len(rows) > 1})
        index = {rows: number for number, rows in enumerate(longer)}
        sequences = np.zeros((max(1, len(longer)), LONGEST), np.int16)
        for number, rows in enumerate(longer):
            sequences[number, : len(rows)] = rows
        keys = np.array(sorted(every), np.uint64)
        values = [
            index[rows] | SEVERAL if len(rows) > 1 else rows[0] if rows else 0
            for rows in (every[each] for each in sorted(every))
        ]
        return {"keys": keys, "values": np.array(values, np.uint16), "sequences": sequences}


def build(
    names: Sequence[str],
    closed: int,
    wordnet: WordNet,
    others: Mapping[str, str],
    report: Callable[[str], None],
) -> dict[str, np.ndarray]:
    """The arrays of the lexicon.

    Args:
        names: English words and phrases of the rows; the first of them is of row 0.
        closed: How many rows are of closed classes, with row 0.
        wordnet: For irregular forms.
        others: Further English words to the names of rows.
        report: Called with lines of progress.
    """
    lexicon = Lexicon()
    row = {name: number for number, name in enumerate(names) if name}
    for name, words in (*closed_words().items(), *everyday_words().items()):
        for language, said in words.items():
            for word in said:
                lexicon.add(language, " ".join(pieces_of(word)) or word, (row[name],) if name else ())
    for shades in ("light", "medium light", "medium", "medium dark", "dark"):
        rows = [row[shade] for shade in (*shades.split(), "skin")]
        for skin in ("skin tone", "skin", "skinned", "skin color", "skin colour"):
            lexicon.add("en", f"{shades} {skin}", rows)
    for name, number in row.items():
        lexicon.add("en", " ".join(pieces_of(name)), (number,))
    for form, lemma in wordnet.irregular.items():
        if lemma in row:
            lexicon.add("en", form, (row[lemma],))
    add_flags(lexicon, row, wordnet)
    for word, name in sorted(others.items(), key=lambda each: len(pieces_of(each[0]))):
        pieces = pieces_of(word)
        parts = [lexicon.rows("en", piece) for piece in pieces]
        # "Red-striped" is no other word for "striped", nor "man-on-a-horse" for "horse": they say both. But
        # "snow-white" is white.
        bound = [len(part) == 1 and part[0] < closed for part in parts]
        says_both = len(pieces) > 2 or all(bound) or (row[name] >= closed and any(bound))
        if len(pieces) == 1 or (row[name],) not in parts or not says_both:
            lexicon.add("en", " ".join(pieces), (row[name],))
    english = _without_vectors(names, closed, lexicon)
    annotations = {
        emoji: one for emoji, one in cldr.names_and_keywords("en").items() if not cldr.has_skin_tone(emoji)
    }
    for emoji, one in cldr.names_and_keywords("en").items():
        lexicon.add(EMOJI, emoji, read_with(english, one.name).rows)
    meanings = {
        emoji: (
            read_with(english, one.name).rows,
            [read_with(english, word).rows for word in one.keywords],
        )
        for emoji, one in annotations.items()
    }
    for language in LANGUAGES[1:]:
        before = len(lexicon.arrays()["keys"])
        _translate(lexicon, language, meanings)
        report(f"{language}: {len(lexicon.arrays()['keys']) - before} words and phrases")
    return lexicon.arrays()


def add_flags(lexicon: Lexicon, row: Mapping[str, int], wordnet: WordNet) -> None:
    """Let the German flag mean that of Germany.

    Args:
        lexicon: Gets the phrases.
        row: Name to row; those of flags are "flag germany" and so on.
        wordnet: Knows other words for a country, and its adjectives.
    """
    for name, number in row.items():
        kind, _, country = name.partition(" ")
        if kind == "flag" and country:
            for word in wordnet.of_place(country):
                said = " ".join(pieces_of(word))
                for phrase in (f"{said} flag", f"flag of {said}", f"flag of the {said}"):
                    lexicon.add("en", phrase, (number,))


def _without_vectors(names: Sequence[str], closed: int, lexicon: Lexicon) -> Table:
    """A table that texts can be read by."""
    nothing, keys = np.zeros(0), lexicon.arrays()
    return Table(
        vectors=np.zeros((len(names), 1), np.int8),
        scales=nothing,
        weights=nothing,
        things=np.zeros(len(names), bool),
        names=tuple(names),
        closed=closed,
        keys=keys["keys"],
        values=keys["values"],
        sequences=keys["sequences"],
        kinds=np.zeros(len(names), np.uint16),
    )


def _translate(
    lexicon: Lexicon,
    language: str,
    meanings: Mapping[str, tuple[tuple[int, ...], list[tuple[int, ...]]]],
) -> None:
    """Add the names and keywords of a language, and their single words.

    A name means the English name. A word means the English row that is said of the same emoji: that of the
    greatest overlap of both sets (Dice 1945).
    """
    names: dict[str, str] = {}
    said: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, set[str]] = defaultdict(set)
    for emoji, one in cldr.names_and_keywords(language).items():
        if emoji not in meanings:
            continue
        name = " ".join(pieces_of(one.name))
        if meanings[emoji][0]:
            names.setdefault(name, emoji)
        for text in (one.name, *one.keywords):
            pieces = pieces_of(text)
            said[" ".join(pieces)].add(emoji)
            for piece in pieces if len(pieces) > 1 else ():
                parts[piece].add(emoji)
    # A part of one or two names alone seldom means what they have in common.
    for piece, emojis in parts.items():
        if len(emojis) > 2 or piece in said:
            said[piece] |= emojis
    heard: dict[int, set[str]] = defaultdict(set)
    for emoji, (rows, keywords) in meanings.items():
        for meant in (rows, *keywords):
            for number in meant:
                heard[number].add(emoji)
    for name, emoji in names.items():
        if len(said[name]) <= 3 or " " in name:
            lexicon.add(language, name, meanings[emoji][0])
    for text, emojis in said.items():
        if len(text) < 2 and text.isascii():
            continue
        best = _nearest(emojis, meanings, heard)
        if best:
            lexicon.add(language, text, best)
        elif text in names:
            lexicon.add(language, text, meanings[names[text]][0])


def _nearest(
    emojis: set[str],
    meanings: Mapping[str, tuple[tuple[int, ...], list[tuple[int, ...]]]],
    heard: Mapping[int, set[str]],
) -> tuple[int, ...]:
    rows = {
        number for emoji in emojis for meant in (meanings[emoji][0], *meanings[emoji][1]) for number in meant
    }

    def overlap(number: int) -> float:
        named = sum(number in meanings[emoji][0] for emoji in emojis) / len(emojis)
        shared = len(emojis & heard[number])
        return 2 * shared / (len(emojis) + len(heard[number])) * (1 + 0.2 * named)

    best = max(sorted(rows), key=overlap, default=0)
    return (best,) if best and overlap(best) >= LEAST_OVERLAP else ()


def without_accents(text: str) -> str:
    """A text without the marks above and below Latin letters."""
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", parts))


def bases(words: Iterable[str], wordnet: WordNet) -> Mapping[str, str]:
    """Word to another of them that it may be a form of."""
    known = set(words)
    found = {}
    for word in known:
        irregular = wordnet.irregular.get(word)
        for form in (*((irregular,) if irregular else ()), *base_forms(word)):
            if form in known and form != word:
                found[word] = form
                break
    return found
