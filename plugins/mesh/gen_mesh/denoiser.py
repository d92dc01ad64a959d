"""The denoiser's network: a transformer over few wide tokens of a cube of latents and the text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.nn import ReadsWords, TextTransformer, TextTransformerShape
from gen_mesh.autoencoder import shuffle, unshuffle


@dataclass(frozen=True)
class Shape(TextTransformerShape):
    """Sizes of a ``ShapeTransformer``.

    Args:
        channels, grid: The state is (channels, grid, grid, grid).
        patch: Latents per side of a token.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 864
    length: int = 24
    channels: int = 16
    grid: int = 6
    patch: int = 2


class ShapeTransformer(TextTransformer[Shape]):
    """(x (B, C, G, G, G), c_noise (B,), conditioning) -> F of the same shape."""

    def add_input(self) -> None:
        shape = self.shape
        self.position = nn.Parameter(0.02 * torch.randn((shape.grid // shape.patch) ** 3, shape.width))
        self.patches_in = nn.Linear((2 * shape.channels + 1) * shape.patch**3, shape.width)

    def add_output(self) -> nn.Linear:
        self.patches_out = nn.Linear(self.shape.width, self.shape.channels * self.shape.patch**3)
        return self.patches_out

    def tokens(self, x: Tensor) -> Tensor:
        patches = unshuffle(x, self.shape.patch).flatten(2).transpose(1, 2)
        return self.patches_in(patches) + self.position

    def state(self, tokens: Tensor) -> Tensor:
        sides = (self.shape.grid // self.shape.patch,) * 3
        return shuffle(self.patches_out(tokens).transpose(1, 2).unflatten(2, sides), self.shape.patch)


class WordShapeTransformer(ReadsWords[Shape], ShapeTransformer):
    """A ``ShapeTransformer`` of words of the shared table."""
