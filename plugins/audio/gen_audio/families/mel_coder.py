"""Latents of a mel spectrogram, which a vocoder makes sound of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gen.checkpoints.checkpoint import whole
from gen.checkpoints.networks import load_transformers_network
from gen.checkpoints.parts import Parts
from gen_audio.mel import FFT, FLOOR, mel_filters


@dataclass(frozen=True, eq=False)
class MelCoder:
    """An autoencoder of pictures on log-mels, and HiFi-GAN (Kong et al. 2020, arXiv 2010.05646).

    Args:
        autoencoder: The ``AutoencoderKL`` of diffusers.
        vocoder: The ``SpeechT5HifiGan`` of transformers, in float32.
        scale: Latents are multiplied by it.
        frame: Samples to a frame of the spectrogram.
        step: Frames and bands to a cell of the latents.
        size: Bands of the spectrogram.
        sample_rate: In Hz.
    """

    autoencoder: Any
    vocoder: Any
    scale: float
    frame: int
    step: int
    size: int
    sample_rate: int

    @classmethod
    def of(cls, parts: Parts) -> MelCoder:
        """That of the parts ``vae`` and ``vocoder``.

        Raises:
            ModelError: A part is missing or damaged.
        """
        vae, vocoder = parts.checkpoint["vae"].config, parts.checkpoint["vocoder"].config
        rates = vocoder.get("upsample_rates", (4, 4, 4, 4))
        return cls(
            parts.autoencoder(),
            load_transformers_network(parts.checkpoint["vocoder"], parts.device, torch.float32),
            float(str(vae.get("scaling_factor", 0.18215))),
            math.prod(map(int, rates)),  # type: ignore[call-overload]
            2 ** (len(list(vae.get("block_out_channels", (1,)))) - 1),  # type: ignore[call-overload]
            whole(vocoder, "model_in_dim", 80),
            whole(vocoder, "sampling_rate", 16_000),
        )

    @property
    def hop(self) -> int:
        """Samples to a cell of the latents."""
        return self.frame * self.step

    @property
    def bands(self) -> int:
        """Of the latents."""
        return self.size // self.step

    def waves(self, latents: Tensor) -> Tensor:
        """(B, 1, L) of latents (B, C, cells, bands)."""
        mel = self.autoencoder.decode((latents / self.scale).to(next(self.autoencoder.parameters()))).sample
        found: Tensor = self.vocoder(mel[:, 0].float())
        return found[:, None]

    def latents(self, waves: Tensor) -> Tensor:
        """The scaled mean of what the autoencoder gives of the log-mel of waves (B, 1, L)."""
        sound = waves[:, 0].to(next(self.vocoder.parameters()))
        window = torch.hann_window(FFT).to(sound)
        frames = torch.stft(sound, FFT, self.frame, window=window, pad_mode="reflect", return_complex=True)[
            ..., : sound.shape[1] // self.frame
        ]
        mel = (mel_filters(self.sample_rate, self.size).to(sound) @ frames.abs()).clamp(min=FLOOR).log()
        picture = mel.mT[:, None].to(next(self.autoencoder.parameters()))
        found: Tensor = self.autoencoder.encode(picture).latent_dist.mean
        return found * self.scale
