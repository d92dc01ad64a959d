"""Prompts and names as vectors of their words."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gen.words.reading import read
from gen.words.table import word_table


def vectors(prompt: str) -> np.ndarray:
    """The words of a prompt as vectors (T, D) float32 near unit length; T is 0 where no word says anything.

    Raises:
        UsageError: It holds a control character.
    """
    return word_table().vectors_of(read(prompt).rows).reshape(-1, word_table().width)


def pooled(prompt: str) -> np.ndarray:
    """The vector (D,) float32 of a whole prompt, of unit length; zeros where no word says anything.

    The mean of its words, rare ones counting more (Arora et al. 2017, "A simple but tough-to-beat baseline
    for sentence embeddings").

    Raises:
        UsageError: It holds a control character.
    """
    return word_table().unit(read(prompt).rows)


@lru_cache(maxsize=16)
def matrix(names: tuple[str, ...]) -> np.ndarray:
    """Vectors (N, D) of names."""
    found = [pooled(name) for name in names]
    return np.stack(found) if found else np.zeros((0, word_table().width), np.float32)
