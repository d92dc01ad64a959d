"""Prompts as conditions of a network that reads words of the shared table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gen.diffusion import Conditioning
from gen.errors import ModelError
from gen.nn.text import text_conditions, unchanged, unread_weights
from gen.nn.word_rows import WordRows
from gen.words import Word, digest, nearest, read, word_table

NEAR = 0.33
"""A word whose cosine to every word of the captions is lower means nothing that the model can make. Of the
words of natural prompts for pictures, 94 of 100 have a higher one to a word of the names alone."""


@dataclass(frozen=True, eq=False)
class PromptEncoder:
    """Prompts as rows of the table of words; an encoder of ``gen.model.Model``.

    Args:
        length: Most words that the network reads; a longer prompt is cut.
        names: What the model can make.
        words: Names of the table's rows that captions held.
        said: (prompt, params) -> the text that the network reads: with parameters in words, as in captions.
    """

    length: int
    names: tuple[str, ...]
    words: frozenset[str]
    said: Callable[[str, Mapping[str, object]], str] = unchanged

    @classmethod
    def of(
        cls,
        config: Mapping[str, object],
        length: int,
        said: Callable[[str, Mapping[str, object]], str] = unchanged,
    ) -> PromptEncoder:
        """The encoder that a model file describes.

        Args:
            config: Of the file, with ``names`` and ``words`` (both divided by ``|``) and ``word_table``, the
                digest of the table that it was trained with.
            length, said: See the class.

        Raises:
            KeyError: An entry is missing.
            ModelError: It was trained with another table.
        """
        if config["word_table"] != digest():
            raise ModelError(
                "the model was trained with another table of words", "another version of gen-toolkit has it"
            )
        names, words = (tuple(str(config[key]).split("|")) for key in ("names", "words"))
        return cls(length, names, frozenset(words), said)

    @property
    def entries(self) -> dict[str, str]:
        """What ``of`` reads."""
        return {
            "names": "|".join(self.names),
            "words": "|".join(sorted(self.words)),
            "word_table": digest(),
        }

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """Conditioning with ``text`` (route "prepend"): rows (B, L) int64, and their mask (B, L).

        Raises:
            UsageError: A prompt holds a control character.
        """
        ids, mask = WordRows().batch([self.said(prompt, params) for prompt in prompts], self.length)
        return text_conditions(ids[:, : max(1, int(mask.sum(1).max()))])

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of a prompt that is too long; mostly empty."""
        room = self.length - (len(read(self.said(prompt, params)).rows) - len(read(prompt).rows))
        taken = 0
        for word in read(prompt).words:
            taken += len(word.rows)
            if taken > room:
                return prompt[word.place :]
        return ""

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that the table does not have, and things that nothing in the captions is near to."""
        return tuple(dict.fromkeys(word.written for word in read(prompt).words if not self._knows(word)))

    def left_out(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """Negations, with what they negate: "no hat"."""
        return read(self.said(prompt, params)).left_out

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """A line about each weight and each negation, which are left out, and about an empty reading."""
        negations = [
            f"the model cannot leave things out: {text!r} is not read"
            for text in self.left_out(prompt, params)
        ]
        nothing = ["no word of it says what to make"] if prompt.strip() and not read(prompt).rows else []
        return (*unread_weights(prompt), *negations, *nothing)

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """The things that mean the nearest to the unknown words; at most ``count``."""
        return nearest(" ".join(self.unknown_words(prompt)), self.names, count)

    def _knows(self, word: Word) -> bool:
        table = word_table()
        if not word.known:
            return False
        unseen = [row for row in word.rows if row >= table.closed and table.names[row] not in self.words]
        return all(
            float((self._known @ table.vectors_of((row,))[0]).max(initial=-1)) >= NEAR for row in unseen
        )

    @cached_property
    def _known(self) -> np.ndarray:
        """Vectors (N, D) of the words of captions."""
        table = word_table()
        rows = [row for row, name in enumerate(table.names) if name in self.words]
        return table.vectors_of(tuple(rows)).reshape(-1, table.width)
