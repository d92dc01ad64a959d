"""Scenes as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gen.nn import WordRows
from gen.train import LatentBank, emoji
from gen.train.thesaurus import Thesaurus
from gen_image.autoencoder import Autoencoder
from gen_image.training.codec import to_tensor
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer
from gen_image.training.data.scenes import Scene, Stock, Thing

CAPTIONS = 6
PLAIN = 6
"""Every emoji alone on white comes so often, each time with other captions."""


def stock_of(emoji_set: emoji.EmojiSet) -> Stock:
    """The emoji, with WordNet's words for them.

    Raises:
        UsageError: WordNet is not installed.
    """
    thesaurus = Thesaurus()
    return Stock(emoji_set.emoji, {one.name: thesaurus(one.name) for one in emoji_set.emoji})


def build(
    codec: Autoencoder, counts: Mapping[str, int], length: int, report: Callable[[str], None]
) -> LatentBank:
    """Compose scenes and encode them.

    Args:
        codec: The trained codec.
        counts: Kind (of ``scenes.draw``) to number of scenes; every emoji alone on white comes beside them.
        length: Longest caption in words.
        report: Called with lines of progress.
    """
    emoji_set = emoji.with_sequences(emoji.load())
    renderer, stock = Renderer(emoji_set), stock_of(emoji_set)
    rng = random.Random(1)
    untoned = [index for index, one in enumerate(emoji_set.emoji) if not one.tone]
    drawn = {"plain": [Scene("single", (Thing(index),)) for index in untoned for _ in range(PLAIN)]}
    for kind, count in counts.items():
        drawn[kind] = [scenes.draw(kind, stock, rng) for _ in range(count)]
    every = [scene for group in drawn.values() for scene in group]
    texts = [scenes.caption(scene, stock, rng) for scene in every for _ in range(CAPTIONS)]
    latents: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(every), 64):
            pictures = to_tensor(renderer.render(every[start : start + 64]))
            # Half precision, as the bank keeps them: all of them in full would take twice the memory.
            latents.append(codec.encode(pictures.to(next(codec.parameters()).device)).cpu().half())
            if start % 6400 == 0:
                report(f"bank: {start} of {len(every)} scenes encoded")
    kinds, start = {}, 0
    for kind, group in drawn.items():
        kinds[kind] = range(start, start + len(group))
        start += len(group)
    return LatentBank.of(torch.cat(latents), texts, WordRows(), length, kinds)
