"""Clips as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from gen.nn import Subwords
from gen.train import LatentBank
from gen.train.optimiser import fast_bfloat16
from gen_video.autoencoder import Autoencoder
from gen_video.data import clips, things
from gen_video.data.render import Renderer
from gen_video.data.things import Things

CAPTIONS = 5
PIECES = 250


def words(known: Things) -> tuple[str, ...]:
    """Every word that a caption may hold."""
    texts = [*clips.spoken(), *(name for names in known.names for name in names)]
    return tuple(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def vocabulary(known: Things) -> Subwords:
    """Every word of the captions whole, and pieces for others."""
    return Subwords.train(words(known), [name for names in known.names for name in names], PIECES)


def build(codec: Autoencoder, count: int, length: int, report: Callable[[str], None]) -> LatentBank:
    """Render clips and encode them.

    Args:
        codec: The trained codec.
        count: Number of clips.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
    known = things.load()
    renderer = Renderer(known)
    subwords = vocabulary(known)
    rng = random.Random(1)
    drawn = [clips.draw(known, renderer.tintable, rng) for _ in range(count)]
    texts = [
        clips.caption(clip, known, rng, loop=rng.random() < 0.5) for clip in drawn for _ in range(CAPTIONS)
    ]
    device = next(codec.parameters()).device
    fast = fast_bfloat16(device)
    encoded: Tensor | None = None
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=fast):
        for start in range(0, count, 4):
            frames = renderer.render(drawn[start : start + 4])
            flat = frames.flatten(0, 1).to(device).contiguous(memory_format=torch.channels_last)
            latents = codec.encode(flat).unflatten(0, frames.shape[:2]).transpose(1, 2).cpu()
            if encoded is None:
                encoded = torch.empty(count, *latents.shape[1:], dtype=torch.float16)
            encoded[start : start + len(latents)] = latents
            if start % 1000 == 0:
                report(f"bank: {start} of {count} clips encoded")
    assert encoded is not None
    return LatentBank.of(encoded, texts, subwords, length)
