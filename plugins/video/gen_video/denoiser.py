"""The denoiser's network: a transformer over the few wide tokens of a clip, with the text in its context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning
from gen.nn import Modulation, TimeEmbedding, TransformerBlock


@dataclass(frozen=True)
class Shape:
    """Sizes of a ``ClipTransformer``.

    Args:
        vocabulary: Number of subword ids.
        channels, frames, grid: The state is (channels, frames, grid, grid).
        patch: Latents per side of a token.
        span: Frames per token.
        width, depth, heads, hidden: Of the transformer; ``hidden`` is inside the feed-forward networks.
        length: Longest caption in subwords.
    """

    vocabulary: int
    channels: int = 16
    frames: int = 16
    grid: int = 8
    patch: int = 4
    span: int = 2
    width: int = 320
    depth: int = 5
    heads: int = 5
    hidden: int = 672
    length: int = 28


class ClipTransformer(nn.Module):
    """(x (B, C, T, G, G), c_noise (B,), conditioning) -> F of the same shape.

    A clip is so few tokens that every one attends to all others, across space and time at once.

    Conditions: ``text`` (route "prepend": subword ids (B, L) and mask), ``known`` (route "channels":
    (B, 1 + C, T, G, G), a mask that is 1 where the latents are given, and those latents; absent when none
    are).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, cells = shape.width, shape.patch**2 * shape.span
        self.subwords = nn.Embedding(shape.vocabulary, width)
        self.text_position = nn.Parameter(0.02 * torch.randn(shape.length, width))
        self.place = nn.Parameter(0.02 * torch.randn((shape.grid // shape.patch) ** 2, width))
        self.moment = nn.Parameter(0.02 * torch.randn(shape.frames // shape.span, 1, width))
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
        position = (self.moment + self.place).flatten(0, 1)
        clip = self.patches_in(self._patches(torch.cat([x, given], 1))) + position
        text = conditioning["text"]
        present = text.mask if text.mask is not None else torch.ones_like(text.value, dtype=torch.bool)
        words = self.subwords(text.value) * present[..., None]
        mean = words.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        words = words + self.text_position[: words.shape[1]]
        modulation = self.modulation(self.time(c_noise) + mean)
        tokens = torch.cat([clip, words], 1)
        mask = torch.cat([present.new_ones(clip.shape[:2]), present], 1)[:, None, None]
        for block, parts in zip(self.blocks, modulation, strict=True):
            tokens = block(tokens, parts, mask)
        return self._unpatch(self.patches_out(self.norm(tokens[:, : clip.shape[1]])))

    def _patches(self, x: Tensor) -> Tensor:
        """(B, C, T, G, G) to tokens (B, N, C·span·patch²), moment by moment."""
        span, patch = self.shape.span, self.shape.patch
        parts = x.unflatten(2, (-1, span)).unflatten(4, (-1, patch)).unflatten(6, (-1, patch))
        return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)

    def _unpatch(self, tokens: Tensor) -> Tensor:
        span, patch, side = self.shape.span, self.shape.patch, self.shape.grid // self.shape.patch
        parts = tokens.unflatten(1, (-1, side, side)).unflatten(4, (-1, span, patch, patch))
        return parts.permute(0, 4, 1, 5, 2, 6, 3, 7).flatten(2, 3).flatten(3, 4).flatten(4, 5)


def conditions(ids: Tensor, known: Tensor | None = None) -> Conditioning:
    """Subword ids (B, L) and, where given, known frames (B, 1 + C, T, G, G) as the network's conditioning."""
    found = {"text": Condition(ids, "prepend", ids != 0)}
    if known is not None:
        found["known"] = Condition(known, "channels")
    return Conditioning(found)
