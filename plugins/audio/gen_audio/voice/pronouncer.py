"""From letters to phones: a small network, and a list of the words in which it errs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from gen_audio.voice.layers import LocalTransformer, padded
from gen_audio.voice.phones import PHONES

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
SLOTS = 2
"""Phones that a letter may have at most, on average: "x" in "fox" has two."""


@dataclass(frozen=True)
class PronouncerShape:
    """Sizes of a ``Pronouncer``.

    Args:
        width, depth, heads, hidden: Of its transformer.
    """

    width: int = 128
    depth: int = 3
    heads: int = 4
    hidden: int = 320


class Pronouncer(nn.Module):
    """Letters (B, L), 0 where a word has ended, to logits (B, 2·L, 1 + phones), class 0 being nothing.

    Every letter has two places for phones, and which letter makes which phone is left open: connectionist
    temporal classification (Graves et al. 2006) sums over all ways.
    """

    def __init__(self, shape: PronouncerShape) -> None:
        super().__init__()
        self.shape = shape
        self.letters = nn.Embedding(len(LETTERS) + 1, shape.width)
        self.body = LocalTransformer(shape.width, shape.depth, shape.heads, shape.hidden)
        self.out = nn.Linear(shape.width, SLOTS * (len(PHONES) + 1))

    def forward(self, letters: Tensor) -> Tensor:
        x = self.letters(letters)
        x = self.body(x, x.new_zeros(x.shape[0], x.shape[2]), letters != 0)
        return self.out(x).unflatten(-1, (SLOTS, -1)).flatten(1, 2)


def spell(words: Sequence[str]) -> Tensor:
    """Words of ``LETTERS`` as ids (B, L)."""
    return padded([[LETTERS.index(letter) + 1 for letter in word] for word in words])


@torch.no_grad()
def guess(network: Pronouncer, words: Sequence[str]) -> list[tuple[str, ...]]:
    """The phones of words by the network alone: the likeliest class of every place, repetitions once."""
    if not words:
        return []
    letters = spell(words)
    classes = network(letters.to(network.out.weight.device)).argmax(-1).cpu()
    classes = classes * (letters != 0).repeat_interleave(SLOTS, 1)
    return [tuple(PHONES[index - 1] for index, _ in groupby(row) if index) for row in classes.tolist()]


@dataclass(frozen=True, eq=False)
class Pronunciation:
    """How words are spoken.

    Args:
        network: For every word.
        exceptions: Words in which the network errs, with their phones.
    """

    network: Pronouncer
    exceptions: Mapping[str, tuple[str, ...]]

    def __call__(self, word: str) -> tuple[str, ...]:
        """The phones of a word in ``LETTERS``."""
        return self.exceptions.get(word) or guess(self.network, [word])[0]


_ENTRY = re.compile(rb"(.)([\x00-\x7f]*)([\x80-\xff]+)", re.DOTALL)
"""How many letters are shared, the other letters, and the phones; see ``packed``."""


def packed(exceptions: Mapping[str, tuple[str, ...]]) -> Tensor:
    """Exceptions as bytes (N,) uint8 for a model file, in the order of the alphabet.

    A word shares its beginning with the word before it: the count of shared letters, the other letters, the
    phones' numbers plus 128, each a byte, letters and phones told apart by the highest bit.
    """
    found = bytearray()
    before = ""
    for word, phones in sorted(exceptions.items()):
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, word, strict=False)) if a != b),
            min(len(before), len(word)),
        )
        found.append(shared)
        found += word[shared:].encode("ascii")
        found += bytes(128 + PHONES.index(phone) for phone in phones)
        before = word
    return torch.frombuffer(found, dtype=torch.uint8) if found else torch.zeros(0, dtype=torch.uint8)


def unpacked(data: Tensor) -> dict[str, tuple[str, ...]]:
    """The exceptions again.

    Raises:
        ValueError: The bytes are not such a list.
    """
    found: dict[str, tuple[str, ...]] = {}
    raw = data.numpy().tobytes()
    word, place = "", 0
    for entry in _ENTRY.finditer(raw):
        shared, letters, numbers = entry.groups()
        if max(numbers) - 128 >= len(PHONES):
            break
        word = word[: shared[0]] + letters.decode("ascii")
        found[word] = tuple([PHONES[number - 128] for number in numbers])
        place = entry.end()
    if place < len(raw):
        raise ValueError("the list of exceptional words is damaged")
    return found
