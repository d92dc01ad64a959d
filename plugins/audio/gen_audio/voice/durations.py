"""How long each phone is held: a small network over the phones of a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen_audio.voice.layers import LocalTransformer
from gen_audio.voice.phones import PHONES

TYPICAL, SPREAD = -2.6, 0.5
"""Natural logarithms of seconds are standardised by these for the network."""


@dataclass(frozen=True)
class DurationsShape:
    """Sizes of ``Durations``.

    Args:
        voices: Number of voices.
        width, depth, heads, hidden: Of its transformer.
    """

    voices: int
    width: int = 128
    depth: int = 3
    heads: int = 4
    hidden: int = 256


class Durations(nn.Module):
    """Phones of a sentence to the logarithm of their lengths in seconds.

    The expected logarithm, as in FastSpeech 2 (Ren et al. 2020, arXiv 2006.04558, section 2.3).
    """

    def __init__(self, shape: DurationsShape) -> None:
        super().__init__()
        self.shape = shape
        self.phones = nn.Embedding(len(PHONES) + 1, shape.width)
        self.first = nn.Embedding(2, shape.width)
        self.voices = nn.Embedding(shape.voices, shape.width)
        self.body = LocalTransformer(shape.width, shape.depth, shape.heads, shape.hidden)
        self.out = nn.Linear(shape.width, 1)

    def forward(self, ids: Tensor, first: Tensor, voice: Tensor) -> Tensor:
        """Log seconds (B, P).

        Args:
            ids: Phones (B, P), 0 after the end.
            first: (B, P), 1 where a phone begins a word.
            voice: (B,), who says it.
        """
        x = self.phones(ids) + self.first(first.long())
        x = self.body(x, self.voices(voice), ids != 0)
        return self.out(x)[..., 0].float() * SPREAD + TYPICAL


@torch.no_grad()
def seconds(network: Durations, ids: list[int], first: list[bool], voice: int) -> list[float]:
    """The lengths of the phones of one sentence."""
    device = network.out.weight.device
    rows = torch.tensor([ids], device=device), torch.tensor([first], device=device)
    found: list[float] = network(*rows, torch.tensor([voice], device=device))[0].exp().tolist()
    return found
