"""Other words for things: WordNet's synonyms, what they are kinds of, and how they are described."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

from gen.train.words.wordnet import WordNet, load

TOO_GENERAL = frozenset(
    [
        "entity",
        "physical entity",
        "abstraction",
        "object",
        "whole",
        "thing",
        "matter",
        "causal agent",
        "artifact",
        "instrumentality",
        "unit",
        "living thing",
        "organism",
        "psychological feature",
        "attribute",
        "relation",
        "group",
        "measure",
        "act",
        "part",
        "substance",
    ]
)
HIGHEST = 3
"""So many steps up hypernyms are taken."""


@dataclass(frozen=True)
class OtherWords:
    """Other words for a thing.

    Args:
        synonyms: Of the same meaning.
        kinds: More general ones, e.g. "animal".
        description: The definition; empty where there is none.
    """

    synonyms: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    description: str = ""


class Thesaurus:
    """Looks words up in WordNet, by their most frequent meaning as a thing that can be seen.

    Args:
        wordnet: By default the one that Debian installs.

    Raises:
        UsageError: It is not installed.
    """

    def __init__(self, wordnet: WordNet | None = None) -> None:
        self._wordnet = wordnet or load()

    def __call__(self, name: str) -> OtherWords:
        """Other words for a name; none where WordNet does not know it."""
        for text in (name, name.removesuffix(" face")):
            found = self._sense(text)
            if found:
                synset = self._wordnet.synsets[found]
                synonyms = tuple(
                    lemma for lemma in synset.lemmas if lemma != text and not held_out_word(lemma)
                )
                return OtherWords(synonyms, self._kinds(found), synset.gloss)
        return OtherWords()

    def _sense(self, text: str) -> str:
        keys = self._wordnet.senses.get((text, "n"), ())
        return next((key for key in keys[:2] if self._wordnet.synsets[key].file in self._things), "")

    @cached_property
    def _things(self) -> frozenset[int]:
        from gen.train.words.wordnet import CONCRETE

        return frozenset(CONCRETE)

    def _kinds(self, key: str) -> tuple[str, ...]:
        found: list[str] = []
        for _ in range(HIGHEST):
            above = self._wordnet.synsets[key].hypernyms
            if not above:
                break
            key = above[0]
            found += self._wordnet.synsets[key].lemmas[:2]
        return tuple(word for word in found if word not in TOO_GENERAL and not held_out_word(word))


def held_out_word(word: str) -> bool:
    """Whether captions hold a word in names alone: one in twenty, so that words never met can be measured."""
    return zlib.crc32(f"word|{word}".encode()) % 20 == 0
