"""The latent codec's network: a frame of 128 × 128 × 3 pixels to 8 × 8 × 16 latents and back."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from gen.nn import ResidualBlock, conv

DOWNSAMPLING = 16


class Autoencoder(nn.Module):
    """A convolutional autoencoder of single frames that changes resolution by pixel (un)shuffling alone.

    The latents of every place are scaled to unit mean square, so that they cannot outgrow the noise that is
    added while training and that makes them smooth.

    Args:
        channels: Latent channels.
        widths: Features at 1/4, 1/8 and 1/16 of a frame's size.
    """

    def __init__(self, channels: int = 16, widths: tuple[int, int, int] = (40, 112, 144)) -> None:
        super().__init__()
        self.channels = channels
        a, b, c = widths
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            conv(48, a),
            ResidualBlock(a),
            nn.PixelUnshuffle(2),
            conv(4 * a, b, 1),
            ResidualBlock(b),
            nn.PixelUnshuffle(2),
            conv(4 * b, c, 1),
            ResidualBlock(c),
            conv(c, channels),
        )
        self.decoder = nn.Sequential(
            conv(channels, c),
            ResidualBlock(c),
            ResidualBlock(c),
            conv(c, 4 * b, 1),
            nn.PixelShuffle(2),
            ResidualBlock(b),
            ResidualBlock(b),
            conv(b, 4 * a, 1),
            nn.PixelShuffle(2),
            ResidualBlock(a),
            conv(a, 48),
            nn.PixelShuffle(4),
        )

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, H, W) in [-1, 1], H and W multiples of 16, to latents (B, channels, H/16, W/16)."""
        return functional.rms_norm(self.encoder(pixels).movedim(1, -1), (self.channels,)).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, channels, h, w) to pixels (B, 3, 16h, 16w), nominally in [-1, 1]."""
        return self.decoder(latents)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.decode(self.encode(pixels))
