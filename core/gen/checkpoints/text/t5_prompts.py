"""Prompts for the networks that T5 conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from gen.checkpoints.text.t5 import T5Encoder
from gen.checkpoints.text.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class T5Prompts:
    """An encoder of T5 with its vocabulary.

    Args:
        tokenizer: The vocabulary.
        network: The encoder.
    """

    tokenizer: Tokenizer
    network: T5Encoder

    def __call__(self, prompts: Sequence[str], length: int, *, masked: bool) -> tuple[Tensor, Tensor]:
        """The states of prompts, cut or padded to ``length``, and a mask, False at padding.

        Args:
            prompts: One per row.
            length: Tokens of a prompt.
            masked: Whether the padding is hidden from the encoder.

        Returns:
            (B, length, D), and (B, length) bool.
        """
        ids, mask = (
            part.to(self.network.tokens.weight.device) for part in self.tokenizer.batch(prompts, length)
        )
        return self.network(ids, mask if masked else None), mask
