"""The latent codec's network: a frame of 128 × 128 × 3 pixels to 8 × 8 × 32 latents and back."""

from __future__ import annotations

from gen.nn import GridAutoencoder, picture_coders


class Autoencoder(GridAutoencoder):
    """Frames (B, 3, H, W) in [-1, 1] to latents (B, channels, H/16, W/16), and back.

    Args:
        channels: Latent channels.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__(*picture_coders(channels, widths=(48, 128, 144)))
