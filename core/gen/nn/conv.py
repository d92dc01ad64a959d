"""Convolutional blocks for codecs."""

from __future__ import annotations

from torch import Tensor, nn


def conv(channels_in: int, channels_out: int, size: int = 3) -> nn.Conv2d:
    """A convolution that keeps the spatial size: (B, channels_in, H, W) -> (B, channels_out, H, W)."""
    return nn.Conv2d(channels_in, channels_out, size, padding=size // 2)


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions around SiLU with a group norm before each: (B, C, H, W) -> same.

    He et al. 2016, "Identity Mappings in Deep Residual Networks", figure 1b; the second convolution
    starts at zero, so that a fresh block is the identity.
    """

    def __init__(self, channels: int, groups: int = 8) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = conv(channels, channels)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = conv(channels, channels)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(nn.functional.silu(self.norm1(x)))
        return x + self.conv2(nn.functional.silu(self.norm2(h)))
