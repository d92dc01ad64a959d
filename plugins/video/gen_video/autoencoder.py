"""The latent codec's network: a picture of 128 × 128 pixels with alpha to 8 × 8 × 32 latents and back."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.nn import GridAutoencoder, picture_coders

CELLS = 8
"""Latents per side of a picture."""


class Autoencoder(GridAutoencoder):
    """Pictures (B, 4, H, W) to latents (B, channels, H/16, W/16), and back.

    Args:
        channels: Latent channels.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__(*picture_coders(channels, widths=(48, 128, 144), colours=4))


def on_white(pictures: Tensor) -> Tensor:
    """Premultiplied pictures (..., 4, H, W) in [0, 1] as the network sees them: on white, and alpha."""
    alpha = pictures[..., 3:, :, :]
    return torch.cat([pictures[..., :3, :, :] + 1 - alpha, alpha], -3) * 2 - 1


def off_white(seen: Tensor) -> Tensor:
    """What ``on_white`` undid: the network's pictures (..., 4, H, W), premultiplied, in [0, 1]."""
    colour, alpha = ((seen + 1) / 2).split((3, 1), -3)
    alpha = alpha.clamp(0, 1)
    return torch.cat([(colour - 1 + alpha).clamp(min=0).minimum(alpha), alpha], -3)
