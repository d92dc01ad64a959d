"""Which of some names are nearest to a prompt."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gen.words.reading import read
from gen.words.table import word_table

NEAR = 0.3
"""Names whose cosine to a prompt is lower have nothing to do with it: 98 of 100 natural prompts for pictures
have a higher one to a name that is right for them."""


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


def nearest(prompt: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names that mean the most alike, the nearest first; at most ``count``, none that is far off.

    Raises:
        UsageError: The prompt holds a control character.
    """
    alike = nearness(prompt, names)
    order = np.argsort(-alike, kind="stable")[:count]
    return tuple(names[at] for at in order if alike[at] >= NEAR)


def nearness(prompt: str, names: tuple[str, ...]) -> np.ndarray:
    """The cosine (N,) of a prompt's vector and that of each name.

    Raises:
        UsageError: The prompt holds a control character.
    """
    found: np.ndarray = matrix(names) @ pooled(prompt)
    return found


@lru_cache(maxsize=16)
def matrix(names: tuple[str, ...]) -> np.ndarray:
    """Vectors (N, D) of names."""
    found = [pooled(name) for name in names]
    return np.stack(found) if found else np.zeros((0, word_table().width), np.float32)
