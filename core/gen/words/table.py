"""The table of word vectors, and the words, phrases and emoji of several languages that it knows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gen.words.stored import stored

FOLDER = Path(__file__).parent
VECTORS, LEXICON = FOLDER / "vectors.safetensors", FOLDER / "lexicon.safetensors"
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "zh", "ja", "hi", "ar")
EMOJI = "emoji"
"""Stands for a language in the keys of emoji."""
BEGINS = "+"
"""Before a language in the keys of words that phrases begin with."""
SEVERAL = 1 << 15
"""Marks a value of the lexicon that is an index of ``sequences``; any other value is a row."""


def key(language: str, text: str) -> int:
    """The 64-bit hash by which the lexicon knows a word, phrase or emoji of a language."""
    return int.from_bytes(hashlib.blake2b(f"{language}:{text}".encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False)
class Table:
    """The word vectors that every shipped model reads prompts by.

    Row 0 stands for nothing: the padding of a batch, and words that say nothing of what is made. The first
    rows behind it are words of closed classes (numbers, colours, places, ...), the others are in order of
    frequency.

    Args:
        vectors: (N, D) int8.
        scales: (N,) float32; a vector times its scale is near unit length.
        weights: (N,) float32, how much a word counts in the vector of a whole text.
        things: (N,) bool, whether the word means something that can be seen.
        names: N words, as English writes them.
        closed: How many rows are of closed classes, with row 0.
        keys: (K,) uint64, rising: hashes of words.
        values: (K,) uint16: a row, or an index of ``sequences`` with the bit ``SEVERAL``.
        sequences: (S, L) int16 rows, padded with 0.
        kinds: (N,) uint16, the row of what a word is a sort of, 0 where that is none.
    """

    vectors: np.ndarray
    scales: np.ndarray
    weights: np.ndarray
    things: np.ndarray
    names: tuple[str, ...]
    closed: int
    keys: np.ndarray
    values: np.ndarray
    sequences: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.vectors.shape[1]

    def find(self, language: str, text: str) -> tuple[int, ...] | None:
        """Rows of a word, phrase or emoji in lower case: None if unknown, none if it says nothing."""
        wanted = np.uint64(key(language, text))
        place = int(self.keys.searchsorted(wanted))
        if place == len(self.keys) or self.keys[place] != wanted:
            return None
        value = int(self.values[place])
        if not value & SEVERAL:
            return (value,) if value else ()
        return tuple(row for row in self.sequences[value & ~SEVERAL].tolist() if row)

    def vectors_of(self, rows: np.ndarray | tuple[int, ...]) -> np.ndarray:
        """Vectors (..., D) float32 of rows, near unit length; zeros for row 0."""
        at = np.asarray(rows, np.int64)
        found: np.ndarray = self.vectors[at].astype(np.float32) * self.scales[at][..., None]
        return found

    def unit(self, rows: tuple[int, ...]) -> np.ndarray:
        """The mean (D,) float32 of rows, rare words counting more, of unit length; zeros for no rows."""
        if not rows:
            return np.zeros(self.width, np.float32)
        found = self.weights[list(rows)] @ self.vectors_of(rows)
        unit: np.ndarray = found / max(float(np.linalg.norm(found)), 1e-9)
        return unit


@cache
def word_table() -> Table:
    """The table that comes with the package; read once, in a few milliseconds.

    Raises:
        ModelError: Its files are missing or damaged.
    """
    with stored(VECTORS) as vectors, stored(LEXICON) as lexicon:
        return Table(
            vectors=vectors["vectors"],
            scales=vectors["scales"].astype(np.float32),
            weights=vectors["weights"].astype(np.float32),
            things=vectors["things"].astype(bool),
            names=tuple(lexicon["names"].tobytes().decode().split("\n")),
            closed=int(vectors["closed"]),
            keys=lexicon["keys"],
            values=lexicon["values"],
            sequences=lexicon["sequences"],
            kinds=lexicon["kinds"],
        )


@cache
def digest() -> str:
    """SHA-256 of the file of vectors, which a model file names."""
    return hashlib.sha256(VECTORS.read_bytes()).hexdigest()
