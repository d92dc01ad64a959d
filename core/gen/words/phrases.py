"""Words and phrases of a small set, found in a prompt in any form of their words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gen.words.inflection import forms

_WORD = re.compile(r"[^\s,]+|,")


def words_of(text: str) -> list[str]:
    """The words and commas of a text in lower case."""
    return _WORD.findall(text)


@dataclass(frozen=True, eq=False)
class Phrases:
    """Phrases that mean something.

    Args:
        meanings: Each meaning, and the phrases that say it, in base forms or in the plural.
    """

    meanings: Mapping[str, Iterable[str]]

    def at(self, words: Sequence[str], start: int) -> tuple[int, str] | None:
        """The number of words and the meaning of the longest phrase that begins at a word, if any."""
        for phrase, meaning in self._first(words[start]):
            here = words[start : start + len(phrase)]
            if len(here) == len(phrase) and all(map(_alike, phrase, here)):
                return len(phrase), meaning
        return None

    def take(self, words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """The meanings of all phrases in order, each with the words that say it, and all other words."""
        found, left, at = dict[str, str](), [], 0
        while at < len(words):
            phrase = self.at(words, at)
            if phrase is None:
                left.append(words[at])
                at += 1
            else:
                found.setdefault(phrase[1], " ".join(words[at : at + phrase[0]]))
                at += phrase[0]
        return found, left

    def _first(self, word: str) -> list[tuple[tuple[str, ...], str]]:
        """Phrases that may begin with a word, the longest first."""
        found = {pair: None for form in forms(word) for pair in self._by_first.get(form, ())}
        return sorted(found, key=lambda pair: (-len(pair[0]), pair[0][0] != word))

    @cached_property
    def _by_first(self) -> Mapping[str, list[tuple[tuple[str, ...], str]]]:
        found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for meaning, phrases in self.meanings.items():
            for phrase in phrases:
                words = tuple(phrase.split())
                for form in {words[0], words[0].removesuffix("s")}:
                    found.setdefault(form, []).append((words, meaning))
        return found


def _alike(a: str, b: str) -> bool:
    """Whether a word of a phrase, in either number, is one that a word of a prompt may be a form of."""
    return not forms(b).isdisjoint({a, a.removesuffix("s")})
