"""The vocoder: log-mel to samples by one inverse STFT of what a small network says of tones and noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen_audio.blocks import ConvNeXtBlock
from gen_audio.mel import BANDS, BINS, istft, log_magnitudes, stft


@dataclass(frozen=True)
class VocoderShape:
    """Sizes of a ``Vocoder``.

    Args:
        width, depth, hidden: Of its blocks.
    """

    width: int = 256
    depth: int = 5
    hidden: int = 512


class Vocoder(nn.Module):
    """Log-mel (B, 80, F) to the two halves of a complex spectrogram: tones, and how loud the noise is.

    The head with magnitude and phase is that of Vocos (Siuzdak 2023, arXiv 2306.00814, section 3.1). What
    has no phase to be predicted (rain, breath, cymbals) is noise, shaped by a second magnitude, as in the
    harmonic-plus-noise model (Serra & Smith 1990). Both magnitudes are factors of what the mel says itself.
    """

    def __init__(self, shape: VocoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.stem = nn.Conv1d(BANDS, shape.width, 7, padding=3)
        self.norm = nn.LayerNorm(shape.width)
        self.blocks = nn.ModuleList(ConvNeXtBlock(shape.width, shape.hidden) for _ in range(shape.depth))
        self.out_norm = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, 3 * BINS)
        for part in self.head.weight, self.head.bias:
            nn.init.zeros_(part[:BINS])
            nn.init.zeros_(part[2 * BINS :])

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Complex tones (B, 513, F) and the magnitude of the noise (B, 513, F)."""
        x = self.norm(self.stem(mel).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        tone, phase, noise = self.head(self.out_norm(x)).transpose(1, 2).float().chunk(3, 1)
        level = log_magnitudes(mel)
        # A quarter of the level is noise at first: white noise has magnitudes of about exp(3).
        return torch.polar((level + tone).clamp(max=7.0).exp(), phase), (level + noise - 4.4).clamp(
            max=5.0
        ).exp()

    def sound(self, mel: Tensor, white: Tensor) -> Tensor:
        """Samples (B, 256·F).

        Args:
            mel: (B, 80, F).
            white: White noise of unit variance (B, 256·F).
        """
        tone, noise = self(mel)
        return mixed(tone, noise, white)


def mixed(tone: Tensor, noise: Tensor, white: Tensor) -> Tensor:
    """Tones and noise, as ``Vocoder`` gives them, made audible with white noise (B, 256·F)."""
    return istft(tone + noise * stft(white))
