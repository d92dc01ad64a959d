"""Prompts as words of the table: whatever their punctuation, case, forms, spelling or language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from gen.errors import UsageError
from gen.words.inflection import base_forms
from gen.words.table import BEGINS, EMOJI, LANGUAGES, Table, word_table

WEIGHT = re.compile(r"(?<=[(\w\s]):\s*[0-9]*\.?[0-9]+(?=\s*\))")
"""The weight of ``(red:1.3)``, as other programs write it."""
LONGEST_PHRASE = 4
LONGEST_RUN = 10
"""Characters of the longest word that is looked for in a text without spaces, and of the longest emoji."""
SHORTEST_TYPO = 4
COMMON = 5000
"""The most frequent words of English end at this row."""
RARE = 0.9
"""How much a word speaks for English which the table has only as near to another, where others count 1."""
_MARKS = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'"),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-"),
    0xFE0F: None,
}
_SPACELESS = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
_KATAKANA = {hiragana: katakana for katakana, hiragana in _HIRAGANA.items()}
"""Japanese words are written in either script, and the table has mostly one."""
_JOINERS = frozenset("\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff\u20e3")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
BUT = ("but", "sondern", "aber", "mais", "sino", "pero", "ma", "mas")
"""Words behind which a prompt says what it wants again."""
_ENDS = frozenset(',.;:!?()[]"\n')


@dataclass(frozen=True)
class Word:
    """A word, phrase or emoji of a prompt.

    Args:
        place: Where in the prompt it begins.
        written: As it stands there.
        rows: Of the table; empty for a word that says nothing of what is made, or is unknown.
        known: Whether the table has it, perhaps in another form, language or spelling.
        misspelt: Whether it has it in another spelling alone.
    """

    place: int
    written: str
    rows: tuple[int, ...]
    known: bool
    misspelt: bool = False


@dataclass(frozen=True)
class Reading:
    """A prompt as it is read.

    Args:
        words: In order.
        left_out: Parts that say what shall not be made, as they are written; no network reads them.
        language: Of ``LANGUAGES``, that which knows most of it.
    """

    words: tuple[Word, ...]
    left_out: tuple[str, ...]
    language: str = LANGUAGES[0]

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the table, in order; none of them 0."""
        return tuple(row for word in self.words for row in word.rows)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Words that the table does not have."""
        return tuple(dict.fromkeys(word.written for word in self.words if not word.known))


@dataclass(frozen=True)
class _Piece:
    """A stretch of characters of one sort: a word, a run without spaces, an emoji, or the end of a clause."""

    place: int
    written: str
    sort: str

    @property
    def text(self) -> str:
        return self.written.translate(_MARKS).lower()


@lru_cache(maxsize=4096)
def read(prompt: str) -> Reading:
    """Read a prompt: English, or any of ``LANGUAGES``, which is found out by itself.

    Raises:
        UsageError: It holds a control character.
    """
    return read_with(word_table(), prompt)


def read_with(words: Table, prompt: str) -> Reading:
    """As ``read``, with a table of one's own."""
    for character in prompt:
        if unicodedata.category(character) == "Cc" and character not in "\t\n\r":
            raise UsageError(f"the text holds the control character U+{ord(character):04X}", "leave it out")
    return _Reader(words, prompt).reading()


def pieces_of(text: str) -> list[str]:
    """The words of a name as keys of the lexicon hold them: in lower case, without punctuation."""
    return [piece.text for piece in _pieces(unicodedata.normalize("NFC", text)) if piece.sort != "end"]


