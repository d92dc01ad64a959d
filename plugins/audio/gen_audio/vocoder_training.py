"""How the vocoder is trained: its spectrograms at several resolutions are to be those of the sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.train import Settings, Stage, Task
from gen_audio.blocks import is_matrix
from gen_audio.data.shelf import Shelf
from gen_audio.mel import HOP, log_mel
from gen_audio.picture import save_rows
from gen_audio.vocoder import Vocoder, VocoderShape, mixed

SCALES = (256, 512, 1024, 2048)
FRAMES = 64


def stage(settings: Settings, batch: int, shelf: Shelf) -> Stage:
    """The stage that trains the vocoder on music, effects and speech.

    Args:
        settings: How it is optimised.
        batch: Pieces of 0.74 s per step.
        shelf: Where the sounds are.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        sounds = shelf.sounds()

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            target = pieces(sounds, batch, FRAMES * HOP, generator).to(device)
            with torch.autocast(device.type, enabled=False):
                mel = log_mel(target)
            tone, noise = module(mel)
            with torch.autocast(device.type, enabled=False):
                white = torch.randn(target.shape, generator=generator).to(device)
                return spectral_distance(target, mixed(tone, noise, white))

        def preview(module: nn.Module, path: Path) -> None:
            assert isinstance(module, Vocoder)
            generator = torch.Generator().manual_seed(0)
            target = pieces(sounds, 6, 256 * HOP, generator).to(device)
            with torch.no_grad():
                made = module.sound(
                    log_mel(target), torch.randn(target.shape, generator=generator).to(device)
                )
            save_rows([target, made], path)

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


def spectral_distance(target: Tensor, made: Tensor) -> Tensor:
    """Distance of two sounds (B, L) in magnitudes and their logarithms, at four resolutions.

    What no single resolution says of phases, several do together (Yamamoto et al. 2020, arXiv 1910.11480,
    section 2.2). The logarithms are compared frame by frame, as the log-spectral distance does.
    """
    total = target.new_zeros(())
    for size in SCALES:
        a, b = (_magnitudes(x, size) for x in (target, made))
        level = a.mean((1, 2), keepdim=True) + 1e-2
        logs = (a.clamp(min=1e-3).log() - b.clamp(min=1e-3).log()).square().mean(1)
        total = total + ((a - b).abs() / level).mean() + (logs + 1e-6).sqrt().mean()
    return total / len(SCALES)


def _magnitudes(samples: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=samples.device)
    return torch.stft(samples, size, size // 4, window=window, return_complex=True).abs()
