"""Prompts in free words as conditions of a network that was trained on captions of names.

Such a network makes a thing well by its name, and badly by other words. A modality says a prompt as a
caption; the network reads the caption, and remarks say what became of the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from gen.diffusion import Conditioning
from gen.nn.text import TextEncoder
from gen.words import Stock, plain, read

SHOWN = 60
"""Characters of a part that a remark shows."""


@dataclass(frozen=True)
class Caption:
    """What a network reads in place of a prompt.

    Args:
        text: The caption; the prompt itself where it is one.
        remarks: A line about each part of the prompt that was guessed or left out.
    """

    text: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CaptionEncoder(TextEncoder):
    """A ``TextEncoder`` of prompts in free words, which become captions of names.

    Args:
        keywords: Pairs of another word for a thing and its name.
        caption: (prompt, stock) -> the caption.
    """

    keywords: tuple[tuple[str, str], ...] = ()
    caption: Callable[[str, Stock], Caption] = field(kw_only=True)

    @classmethod
    def around(
        cls,
        encoder: TextEncoder,
        caption: Callable[[str, Stock], Caption],
        keywords: tuple[tuple[str, str], ...] = (),
    ) -> Self:
        """An encoder of captions, before which prompts become captions."""
        return cls(
            encoder.subwords,
            encoder.length,
            encoder.names,
            encoder.words,
            encoder.said,
            keywords,
            caption=caption,
        )

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """As ``TextEncoder`` does it, of the captions."""
        return super().__call__([self._caption(prompt).text for prompt in prompts], params)

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of the caption that is too long; mostly empty."""
        return super().unread(self._caption(prompt).text, params)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words of the caption that no caption of the training held."""
        return super().unknown_words(self._caption(prompt).text)

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """A line about each weight, negation, part that was guessed, and a prompt that says nothing."""
        caption, reading = self._caption(prompt), read(prompt)
        negations = (
            f"the model cannot leave things out: {shortened(part)!r} is not read"
            for part in reading.left_out
            if plain(part) not in caption.text
        )
        words = read(plain(prompt)).words
        silent = prompt.strip() and all(word.known and not word.rows for word in words)
        nothing = ["no word of it says what to make"] if silent else []
        return (*super().remarks(prompt, params), *caption.remarks, *negations, *nothing)

    def _caption(self, prompt: str) -> Caption:
        return self.caption(prompt, self._stock)

    @cached_property
    def _stock(self) -> Stock:
        return Stock(self.names, self.keywords)


def as_written(prompt: str, stock: Stock) -> Caption:  # noqa: ARG001
    """A prompt as the caption that it is, for networks whose names are others than those of the grammar."""
    return Caption(prompt)


def read_as(part: str, name: str) -> str:
    """The remark that a part of a prompt became a name by guess."""
    return f"{shortened(part)!r} is read as {name!r}"


def shortened(part: str) -> str:
    """A part of a prompt as remarks show it."""
    return part if len(part) <= SHOWN else f"{part[: SHOWN - 1]}…"
