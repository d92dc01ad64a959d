"""Texts as rows of the shared table of words, for networks that ``ReadsWords``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gen.words import digest, read, word_table


class WordRows:
    """The vocabulary of the shared table: what ``Subwords`` is to networks with a vocabulary of their own."""

    def __len__(self) -> int:
        return len(word_table())

    @property
    def digest(self) -> str:
        """Of the table's vectors; a network reads another table as nonsense."""
        return digest()

    def batch(self, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """Read texts, cut or padded to one length.

        Returns:
            Rows (B, length) int64 and mask (B, length) bool, True where there is a word.

        Raises:
            UsageError: A text holds a control character.
        """
        ids = torch.zeros(len(texts), length, dtype=torch.int64)
        for place, text in zip(ids, texts, strict=True):
            rows = read(text).rows[:length]
            place[: len(rows)] = torch.tensor(rows, dtype=torch.int64)
        return ids, ids != 0
