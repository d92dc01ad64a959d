"""Clips as states with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from gen.nn import Subwords
from gen.train import LatentBank
from gen_video.autoencoder import Autoencoder, on_white
from gen_video.data import clips, things
from gen_video.data.render import Renderer
from gen_video.data.things import Things
from gen_video.state import pack

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
    """Take clips apart and encode what is seen in them.

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
    device = next(codec.parameters()).device
    encoded: dict[int, Tensor] = {}

    @torch.no_grad()
    def latents(picture: Tensor) -> Tensor:
        # The renderer hands out the same picture again, and there are few.
        if id(picture) not in encoded:
            encoded[id(picture)] = codec.encode(on_white(picture)[None].to(device))[0].cpu()
        return encoded[id(picture)]

    states = torch.empty(0)
    texts = []
    for index in range(count):
        clip = clips.draw(known, renderer.tintable, rng)
        texts += [clips.caption(clip, known, rng, loop=rng.random() < 0.5) for _ in range(CAPTIONS)]
        pictures, motion = renderer.pictures(clip), renderer.motion(clip)
        state = pack(torch.stack([latents(one) for one in pictures]), torch.from_numpy(motion).float())
        if not index:
            states = torch.empty(count, *state.shape, dtype=torch.float16)
        states[index] = state
        if index % 5000 == 0:
            report(f"bank: {index} of {count} clips encoded")
    return LatentBank.of(states, texts, subwords, length)
