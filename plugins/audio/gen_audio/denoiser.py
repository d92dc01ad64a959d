"""The denoiser's network: a transformer over few wide tokens of sound, with the text in its context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning
from gen.nn import Modulation, TimeEmbedding, TransformerBlock


@dataclass(frozen=True)
class Shape:
    """Sizes of a ``SoundTransformer``.

    Args:
        vocabulary: Number of subword ids.
        channels: Numbers per token of sound.
        tokens: Most tokens of sound at once: 27 are 5.02 s.
        width, depth, heads, hidden: Of the transformer; ``hidden`` is inside the feed-forward networks.
        length: Longest caption in subwords.
    """

    vocabulary: int
    channels: int = 128
    tokens: int = 27
    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 512
    length: int = 20


class SoundTransformer(nn.Module):
    """(x (B, C, T), c_noise (B,), conditioning) -> F of the same shape, T at most ``shape.tokens``.

    Conditions: ``text`` (route "prepend": subword ids (B, L) and mask), ``known`` (route "channels":
    (B, 1 + C, T), a mask that is 1 where the latents are given, and those latents; absent when none are).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.subwords = nn.Embedding(shape.vocabulary, width)
        self.text_position = nn.Parameter(0.02 * torch.randn(shape.length, width))
        self.position = nn.Parameter(0.02 * torch.randn(shape.tokens, width))
        self.sound_in = nn.Linear(2 * shape.channels + 1, width)
        self.time = TimeEmbedding(width)
        self.modulation = Modulation(width, shape.depth)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, shape.heads, shape.hidden) for _ in range(shape.depth)
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.sound_out = nn.Linear(width, shape.channels)
        nn.init.normal_(self.subwords.weight, std=0.3)
        nn.init.zeros_(self.sound_out.weight)
        nn.init.zeros_(self.sound_out.bias)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        known = conditioning.get("known")
        given = known.value.to(x) if known else x.new_zeros(x.shape[0], 1 + x.shape[1], x.shape[2])
        sound = self.sound_in(torch.cat([x, given], 1).transpose(1, 2)) + self.position[: x.shape[2]]
        text = conditioning["text"]
        present = text.mask if text.mask is not None else torch.ones_like(text.value, dtype=torch.bool)
        words = self.subwords(text.value) * present[..., None]
        mean = words.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        words = words + self.text_position[: words.shape[1]]
        modulation = self.modulation(self.time(c_noise) + mean)
        tokens = torch.cat([sound, words], 1)
        mask = torch.cat([present.new_ones(sound.shape[:2]), present], 1)[:, None, None]
        for block, parts in zip(self.blocks, modulation, strict=True):
            tokens = block(tokens, parts, mask)
        return self.sound_out(self.norm(tokens[:, : sound.shape[1]])).transpose(1, 2)


def conditions(ids: Tensor, known: Tensor | None = None) -> Conditioning:
    """Subword ids (B, L) and, where given, known parts (B, 1 + C, T) as the network's conditioning."""
    found = {"text": Condition(ids, "prepend", ids != 0)}
    if known is not None:
        found["known"] = Condition(known, "channels")
    return Conditioning(found)
