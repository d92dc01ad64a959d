"""The denoiser's network: a transformer over the cells of a clip's state, with the text in its context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.nn import ReadsWords, TextTransformer, TextTransformerShape
from gen_video.sizes import FRAMES
from gen_video.state import CHANNELS, HEAD


@dataclass(frozen=True)
class Shape(TextTransformerShape):
    """Sizes of a ``ClipTransformer``.

    Args:
        channels: Numbers per cell.
        cells: Most cells at once.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 704
    length: int = 28
    channels: int = CHANNELS
    cells: int = HEAD + FRAMES


class ClipTransformer(TextTransformer[Shape]):
    """(x (B, C, N), c_noise (B,), conditioning) -> F of the same shape, N at most ``shape.cells``.

    Cells of what is seen and of the frames in which it moves attend to each other, across space and time.
    """

    def add_input(self) -> None:
        self.position = nn.Parameter(0.02 * torch.randn(self.shape.cells, self.shape.width))
        self.cells_in = nn.Linear(2 * self.shape.channels + 1, self.shape.width)

    def add_output(self) -> nn.Linear:
        self.cells_out = nn.Linear(self.shape.width, self.shape.channels)
        return self.cells_out

    def tokens(self, x: Tensor) -> Tensor:
        return self.cells_in(x.mT) + self.position[: x.shape[2]]

    def state(self, tokens: Tensor) -> Tensor:
        return self.cells_out(tokens).mT


class WordClipTransformer(ReadsWords[Shape], ClipTransformer):
    """A ``ClipTransformer`` of words of the shared table."""
