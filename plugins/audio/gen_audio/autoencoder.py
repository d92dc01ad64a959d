"""The latent codec's network: log-mel of 80 bands to 128 numbers every 16 frames, and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen_audio.mel import BANDS

TOKEN_FRAMES = 16
"""Frames per latent token: 186 ms."""

NOISE = 32
"""Numbers of noise that the decoder is given for every four frames."""

_STEP = 4


@dataclass(frozen=True)
class CodecShape:
    """Sizes of an ``Autoencoder``.

    Args:
        channels: Latent channels.
        fine, coarse: Features for every 4 and every 16 frames.
        fine_hidden, coarse_hidden: Inside the feed-forward networks.
    """

    channels: int = 128
    fine: int = 192
    coarse: int = 256
    fine_hidden: int = 448
    coarse_hidden: int = 512


class Autoencoder(nn.Module):
    """A convolutional autoencoder over time; its decoder draws what the latents leave open from noise.

    The latents of every token are scaled to unit mean square, so that they cannot outgrow the noise that is
    added while training.
    """

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        self.shape = shape
        fine, coarse = shape.fine, shape.coarse
        self.encode_fine = nn.Sequential(
            nn.Linear(_STEP * BANDS, fine), ConvNeXtBlock(fine, shape.fine_hidden)
        )
        self.encode_coarse = nn.Sequential(
            nn.Linear(_STEP * fine, coarse),
            ConvNeXtBlock(coarse, shape.coarse_hidden),
            nn.Linear(coarse, shape.channels),
        )
        self.decode_coarse = nn.Sequential(
            nn.Linear(shape.channels, coarse),
            ConvNeXtBlock(coarse, shape.coarse_hidden),
            ConvNeXtBlock(coarse, shape.coarse_hidden),
            nn.Linear(coarse, _STEP * fine),
        )
        self.noise = nn.Linear(NOISE, fine)
        self.decode_fine = nn.Sequential(
            *(ConvNeXtBlock(fine, shape.fine_hidden) for _ in range(3)), nn.LayerNorm(fine)
        )
        self.out = nn.Linear(fine, _STEP * BANDS)

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mel (B, 80, 16·T) to latents (B, channels, T)."""
        x = self.encode_fine(_grouped(mel.transpose(1, 2)))
        return functional.rms_norm(self.encode_coarse(_grouped(x)), (self.shape.channels,)).transpose(1, 2)

    def decode(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents (B, channels, T) to log-mel (B, 80, 16·T).

        Args:
            latents: What is decoded.
            noise: Gaussian (B, 4·T, 32): the course of what the latents say only the law of, as in rain.
        """
        return self.finish(self.start(latents), noise)

    def start(self, latents: Tensor) -> Tensor:
        """The half of the decoder before the noise: (B, 4·T, fine)."""
        return _ungrouped(self.decode_coarse(latents.transpose(1, 2)))

    def finish(self, started: Tensor, noise: Tensor) -> Tensor:
        """The other half: log-mel (B, 80, 16·T)."""
        return _ungrouped(
            self.out(self.decode_fine(started + self.noise(noise.to(started.dtype))))
        ).transpose(1, 2)


def decoder_noise(count: int, tokens: int, generator: torch.Generator) -> Tensor:
    """Noise for ``Autoencoder.decode``: (count, 4·tokens, 32)."""
    shape = count, TOKEN_FRAMES // _STEP * tokens, NOISE
    return torch.randn(shape, generator=generator, dtype=torch.float32, device=generator.device)


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time, then a feed-forward network, whose output is added to the input.

    (B, T, width) -> same.

    Liu et al. 2022, "A ConvNet for the 2020s", section 2, in one dimension as in Vocos (arXiv 2306.00814).
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.gain = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.gain * self.down(functional.gelu(self.up(h), approximate="tanh"))


def is_matrix(name: str) -> bool:
    """Whether the parameter of that name is a matrix inside a block, for Muon."""
    return name.endswith(("up.weight", "down.weight"))


def _grouped(x: Tensor) -> Tensor:
    """(B, 4·T, C) to (B, T, 4·C)."""
    return x.unflatten(1, (-1, _STEP)).flatten(2)


def _ungrouped(x: Tensor) -> Tensor:
    """(B, T, 4·C) to (B, 4·T, C)."""
    return x.unflatten(2, (_STEP, -1)).flatten(1, 2)
