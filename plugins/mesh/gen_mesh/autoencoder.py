"""The latent codec's network: a 48³ grid of distances and colours to 6³ × 16 latents and back."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from gen.nn import GridAutoencoder

DOWNSAMPLING = 8
CHANNELS = 4
"""Of a grid: distance, red, green, blue."""


class Autoencoder(GridAutoencoder):
    """Grids (B, 4, S, S, S) of ``grids.stacked`` to latents (B, channels, S/8, S/8, S/8), and back.

    It moves between resolutions by (un)shuffling cells alone.

    Args:
        channels: Latent channels.
        encoder: Features at 1/4 and 1/8 of the grid's size on the way in.
        decoder: Features at 1/8 and 1/4 on the way out.
    """

    def __init__(
        self, channels: int = 16, encoder: tuple[int, int] = (64, 96), decoder: tuple[int, int] = (128, 80)
    ) -> None:
        a, b = encoder
        into = nn.Sequential(
            Unshuffle(4),
            nn.Conv3d(CHANNELS * 64, a, 1),
            ResidualBlock(a),
            Unshuffle(2),
            nn.Conv3d(8 * a, b, 1),
            ResidualBlock(b),
            nn.Conv3d(b, channels, 1),
        )
        b, a = decoder
        out = nn.Sequential(
            nn.Conv3d(channels, b, 3, padding=1),
            ResidualBlock(b),
            nn.Conv3d(b, 8 * a, 1),
            Shuffle(2),
            ResidualBlock(a),
            ResidualBlock(a),
            nn.Conv3d(a, CHANNELS * 64, 1),
            Shuffle(4),
        )
        super().__init__(into, out)


class ResidualBlock(nn.Module):
    """Two 3 × 3 × 3 convolutions around SiLU with a group norm before each; the identity at first."""

    def __init__(self, channels: int, groups: int = 8) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, channels), nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        return x + self.conv2(functional.silu(self.norm2(h)))


class Unshuffle(nn.Module):
    """Blocks of cells into channels: (B, C, rX, rY, rZ) -> (B, C·r³, X, Y, Z)."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return unshuffle(x, self.factor)


class Shuffle(nn.Module):
    """Channels into blocks of cells: (B, C·r³, X, Y, Z) -> (B, C, rX, rY, rZ)."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return shuffle(x, self.factor)


def unshuffle(x: Tensor, r: int) -> Tensor:
    """(B, C, rX, rY, rZ) -> (B, C·r³, X, Y, Z), channels first."""
    b, c, *sides = x.shape
    i, j, k = (side // r for side in sides)
    return x.reshape(b, c, i, r, j, r, k, r).permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, c * r**3, i, j, k)


def shuffle(x: Tensor, r: int) -> Tensor:
    """(B, C·r³, X, Y, Z) -> (B, C, rX, rY, rZ), the inverse of ``unshuffle``."""
    b, c, i, j, k = x.shape
    blocks = x.reshape(b, c // r**3, r, r, r, i, j, k).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return blocks.reshape(b, c // r**3, i * r, j * r, k * r)
