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
from gen_audio.denoiser import SoundTransformer
from gen_audio.files.picture import save_mels
from gen_audio.score import onsets_alone
from gen_audio.training.bank import scores
from gen_audio.training.data.shelf import Shelf

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.6, std=1.2))
CAPTION_DROPOUT = 0.1
SCORE_DROPOUT = 0.2
ONSETS_SHARE = 0.1
"""Of the clips with a caption that have no score, and of all whose score says only when something begins."""

SCORE_ALONE = 0.4
"""Of the clips without a caption that have a score nevertheless."""

KNOWN_SHARE = 0.25
SHORT_SHARE = 0.12
SHARES = {"music": 0.35, "notes": 0.29, "effects": 0.36}
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


def stage(
    settings: Settings,
    batch: int,
    shelf: Shelf,
    bank: Callable[[Autoencoder], LatentBank],
    begin: Callable[[Mapping[str, nn.Module]], tuple[Autoencoder, SoundTransformer]],
) -> Stage:
    """The stage that trains the denoiser on latents of a codec.

    Args:
        settings: How it is optimised.
        batch: Clips per step; even.
        shelf: Where the sounds are.
        bank: Codec to latents and captions.
        begin: Modules of the stages before -> the codec, and the network as it begins.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec, network = begin(modules)
        kept, written = bank(codec), scores(shelf)
        most = network.shape.tokens

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            rows = kept.draw_rows(batch, generator, SHARES)
            latents, ids = kept.described(rows, generator)
            ids = drop_captions(ids, CAPTION_DROPOUT, generator)
            score = dropped(written[rows].float() / 100, ids, generator)
            tokens = most
            if float(torch.rand((), generator=generator)) < SHORT_SHARE:
                tokens = int(torch.randint(5, most, (), generator=generator))
            latents, known, places = cut(latents, tokens, generator)
            score = score.gather(2, places[:, None].expand(-1, score.shape[1], -1))
            return latents, ids, {"known": known, "score": score}

        def show(latents: Tensor, path: Path) -> None:
            noise = decoder_noise(len(latents), most, torch.Generator().manual_seed(0))
            save_mels(list(codec.cpu().decode(latents, noise)[..., ::2].split(4)), path)

        size = (codec.shape.channels, most)
        return text_task(network, OBJECTIVE, kept, device, draw=draw, prompts=PREVIEW, show=show, size=size)

    return Stage(name="denoiser", settings=settings, start=start)


def dropped(score: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
    """Scores (B, S, T), some of them silent or without pitches.

    Args:
        score: All that is known.
        ids: (B, L), the captions, all 0 where they were dropped.
        generator: Source of randomness.
    """
    draws = torch.rand(len(ids), 2, generator=generator)
    share = torch.where(ids.any(1), SCORE_DROPOUT, 1 - SCORE_ALONE)
    less = torch.where((draws[:, 1] < ONSETS_SHARE)[:, None, None], onsets_alone(score), score)
    return less * (draws[:, 0] >= share)[:, None, None]


def cut(latents: Tensor, tokens: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Cut clips to a length, and give parts of some of them.

    Clips begin at their beginning; those of which a part is given begin anywhere.

    Args:
        latents: (B, C, T).
        tokens: Length that is wanted, less than T.
        generator: Source of randomness.

    Returns:
        Latents (B, C, tokens); (B, 1 + C, tokens): a mask that is 1 where they are given, and they there; and
        the tokens that are left, (B, tokens).
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
    return pieces, torch.cat([mask, mask * pieces], 1), places
