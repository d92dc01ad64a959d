"""Scenes as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gen.nn import Subwords
from gen.train import LatentBank, emoji
from gen_image.autoencoder import Autoencoder
from gen_image.training.codec import to_tensor
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer
from gen_image.training.data.scenes import Scene, Thing

CAPTIONS = 6
PIECES = 300
COMMON_KEYWORDS = 250
GRAMMAR = (
    *scenes.COLOURS,
    *scenes.PATTERNS,
    *scenes.HUES,
    "background",
    "mirrored",
    "a an big picture emoji the",
)


def spoken(emoji_set: emoji.EmojiSet) -> list[str]:
    """Captions that between them hold every word of the grammar."""
    rng = random.Random(0)
    plain = [Scene(layout, (Thing(0),) * len(places)) for layout, places in scenes.LAYOUTS.items()]
    return [scenes.caption(scene, emoji_set.emoji, rng) for scene in plain for _ in range(20)]


def words_of(texts: Sequence[str]) -> list[str]:
    """The distinct words of some texts, in order of appearance."""
    return list(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def vocabulary(emoji_set: emoji.EmojiSet) -> Subwords:
    """Every word of the grammar and of the names whole, the commonest keywords too, pieces for the rest."""
    names = [one.name for one in emoji_set.emoji]
    keywords = Counter(
        word for one in emoji_set.emoji for text in one.keywords for word in Subwords.words(text)
    )
    whole = words_of([*spoken(emoji_set), *GRAMMAR, *names])
    common = [word for word, _ in keywords.most_common() if word not in whole][:COMMON_KEYWORDS]
    plurals = [scenes.plural(name) for name in names]
    return Subwords.train([*whole, *common], [*names, *plurals, *keywords], PIECES)


def build(
    codec: Autoencoder, counts: Mapping[str, int], length: int, report: Callable[[str], None]
) -> LatentBank:
    """Compose scenes and encode them.

    Args:
        codec: The trained codec.
        counts: Kind (of ``scenes.draw``) to number of scenes; every emoji alone on white comes beside them.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
    emoji_set = emoji.load()
    renderer = Renderer(emoji_set)
    subwords = vocabulary(emoji_set)
    rng = random.Random(1)
    drawn = {"plain": [Scene("single", (Thing(i),)) for i in range(len(emoji_set.emoji))]}
    for kind, count in counts.items():
        drawn[kind] = [scenes.draw(kind, emoji_set.emoji, renderer.tintable, rng) for _ in range(count)]
    every = [scene for group in drawn.values() for scene in group]
    texts = [scenes.caption(scene, emoji_set.emoji, rng) for scene in every for _ in range(CAPTIONS)]
    latents: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(every), 64):
            pictures = to_tensor(renderer.render(every[start : start + 64]))
            latents.append(codec.encode(pictures.to(next(codec.parameters()).device)).cpu())
            if start % 6400 == 0:
                report(f"bank: {start} of {len(every)} scenes encoded")
    kinds, start = {}, 0
    for kind, group in drawn.items():
        kinds[kind] = range(start, start + len(group))
        start += len(group)
    return LatentBank.of(torch.cat(latents), texts, subwords, length, kinds)
