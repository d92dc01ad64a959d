"""The denoiser's network: a transformer over few wide tokens of a cube of latents and the text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning
from gen.nn import Modulation, TimeEmbedding, TransformerBlock
from gen_mesh.autoencoder import shuffle, unshuffle


@dataclass(frozen=True)
class Shape:
    """Sizes of a ``ShapeTransformer``.

    Args:
        vocabulary: Number of subword ids.
        channels, grid: The state is (channels, grid, grid, grid).
        patch: Latents per side of a token.
        width, depth, heads, hidden: Of the transformer; ``hidden`` is inside the feed-forward networks.
        length: Longest caption in subwords.
    """

    vocabulary: int
    channels: int = 16
    grid: int = 6
    patch: int = 2
    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 864
    length: int = 24


class ShapeTransformer(nn.Module):
    """(x (B, C, G, G, G), c_noise (B,), conditioning) -> F of the same shape.

    Conditions: ``text`` (route "prepend": subword ids (B, L) and mask), ``known`` (route "channels":
    (B, 1 + C, G, G, G), a mask that is 1 where the latents are given, and those latents; absent when none
    are).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, cells = shape.width, shape.patch**3
        self.side = shape.grid // shape.patch
        self.subwords = nn.Embedding(shape.vocabulary, width)
        self.text_position = nn.Parameter(0.02 * torch.randn(shape.length, width))
        self.position = nn.Parameter(0.02 * torch.randn(self.side**3, width))
        self.patches_in = nn.Linear((2 * shape.channels + 1) * cells, width)
        self.time = TimeEmbedding(width)
        self.modulation = Modulation(width, shape.depth)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, shape.heads, shape.hidden) for _ in range(shape.depth)
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.patches_out = nn.Linear(width, shape.channels * cells)
        nn.init.normal_(self.subwords.weight, std=0.3)
        nn.init.zeros_(self.patches_out.weight)
        nn.init.zeros_(self.patches_out.bias)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        known = conditioning.get("known")
        given = known.value.to(x) if known else x.new_zeros(x.shape[0], 1 + x.shape[1], *x.shape[2:])
        patches = unshuffle(torch.cat([x, given], 1), self.shape.patch).flatten(2).transpose(1, 2)
        cells = self.patches_in(patches) + self.position
        text = conditioning["text"]
        present = text.mask if text.mask is not None else torch.ones_like(text.value, dtype=torch.bool)
        words = self.subwords(text.value) * present[..., None]
        mean = words.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        words = words + self.text_position[: words.shape[1]]
        modulation = self.modulation(self.time(c_noise) + mean)
        tokens = torch.cat([cells, words], 1)
        mask = torch.cat([present.new_ones(cells.shape[:2]), present], 1)[:, None, None]
        for block, parts in zip(self.blocks, modulation, strict=True):
            tokens = block(tokens, parts, mask)
        out = self.patches_out(self.norm(tokens[:, : cells.shape[1]])).transpose(1, 2)
        return shuffle(out.unflatten(2, (self.side,) * 3), self.shape.patch)


def conditions(ids: Tensor, known: Tensor | None = None) -> Conditioning:
    """Subword ids (B, L) and, where given, known regions (B, 1 + C, G, G, G), as conditioning."""
    found = {"text": Condition(ids, "prepend", ids != 0)}
    if known is not None:
        found["known"] = Condition(known, "channels")
    return Conditioning(found)
