"""The network that takes a picture apart: how much of each pixel is a thing, and what is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.nn.conv import ResidualBlock, conv


class Matte(nn.Module):
    """A U-Net (Ronneberger et al. 2015) that changes resolution by pixel (un)shuffling alone.

    Its coarsest blocks see all of a picture of 128 × 128 pixels, as the background goes on behind things.

    Args:
        widths: Features at 1/2, 1/4, 1/8 and 1/16 of the picture's size; multiples of 8.
    """

    def __init__(self, widths: Sequence[int] = (24, 32, 40, 56)) -> None:
        super().__init__()
        steps = tuple(pairwise(widths))
        self.shrink = nn.PixelUnshuffle(2)
        self.grow = nn.PixelShuffle(2)
        self.enter = conv(12, widths[0])
        self.down = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.coarser = nn.ModuleList(conv(4 * fine, coarse, 1) for fine, coarse in steps)
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(3)))
        self.finer = nn.ModuleList(conv(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.up = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.leave = conv(widths[0], 20)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Take pictures apart.

        Args:
            pictures: (B, 3, H, W) in [-1, 1]; H and W multiples of 16, 128 while training.

        Returns:
            Alpha (B, 1, H, W) in [0, 1], and the background (B, 3, H, W) in [-1, 1].
        """
        x = self.enter(self.shrink(pictures))
        kept = []
        for block, coarser in zip(self.down, self.coarser, strict=True):
            x = block(x)
            kept.append(x)
            x = coarser(self.shrink(x))
        x = self.middle(x)
        for block, finer, fine in zip(reversed(self.up), reversed(self.finer), reversed(kept), strict=True):
            x = block(self.grow(finer(x)) + fine)
        alpha, hidden, fill = self.grow(self.leave(x)).to(pictures.dtype).split((1, 1, 3), 1)
        # Where nothing covers the background it is the picture, which need not pass through the network.
        background = torch.lerp(pictures, fill.clamp(-1, 1), hidden.sigmoid())
        return alpha.sigmoid(), background


def lifted(pictures: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    """The things of pictures alone: what has to lie over the background for the picture to be seen.

    picture = background · (1 − alpha) + colour · alpha is solved for colour · alpha, pixels in [0, 1], which
    is then held to what alpha allows (Porter & Duff 1984, "Compositing Digital Images", section 4).

    Args:
        pictures: (B, 3, H, W) in [-1, 1].
        alpha: (B, 1, H, W) in [0, 1].
        background: (B, 3, H, W) in [-1, 1].

    Returns:
        (B, 4, H, W) in [0, 1], colours premultiplied by alpha, and alpha.
    """
    colour = (pictures + 1) / 2 - (background + 1) / 2 * (1 - alpha)
    return torch.cat([torch.minimum(functional.relu(colour), alpha), alpha], 1)


def laid(things: Tensor, background: Tensor) -> Tensor:
    """Lay things over a background, as ``lifted`` takes them off.

    Args:
        things: (B, 4, H, W) in [0, 1], premultiplied.
        background: (B, 3, H, W) in [-1, 1].

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    colour, alpha = things.split((3, 1), 1)
    return 2 * (colour + (background + 1) / 2 * (1 - alpha)) - 1
