"""How the denoiser is trained: text to latents, with captions dropped and parts given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import RectifiedFlow, Velocity
from gen.train import (
    DiffusionLoss,
    LatentBank,
    LogitNormalTimes,
    Settings,
    Stage,
    Task,
    drop_captions,
    text_task,
)
from gen_audio.autoencoder import Autoencoder, decoder_noise
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.files.picture import save_mels
from gen_audio.training.bank import build
from gen_audio.training.data.shelf import Shelf

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.6, std=1.2))
CAPTION_DROPOUT = 0.1
KNOWN_SHARE = 0.25
SHORT_SHARE = 0.12
SHARES = {"music": 0.58, "effects": 0.42}
PREVIEW = (
    "a piano melody in c major, 120 bpm",
    "a violin scale in a minor, 90 bpm",
    "a single trumpet note, c 5",
    "a guitar arpeggio in e minor, 140 bpm",
    "a rock drum beat, 120 bpm",
    "rain",
    "a fast siren",
    "footsteps",
    "a church bell",
    "a laser",
    "a high dog barking",
    "sea waves",
)


def stage(settings: Settings, batch: int, shelf: Shelf, folder: Path, report: Callable[[str], None]) -> Stage:
    """The stage that trains the denoiser on the latents of the codec before it.

    Args:
        settings: How it is optimised.
        batch: Clips per step; even.
        shelf: Where the sounds are.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        bank = LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: build(codec, shelf, Shape.length, report)
        )
        network = SoundTransformer(Shape(vocabulary=len(bank.vocabulary), channels=codec.shape.channels))
        most = network.shape.tokens

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
            latents, ids = bank.draw(batch, generator, SHARES)
            ids = drop_captions(ids, CAPTION_DROPOUT, generator)
            tokens = most
            if float(torch.rand((), generator=generator)) < SHORT_SHARE:
                tokens = int(torch.randint(5, most, (), generator=generator))
            latents, known = cut(latents, tokens, generator)
            return latents, ids, known

        def show(latents: Tensor, path: Path) -> None:
            noise = decoder_noise(len(latents), most, torch.Generator().manual_seed(0))
            save_mels(list(codec.cpu().decode(latents, noise)[..., ::2].split(4)), path)

        size = (codec.shape.channels, most)
        return text_task(network, OBJECTIVE, bank, device, draw=draw, prompts=PREVIEW, show=show, size=size)

    return Stage(name="denoiser", settings=settings, start=start)


def cut(latents: Tensor, tokens: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut clips to a length, and give parts of some of them.

    Clips begin at their beginning; those of which a part is given begin anywhere.

    Args:
        latents: (B, C, T).
        tokens: Length that is wanted, less than T.
        generator: Source of randomness.

    Returns:
        Latents (B, C, tokens), and (B, 1 + C, tokens): a mask that is 1 where they are given, and they there.
    """
    count, _, total = latents.shape
    draws = torch.rand(count, 5, generator=generator)
    given = draws[:, 0] < KNOWN_SHARE
    starts = torch.where(given, draws[:, 1] * (total - tokens + 1), 0.0).long()
    places = starts[:, None] + torch.arange(tokens)
    pieces = latents.gather(2, places[:, None].expand(-1, latents.shape[1], -1))
    low, high = (draws[:, 2:4].sort(1).values * tokens).split(1, 1)
    index = torch.arange(tokens) + 0.5
    inside = (index > low) & (index < high)
    kind = draws[:, 4:]
    # Half go on from a beginning; a third fill a gap; the rest surround what is given.
    mask = torch.where(kind < 0.5, index < high.floor(), torch.where(kind < 0.83, ~inside, inside))
    mask = (mask & given[:, None])[:, None].float()
    return pieces, torch.cat([mask, mask * pieces], 1)
