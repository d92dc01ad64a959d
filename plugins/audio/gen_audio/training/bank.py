"""The clips of the shelf as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from gen.nn import Subwords
from gen.train import LatentBank
from gen_audio import composition, score
from gen_audio.autoencoder import TOKEN_FRAMES, Autoencoder
from gen_audio.mel import RATE, log_mel
from gen_audio.training.data import clips, effects, music
from gen_audio.training.data.shelf import FRAMES, SAMPLES, Shelf
from gen_audio.training.start import Start

CAPTIONS = 8
PIECES = 200


def words() -> list[str]:
    """Every word that a caption may hold, in a fixed order."""
    rng = random.Random(0)
    texts = [music.caption(music.draw(rng), rng) for _ in range(4000)]
    texts += [effects.caption(effects.draw(rng), rng) for _ in range(4000)]
    texts += [name for effect in effects.EFFECTS.values() for name in effect.names]
    texts += [f"{bpm} bpm" for bpm in composition.TEMPI]
    return list(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def build(
    codec: Autoencoder,
    shelf: Shelf,
    length: int,
    report: Callable[[str], None],
    start: Start | None = None,
) -> LatentBank:
    """Encode the clips of the shelf, all but speech.

    Args:
        codec: The trained codec.
        shelf: Where the sounds are.
        length: Longest caption in subwords.
        report: Called with lines of progress.
        start: The model that is trained on, whose subwords and scale stay; None for new ones.
    """
    known = words()
    subwords = start.subwords if start else Subwords.train(known, known, PIECES)
    rng = random.Random(1)
    described = shelf.clips()
    texts = [
        clips.caption(clip, rng) for group in described.values() for clip in group for _ in range(CAPTIONS)
    ]
    latents: list[Tensor] = []
    device = next(codec.parameters()).device
    kinds: dict[str, range] = {}
    with torch.no_grad():
        for kind, sounds in zip(described, shelf.sounds(), strict=False):
            first = sum(map(len, latents))
            for begin in range(0, len(sounds), 32):
                samples = sounds[begin : begin + 32].to(device).float() / 32768
                latents.append(codec.encode(log_mel(samples)).cpu())
            kinds[kind] = range(first, first + len(sounds))
            report(f"bank: {len(sounds)} clips of {kind} encoded")
    scale = start.scale if start else None
    return LatentBank.of(torch.cat(latents), texts, subwords, length, kinds, scale)


def scores(shelf: Shelf) -> Tensor:
    """The scores of the bank's clips, in hundredths: (N, ``score.SIZE``, T) uint8."""
    tokens = FRAMES // TOKEN_FRAMES
    written = [
        score.written(composition.notes(clip, SAMPLES / RATE), clip.instrument == composition.DRUMS, tokens)
        if isinstance(clip, composition.Tune)
        else score.none(tokens)
        for group in shelf.clips().values()
        for clip in group
    ]
    return torch.stack([(100 * one).round().to(torch.uint8) for one in written])
