"""The denoiser's network: a transformer over the few wide tokens of a clip, with the text in its context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.nn import TextTransformer, TextTransformerShape


@dataclass(frozen=True)
class Shape(TextTransformerShape):
    """Sizes of a ``ClipTransformer``.

    Args:
        channels, frames, grid: The state is (channels, frames, grid, grid).
        patch: Latents per side of a token.
        span: Frames per token.
    """

    width: int = 320
    depth: int = 4
    heads: int = 5
    hidden: int = 640
    length: int = 28
    channels: int = 32
    frames: int = 16
    grid: int = 8
    patch: int = 4
    span: int = 2


class ClipTransformer(TextTransformer[Shape]):
    """(x (B, C, T, G, G), c_noise (B,), conditioning) -> F of the same shape.

    A clip is so few tokens that every one attends to all others, across space and time at once.
    """

    def add_input(self) -> None:
        shape = self.shape
        self.place = nn.Parameter(0.02 * torch.randn((shape.grid // shape.patch) ** 2, shape.width))
        self.moment = nn.Parameter(0.02 * torch.randn(shape.frames // shape.span, 1, shape.width))
        self.patches_in = nn.Linear((2 * shape.channels + 1) * shape.patch**2 * shape.span, shape.width)

    def add_output(self) -> nn.Linear:
        shape = self.shape
        self.patches_out = nn.Linear(shape.width, shape.channels * shape.patch**2 * shape.span)
        return self.patches_out

    def tokens(self, x: Tensor) -> Tensor:
        return self.patches_in(self._patches(x)) + (self.moment + self.place).flatten(0, 1)

    def state(self, tokens: Tensor) -> Tensor:
        return self._unpatch(self.patches_out(tokens))

    def _patches(self, x: Tensor) -> Tensor:
        """(B, C, T, G, G) to tokens (B, N, C·span·patch²), moment by moment."""
        span, patch = self.shape.span, self.shape.patch
        parts = x.unflatten(2, (-1, span)).unflatten(4, (-1, patch)).unflatten(6, (-1, patch))
        return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)

    def _unpatch(self, tokens: Tensor) -> Tensor:
        span, patch, side = self.shape.span, self.shape.patch, self.shape.grid // self.shape.patch
        parts = tokens.unflatten(1, (-1, side, side)).unflatten(4, (-1, span, patch, patch))
        return parts.permute(0, 4, 1, 5, 2, 6, 3, 7).flatten(2, 3).flatten(3, 4).flatten(4, 5)