class _Reader:
    def __init__(self, words: Table, prompt: str) -> None:
        self.table, self.prompt = words, unicodedata.normalize("NFC", prompt)
        self.negation = words.find("en", "not")
        blanked = WEIGHT.sub(lambda found: " " * len(found[0]), self.prompt)
        self.pieces = list(_pieces(blanked))
        self.languages = self._languages()
        self.spoken = tuple(dict.fromkeys((self.languages[0], "en")))

    def reading(self) -> Reading:
        found: list[Word] = []
        left_out: list[str] = []
        negated: int | None = None
        at = 0
        while at < len(self.pieces):
            piece = self.pieces[at]
            words, count = self._next(at)
            at += count
            boundary = (
                piece.sort == "end"
                or piece.text in BUT
                or any(self._separates(row) for word in words for row in word.rows)
                or (negated is not None and self._is_done(words, negated))
            )
            if negated is not None and boundary:
                left_out.append(self.prompt[negated : piece.place].strip())
                negated = None
            # A forget-me-not is a flower.
            if words and words[0].rows == self.negation and self.prompt[piece.place - 1 : piece.place] != "-":
                negated = piece.place if negated is None else negated
            elif negated is None:
                found += words
        if negated is not None:
            left_out.append(self.prompt[negated:].strip())
        return Reading(tuple(found), tuple(left_out), self.languages[0])

    def _is_done(self, words: Sequence[Word], negated: int) -> bool:
        """Whether a word says what the thing does that lacks another: "a car without wheels drives".

        Args:
            words: One, else it does not.
            negated: Where what the thing lacks begins.
        """
        if len(words) != 1 or len(words[0].rows) != 1:
            return False
        said, name = words[0].written.lower(), self.table.names[words[0].rows[0]]
        lacks = self.prompt[:negated].lower().endswith("with ") or self.prompt[negated:].startswith("with")
        doing = lacks and said.endswith("ing") and not name.endswith("ing")
        return doing or (said in (f"{name}s", f"{name}es") and not self.table.things[words[0].rows[0]])

    def _separates(self, row: int) -> bool:
        """Whether a word begins another part of a sentence."""
        return self.table.names[row] in ("and", "with", "on", "in", "beside", "above", "below", "behind")

    def _next(self, at: int) -> tuple[list[Word], int]:
        """The words that begin at a piece, and how many pieces they take."""
        piece = self.pieces[at]
        if piece.sort == "end":
            return [], 1
        if piece.sort == "emoji":
            return list(self._run(piece, (EMOJI,))), 1
        if piece.sort == "run":
            return list(self._run(piece, self.languages)), 1
        phrase = self._phrase(at)
        if phrase is not None:
            return phrase
        rows = self._word(piece.text)
        misspelt = rows is None
        if misspelt:
            rows = self._misspelt(piece.text)
        return [Word(piece.place, piece.written, rows or (), rows is not None, misspelt and bool(rows))], 1

    def _phrase(self, at: int) -> tuple[list[Word], int] | None:
        """The longest phrase that begins at a piece."""
        run = []
        for piece in self.pieces[at : at + LONGEST_PHRASE]:
            if piece.sort != "word":
                break
            run.append(piece)
        first = {run[0].text, _base(self.table, run[0].text)}
        languages = [
            language
            for language in self.spoken
            if any(self.table.find(BEGINS + language, text) is not None for text in first)
        ]
        for count in range(len(run) if languages else 0, 1, -1):
            texts = [piece.text for piece in run[:count]]
            bases = [_base(self.table, text) for text in texts]
            for words in dict.fromkeys(map(tuple, (texts, [*texts[:-1], bases[-1]], bases))):
                rows = self._any(languages, " ".join(words))
                if rows is not None:
                    end = run[count - 1].place + len(run[count - 1].written)
                    return [Word(run[0].place, self.prompt[run[0].place : end], rows, True)], count
        return None

    def _word(self, text: str) -> tuple[int, ...] | None:
        for language in self.spoken:
            rows = _in_language(self.table, language, text)
            if rows is not None:
                return rows
        return self._any(self.languages, text)

    def _misspelt(self, text: str) -> tuple[int, ...] | None:
        """The word that one letter too many, too few, wrong or exchanged, or doubled ones, make of this one.

        Things that can be seen come first, then words that begin alike, then frequent ones.
        """
        # A word that is unknown in another language is no misspelt English one: "rennt" is no rennet.
        english = self.languages[0] == "en"
        if not (english and text.isascii() and text.isalpha() and len(text) >= SHORTEST_TYPO):
            return None
        edits = (*_edits(text), *_names_by_letters(self.table).get(_without_doubles(text), ()))
        found = ((edit, self.table.find("en", edit)) for edit in edits)
        likely = [(edit, rows) for edit, rows in found if rows is not None and len(rows) == 1]
        _, best = min(
            likely,
            key=lambda each: (not self.table.things[each[1][0]], each[0][0] != text[0], each[1][0]),
            default=("", None),
        )
        return best

    def _run(self, piece: _Piece, languages: Sequence[str]) -> Iterator[Word]:
        """Words of a run without spaces: the longest that are known, from the left."""
        text, at, unknown = piece.text, 0, 0
        while at < len(text):
            for length in range(min(LONGEST_RUN, len(text) - at), 0, -1):
                rows = self._any(languages, text[at : at + length])
                if rows is not None:
                    break
            else:
                unknown, at = unknown + 1, at + 1
                continue
            if unknown:
                yield Word(piece.place + at - unknown, text[at - unknown : at], (), False)
                unknown = 0
            yield Word(piece.place + at, text[at : at + length], rows or (), True)
            at += length
        if unknown:
            yield Word(piece.place + at - unknown, text[at - unknown :], (), False)

    def _any(self, languages: Sequence[str], text: str) -> tuple[int, ...] | None:
        scripts = dict.fromkeys((text, text.translate(_HIRAGANA), text.translate(_KATAKANA)))
        found = (self.table.find(language, said) for said in scripts for language in languages)
        return next((rows for rows in found if rows is not None), None)

    def _languages(self) -> tuple[str, ...]:
        """The languages in order of how much of the prompt they know; English before others alike.

        Words of closed classes count double: "a", "ein" and "un" tell languages apart.
        """
        scores = dict.fromkeys(LANGUAGES, 0.0)
        for piece in self.pieces:
            if piece.sort == "word" and not piece.text.isdecimal():
                found = _scores(self.table, piece.text, len(self.pieces) == 1)
                for language, score in zip(LANGUAGES, found, strict=True):
                    scores[language] += score
            elif piece.sort == "run":
                for language in LANGUAGES:
                    words = self._run(piece, (language,))
                    scores[language] += sum(
                        len(word.written) * (1 if word.rows else 0.9) for word in words if word.known
                    )
        return tuple(sorted(LANGUAGES, key=lambda language: -scores[language]))


