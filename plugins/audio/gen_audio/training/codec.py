"""How the latent codec is trained: what it makes of latents has the law of the log-mels that have them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from gen.train import Settings, Stage, Task, codec_stages
from gen.train.codec import LATENT_NOISE
from gen_audio.autoencoder import TOKEN_FRAMES, Autoencoder, CodecShape, decoder_noise, is_matrix
from gen_audio.files.picture import save_mels
from gen_audio.mel import HOP, log_mel
from gen_audio.training.data.shelf import Shelf
from gen_audio.training.vocoder import pieces

TOKENS = 10
PATCHES = (1, 4, 16)


def stages(codec: Settings, decoder: Settings, batch: int, shelf: Shelf) -> tuple[Stage, Stage]:
    """The stages that train the codec on music and effects, and later its decoder alone.

    Args:
        codec, decoder: How they are optimised.
        batch: Pieces of 1.9 s per step.
        shelf: Where the sounds are.
    """

    def task(network: nn.Module, device: torch.device) -> Task:
        sounds = shelf.sounds()[:-1]  # all but speech

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            assert isinstance(module, Autoencoder)
            samples = pieces(sounds, batch, TOKENS * TOKEN_FRAMES * HOP, generator).to(device)
            with torch.autocast(device.type, enabled=False):
                target = log_mel(samples)
            latents = module.encode(target)
            disturbed = latents + LATENT_NOISE * torch.randn(latents.shape, generator=generator).to(device)
            started = module.start(disturbed)
            one, other = (
                module.finish(started, decoder_noise(batch, TOKENS, generator).to(device)).float()
                for _ in range(2)
            )
            return distance(target, one) + distance(target, other) - distance(one, other)

        def preview(module: nn.Module, path: Path) -> None:
            assert isinstance(module, Autoencoder)
            generator = torch.Generator().manual_seed(0)
            target = log_mel(pieces(sounds, 8, 20 * TOKEN_FRAMES * HOP, generator)).to(device)
            with torch.no_grad():
                made = module.decode(module.encode(target), decoder_noise(8, 20, generator).to(device))
            save_mels([target, made], path)

        return Task(module=network, loss=loss, preview=preview, matrix=is_matrix)

    return codec_stages(
        lambda: Autoencoder(CodecShape()),
        task,
        codec=codec,
        decoder=decoder,
        encoder=("encode_fine", "encode_coarse"),
    )


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean Euclidean distance of the square patches of log-mels (B, 80, F), over several sizes of patches.

    With it, 2·d(target, made) - d(made, made') is an energy distance (Székely & Rizzo 2013): it is least
    where patches that are made have the law of those that are given, blur included.
    """
    difference = (a - b).square()
    total = a.new_zeros(())
    for size in PATCHES:
        patches = difference.unflatten(2, (-1, size)).unflatten(1, (-1, size)).mean((2, 4))
        total = total + (patches + 1e-6).sqrt().mean()
    return total / len(PATCHES)
