"""Clips as states with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from gen.nn import WordRows
from gen.train import LatentBank
from gen_video.autoencoder import Autoencoder, on_white
from gen_video.state import pack
from gen_video.training.data import clips, examples, things
from gen_video.training.data.render import Look, Renderer
from gen_video.training.start import Start

CAPTIONS = 5


def build(
    codec: Autoencoder,
    count: int,
    length: int,
    report: Callable[[str], None],
    start: Start | None = None,
) -> LatentBank:
    """Take clips apart and encode what is seen in them.

    Args:
        codec: The trained codec.
        count: Number of clips.
        length: Longest caption in words, or in subwords of the model that is trained on.
        report: Called with lines of progress.
        start: The model that is trained on, whose subwords and scale stay; None for words and a new scale.
    """
    known = things.load()
    renderer = Renderer(known)
    rng = random.Random(1)
    device = next(codec.parameters()).device
    encoded: dict[Look, Tensor] = {}

    @torch.no_grad()
    def latents(look: Look, picture: Tensor) -> Tensor:
        if look not in encoded:
            encoded[look] = codec.encode(on_white(picture)[None].to(device))[0].cpu()
        return encoded[look]

    kinds = [kind for kind, share in examples.SHARES.items() for _ in range(round(share * count))]
    states = torch.empty(0)
    texts = []
    for index, kind in enumerate(kinds):
        example = examples.draw(renderer, kind, rng)
        texts += [clips.caption(example.clip, known, rng, loop=rng.random() < 0.5) for _ in range(CAPTIONS)]
        seen = zip(example.looks, example.pictures, strict=True)
        motion = torch.from_numpy(example.motion).float()
        state = pack(torch.stack([latents(look, picture) for look, picture in seen]), motion)
        if not index:
            states = torch.empty(len(kinds), *state.shape, dtype=torch.float16)
        states[index] = state
        if index % 5000 == 0:
            report(f"bank: {index} of {len(kinds)} clips encoded")
    rows = {
        kind: range(kinds.index(kind), kinds.index(kind) + kinds.count(kind)) for kind in dict.fromkeys(kinds)
    }
    vocabulary, scale = (start.subwords, start.scale) if start else (WordRows(), None)
    return LatentBank.of(states, texts, vocabulary, length, rows, scale)
