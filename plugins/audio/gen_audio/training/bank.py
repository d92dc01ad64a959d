"""The clips of the shelf as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from gen.nn import Subwords
from gen.train import LatentBank
from gen_audio.autoencoder import Autoencoder
from gen_audio.mel import log_mel
from gen_audio.training.data import clips, effects, music
from gen_audio.training.data.shelf import Shelf

CAPTIONS = 8
PIECES = 200


def words() -> list[str]:
    """Every word that a caption may hold, in a fixed order."""
    rng = random.Random(0)
    texts = [music.caption(music.draw(rng), rng) for _ in range(4000)]
    texts += [effects.caption(effects.draw(rng), rng) for _ in range(4000)]
    texts += [name for effect in effects.EFFECTS.values() for name in effect.names]
    texts += [f"{bpm} bpm" for bpm in music.TEMPI]
    return list(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def build(codec: Autoencoder, shelf: Shelf, length: int, report: Callable[[str], None]) -> LatentBank:
    """Encode the clips of the shelf: music, then effects.

    Args:
        codec: The trained codec.
        shelf: Where the sounds are.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
    known = words()
    subwords = Subwords.train(known, known, PIECES)
    rng = random.Random(1)
    described = shelf.clips()
    texts = [clips.caption(clip, rng) for group in described for clip in group for _ in range(CAPTIONS)]
    latents: list[Tensor] = []
    device = next(codec.parameters()).device
    kinds: dict[str, range] = {}
    with torch.no_grad():
        for kind, sounds in zip(("music", "effects"), shelf.sounds(), strict=False):
            first = sum(map(len, latents))
            for start in range(0, len(sounds), 32):
                samples = sounds[start : start + 32].to(device).float() / 32768
                latents.append(codec.encode(log_mel(samples)).cpu())
            kinds[kind] = range(first, first + len(sounds))
            report(f"bank: {len(sounds)} clips of {kind} encoded")
    return LatentBank.of(torch.cat(latents), texts, subwords, length, kinds)
