"""The denoiser's network: a transformer over few wide tokens, with the text in its context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.nn import ReadsWords, TextTransformer, TextTransformerShape


@dataclass(frozen=True)
class Shape(TextTransformerShape):
    """Sizes of a ``SceneTransformer``.

    Args:
        channels, grid: The state is (channels, grid, grid).
        patch: Latents per side of a token.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 864
    length: int = 24
    channels: int = 32
    grid: int = 8
    patch: int = 2


class SceneTransformer(TextTransformer[Shape]):
    """(x (B, C, G, G), c_noise (B,), conditioning) -> F of the same shape."""

    def add_input(self) -> None:
        shape = self.shape
        self.position = nn.Parameter(0.02 * torch.randn((shape.grid // shape.patch) ** 2, shape.width))
        self.patches_in = nn.Linear((2 * shape.channels + 1) * shape.patch**2, shape.width)

    def add_output(self) -> nn.Linear:
        self.patches_out = nn.Linear(self.shape.width, self.shape.channels * self.shape.patch**2)
        return self.patches_out

    def tokens(self, x: Tensor) -> Tensor:
        patches = nn.functional.pixel_unshuffle(x, self.shape.patch).flatten(2).transpose(1, 2)
        return self.patches_in(patches) + self.position

    def token_grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(side // self.shape.patch for side in shape[1:])

    def state(self, tokens: Tensor) -> Tensor:
        side = self.shape.grid // self.shape.patch
        square = self.patches_out(tokens).transpose(1, 2).unflatten(2, (side, side))
        return nn.functional.pixel_shuffle(square, self.shape.patch)


class WordSceneTransformer(ReadsWords[Shape], SceneTransformer):
    """A ``SceneTransformer`` of words of the shared table."""