@lru_cache(maxsize=65536)
def _scores(table: Table, text: str, alone: bool) -> tuple[float, ...]:
    """How much a word speaks for each language, alone or among others."""
    found = [_in_language(table, language, text) for language in LANGUAGES]
    exact = {language for language in LANGUAGES if table.find(language, text) is not None}
    english = found[0] or ()
    own = "en" not in exact or text in _names(table) or all(row < table.closed for row in english)
    # "Grand" and "rose" are good English too, and tell nothing; "die" is an article all the same, where it is
    # not alone.
    common = own and bool(english) and all(table.closed <= row < COMMON for row in english)

    def score(language: str, rows: tuple[int, ...] | None) -> float:
        if rows is None:
            return 0.0
        if language == "en" and not own:
            # English so rare that the table has another word for it: "Frau" is rather a woman.
            return RARE
        if language != "en" and rows and rows == found[0]:
            # "Violets" are the same in French.
            return score("en", rows)
        closed = language in exact and all(row < table.closed for row in rows)
        return 2.0 if closed and not (common and (rows or alone)) else 1.0

    return tuple(score(language, rows) for language, rows in zip(LANGUAGES, found, strict=True))


@lru_cache(maxsize=4)
def _names(table: Table) -> frozenset[str]:
    return frozenset(table.names)


@lru_cache(maxsize=4)
def _names_by_letters(table: Table) -> Mapping[str, tuple[str, ...]]:
    """English names by their letters, of which doubled ones count once: "girafe" of a giraffe."""
    found: dict[str, tuple[str, ...]] = {}
    for name in table.names:
        letters = _without_doubles(name)
        found[letters] = (*found.get(letters, ()), name)
    return found


def _without_doubles(text: str) -> str:
    return "".join(letter for letter, _ in groupby(text))


@lru_cache(maxsize=65536)
def _in_language(table: Table, language: str, text: str) -> tuple[int, ...] | None:
    """Rows of a word, or of one that it may be a form of."""
    forms = (text, _without_accents(text), *_forms(language, text))
    return next((rows for form in forms if (rows := table.find(language, form)) is not None), None)


@lru_cache(maxsize=65536)
def _base(table: Table, text: str) -> str:
    """An English word as phrases hold it."""
    form = next((form for form in (text, *base_forms(text)) if table.find("en", form) is not None), text)
    rows = table.find("en", form) or ()
    return table.names[rows[0]] if len(rows) == 1 else form


def _pieces(text: str) -> Iterator[_Piece]:
    at = 0
    while at < len(text):
        sort = _sort(text[at])
        end = at + 1
        if sort == "word":
            while end < len(text) and (
                _sort(text[end]) == "word"
                or (text[end] in "'\u2019" and end + 1 < len(text) and _sort(text[end + 1]) == "word")
            ):
                end += 1
        elif sort in ("run", "emoji"):
            while end < len(text) and (_sort(text[end]) == sort or text[end] in _JOINERS | {"\ufe0f"}):
                end += 1
        if sort:
            yield _Piece(at, text[at:end], sort)
        at = end


def _sort(character: str) -> str:
    if _SPACELESS.match(character):
        return "run"
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return "word"
    if category in ("So", "Sk", "Cn") and ord(character) > 0xFF:
        return "emoji"
    if character == "&":
        return "word"
    return "end" if character in _ENDS else ""


def _forms(language: str, text: str) -> Iterator[str]:
    if language == "en":
        yield from base_forms(text)
    elif language == "ar" and text.startswith("ال"):
        yield text[2:]
    elif language in ("fr", "it") and "'" in text:
        yield text.partition("'")[2]
    elif language in ("fr", "es", "it", "pt", "de"):
        for count in (1, 2):
            if len(text) > count + 3:
                yield text[:-count]
        if language == "it" and len(text) > 3:
            yield from (text[:-1] + vowel for vowel in "oaei")


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(p for p in parts if not 0x300 <= ord(p) <= 0x36F))


def _edits(word: str) -> Iterator[str]:
    """Words at one deletion, exchange of neighbours, replacement or insertion (Damerau 1964)."""
    found: dict[str, None] = {}
    for at in range(len(word) + 1):
        left, right = word[:at], word[at:]
        if right:
            found[left + right[1:]] = None
            found.update((left + letter + right[1:], None) for letter in _LETTERS)
        if len(right) > 1:
            found[left + right[1] + right[0] + right[2:]] = None
        found.update((left + letter + right, None) for letter in _LETTERS)
    found.pop(word, None)
    return iter(found)
