"""How the vocoder is trained: its magnitudes are to be those of the sound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.train import Settings, Stage, Task
from gen_audio.autoencoder import is_matrix
from gen_audio.files.picture import save_rows
from gen_audio.mel import HOP, log_mel, stft
from gen_audio.training.data.shelf import Shelf
from gen_audio.vocoder import Vocoder, VocoderShape

FRAMES = 32
LEAST = 5e-3
"""Magnitudes below it, or 80 dB below the loudest, count as that much: nobody hears them."""


def stage(settings: Settings, batch: int, shelf: Shelf) -> Stage:
    """The stage that trains the vocoder on music, effects and speech.

    Args:
        settings: How it is optimised.
        batch: Pieces of 0.37 s per step.
        shelf: Where the sounds are.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        sounds = shelf.sounds()

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            target = pieces(sounds, batch, FRAMES * HOP, generator).to(device)
            with torch.autocast(device.type, enabled=False):
                mel, magnitudes = log_mel(target), stft(target).abs()
            return log_distance(magnitudes, module(mel))

        def preview(module: nn.Module, path: Path) -> None:
            assert isinstance(module, Vocoder)
            target = pieces(sounds, 6, 256 * HOP, torch.Generator().manual_seed(0)).to(device)
            with torch.no_grad():
                save_rows([target, module.sound(log_mel(target))], path)

        return Task(module=Vocoder(VocoderShape()), loss=loss, preview=preview, matrix=is_matrix)

    return Stage(name="vocoder", settings=settings, start=start)


def pieces(sounds: Sequence[Tensor], count: int, samples: int, generator: torch.Generator) -> Tensor:
    """Random pieces, as many of each of the sets of sounds (N, L) int16; (count, samples) float32."""
    found = []
    for index in range(count):
        rows = sounds[index % len(sounds)]
        row = int(torch.randint(len(rows), (), generator=generator))
        start = int(torch.randint(rows.shape[1] - samples + 1, (), generator=generator))
        found.append(rows[row, start : start + samples])
    level = 10 ** (torch.rand(count, 1, generator=generator) * 0.8 - 0.6)
    return torch.stack(found).float() / 32768 * level


def log_distance(magnitudes: Tensor, logs: Tensor) -> Tensor:
    """Log-spectral distance in dB of magnitudes and logarithms of others, (B, 513, F) each.

    See ``mel.log_spectral_distance``; what is heard in the one and not in the other is drawn all the way.
    """
    floor = (1e-4 * magnitudes.amax((1, 2), keepdim=True)).clamp(min=LEAST).log()
    target = magnitudes.clamp(min=1e-9).log()
    error = torch.where(target > floor, target - logs, floor - torch.maximum(logs, floor))
    return 20 / math.log(10) * (error.square().mean(1) + 1e-4).sqrt().mean()
