"""The networks of latent codecs on grids: pictures, frames, fields."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from gen.nn.conv import ResidualBlock, conv


class GridAutoencoder(nn.Module):
    """An encoder and a decoder with latents of unit mean square between them, on grids of any dimension.

    The latents of every place are scaled to unit mean square instead of a variational penalty, so that they
    cannot outgrow the noise that is added while training and that makes them smooth.

    Args:
        encoder: Data (B, D, *spatial) to (B, C, *grid), not scaled yet.
        decoder: Latents (B, C, *grid) to data.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, data: Tensor) -> Tensor:
        """Data (B, D, *spatial) to latents (B, C, *grid)."""
        latents = self.encoder(data).movedim(1, -1)
        return functional.rms_norm(latents, latents.shape[-1:]).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, *grid) to data (B, D, *spatial)."""
        return self.decoder(latents)

    def forward(self, data: Tensor) -> Tensor:
        return self.decode(self.encode(data))


def picture_coders(
    channels: int, widths: tuple[int, int, int], colours: int = 3
) -> tuple[nn.Sequential, nn.Sequential]:
    """Convolutional networks between pixels and latents that change resolution by pixel (un)shuffling alone.

    Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", section 3.2.

    Args:
        channels: Latent channels.
        widths: Features at 1/4, 1/8 and 1/16 of the picture's size, multiples of 8.
        colours: Channels of a pixel.

    Returns:
        An encoder (B, colours, H, W) -> (B, channels, H/16, W/16), H and W multiples of 16, and a decoder
        back.
    """
    a, b, c = widths
    encoder = nn.Sequential(
        nn.PixelUnshuffle(4),
        conv(16 * colours, a),
        ResidualBlock(a),
        nn.PixelUnshuffle(2),
        conv(4 * a, b, 1),
        ResidualBlock(b),
        nn.PixelUnshuffle(2),
        conv(4 * b, c, 1),
        ResidualBlock(c),
        conv(c, channels),
    )
    decoder = nn.Sequential(
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
        conv(a, 16 * colours),
        nn.PixelShuffle(4),
    )
    return encoder, decoder
