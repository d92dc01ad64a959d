"""Prompts in the words of captions: what a network that was trained on captions can read of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from gen.nn.subwords import WORD
from gen.words import WEIGHT

_COMPOUND = re.compile(r"[^\W_]+(?:['-][^\W_]+)+")
_FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "from", "in", "of", "on", "the", "to", "with", ","}
)
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


@dataclass(frozen=True)
class Piece:
    """A word, comma or symbol of a prompt.

    Args:
        place: Where in the prompt it begins.
        written: As it is there.
        plain: As the network reads it; empty for a symbol, which no subword stands for.
        known: Whether captions held it.
    """

    place: int
    written: str
    plain: str
    known: bool


@dataclass(frozen=True, eq=False)
class CaptionWords:
    """The words that captions held, which are found again in prompts, also in other forms.

    Args:
        names: Names of things, with their punctuation.
        words: Every word that the captions held.
        plain: A text as the vocabulary compares it: in lower case, without accents.
    """

    names: tuple[str, ...]
    words: frozenset[str]
    plain: Callable[[str], str]

    @cached_property
    def known(self) -> frozenset[str]:
        """The words as the vocabulary compares them."""
        return frozenset(self.plain(word) for word in self.words)

    def pieces(self, prompt: str) -> Iterator[Piece]:
        """The words, commas and symbols of a prompt in order; weights and other punctuation are left out."""
        prompt = WEIGHT.sub(_blanks, prompt)
        for found in self._pattern.finditer(prompt.translate(_APOSTROPHES)):
            written = prompt[found.start() : found.end()]
            if found.lastgroup in ("name", "comma"):
                yield Piece(found.start(), written, found[0], True)
            elif found.lastgroup == "word":
                word = self.plain(unicodedata.normalize("NFKC", found[0])).strip()
                form = next((form for form in _forms(word) if form in self.known), "")
                yield Piece(found.start(), written, form or word, bool(form))
            elif unicodedata.category(written) in ("So", "Co", "Cn"):
                yield Piece(found.start(), written, "", False)

    def as_caption(self, prompt: str) -> tuple[str, list[int]]:
        """A prompt as captions are written, and the place in the prompt of each of its characters.

        Unknown words are left out, unless no other word says anything.
        """
        pieces = list(self.pieces(prompt))
        if any(piece.known and piece.plain not in _FUNCTION_WORDS for piece in pieces):
            pieces = [piece for piece in pieces if piece.known]
        text, comma = "", False
        places: list[int] = []
        for piece in pieces:
            if piece.plain in ("", ","):
                comma = comma or piece.plain == ","
                continue
            between = (", " if comma else " ") if text else ""
            text, comma = f"{text}{between}{piece.plain}", False
            places += [piece.place] * len(between)
            places += [piece.place + min(index, len(piece.written)) for index in range(len(piece.plain))]
        return text, places

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A name that holds punctuation, else any word, comma or symbol."""
        spelt = {name for name in self.names if WORD.sub("", name).strip(" ")}
        spelt |= {compound for name in self.names for compound in _COMPOUND.findall(name)}
        known = "|".join(re.escape(text) for text in sorted(spelt, key=len, reverse=True))
        name = rf"(?P<name>(?<!\w)(?:{known})s?(?!\w))|" if spelt else ""
        return re.compile(rf"{name}(?P<word>{WORD.pattern})|(?P<comma>,)|(?P<other>\S)", re.IGNORECASE)


def _forms(word: str) -> Iterator[str]:
    """A word, then the same word in other forms: singular, plural and the third person for an -ing."""
    yield word
    if "'" in word:
        word = word.partition("'")[0]
        yield word
    if len(word) < 4:
        return
    yield f"{word}s"
    if word.endswith("s"):
        yield word.removesuffix("s")
        yield word.removesuffix("es")
    if word.endswith("ies"):
        yield f"{word.removesuffix('ies')}y"
    if word.endswith("ing") and len(word) > 5:
        stem = word.removesuffix("ing")
        stems = [stem, f"{stem}e", *([stem[:-1]] if stem[-1] == stem[-2] else [])]
        yield from (f"{form}{ending}" for form in stems for ending in ("s", "es", ""))


def _blanks(found: re.Match[str]) -> str:
    """As many spaces as were found, so that places stay."""
    return " " * len(found[0])
