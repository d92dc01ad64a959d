"""Prompts for the networks that CLIP conditions: weighted, and as long as one likes, in windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.checkpoints.text.clip import ClipOutput, ClipText
from gen.checkpoints.text.prompt import read_prompt, windows
from gen.checkpoints.text.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class ClipPrompts:
    """A text transformer of CLIP with its vocabulary.

    Args:
        tokenizer: The vocabulary.
        network: The transformer.
    """

    tokenizer: Tokenizer
    network: ClipText

    def __call__(self, prompts: Sequence[str], layer: int, *, normed: bool) -> tuple[Tensor, Tensor]:
        """The states of prompts, and their vectors.

        A prompt that is longer than a window has several, which stand one after another; the others get empty
        ones beside it. The states of a window with weights are multiplied by them, and then scaled so that
        their mean is as before (the web UI of AUTOMATIC1111).

        Args:
            prompts: One per row.
            layer: Which states, counted from the end: -1 for those after the last layer.
            normed: Whether they are normalised as the last are.

        Returns:
            (B, 77 n, D) and (B, D'), the vector of the first window.
        """
        size = self.tokenizer.length
        rows = [windows(read_prompt(text), self.tokenizer.encode, size - 2) for text in prompts]
        count = max(map(len, rows))
        padded = [row + [([], [])] * (count - len(row)) for row in rows]
        ids = [self.tokenizer.wrapped(part, size) for row in padded for part, _ in row]
        output: ClipOutput = self.network(torch.tensor(ids, device=self.network.tokens.weight.device))
        states = output.hidden[layer]
        if normed:
            states = output.final if layer == -1 else self.network.norm(states)
        weights = torch.ones(states.shape[:2])
        for index, (_, part) in enumerate(pair for row in padded for pair in row):
            weights[index, 1 : 1 + len(part)] = torch.tensor(part)
        if bool((weights != 1).any()):
            weighted = states * weights.to(states)[..., None]
            states = weighted * (states.mean((1, 2)) / weighted.mean((1, 2)))[:, None, None]
        return states.unflatten(0, (-1, count)).flatten(1, 2), output.pooled.unflatten(0, (-1, count))[:, 0]
