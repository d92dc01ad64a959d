"""A bank of scenes as latents with several captions each, so that the denoiser's loop trains nothing else."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gen.atomic import atomic_file
from gen.nn import Subwords
from gen.train import emoji
from gen_image.autoencoder import Autoencoder
from gen_image.codec_training import to_tensor
from gen_image.data import scenes
from gen_image.data.render import Renderer
from gen_image.data.scenes import Scene, Thing

CAPTIONS = 6
PIECES = 300
COMMON_KEYWORDS = 250


@dataclass(frozen=True, eq=False)
class Bank:
    """Scenes of several kinds.

    Args:
        latents: (N, C, 8, 8) float16, standardised per channel.
        ids: (N, CAPTIONS, L) int16 subwords, 0 where a caption has ended.
        kinds: Kind to its rows, a range.
        mean, std: (C,) float32: what the latents were standardised by.
        subwords: The vocabulary.
    """

    latents: Tensor
    ids: Tensor
    kinds: Mapping[str, range]
    mean: Tensor
    std: Tensor
    subwords: Subwords

    def draw(
        self, count: int, shares: Mapping[str, float], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw scenes with one caption each.

        Args:
            count: Number of scenes B.
            shares: Kind to its share of the draws; they add up to 1.
            generator: Source of randomness.

        Returns:
            Latents (B, C, 8, 8) float32, and subword ids (B, L) int64.
        """
        names = list(shares)
        drawn = torch.multinomial(torch.tensor([shares[n] for n in names]), count, True, generator=generator)
        starts = torch.tensor([self.kinds[n].start for n in names])[drawn]
        sizes = torch.tensor([len(self.kinds[n]) for n in names])[drawn]
        rows = starts + (torch.rand(count, generator=generator) * sizes).long()
        captions = torch.randint(self.ids.shape[1], (count,), generator=generator)
        return self.latents[rows].float(), self.ids[rows, captions].long()


def load_or_build(
    path: Path, codec: Autoencoder, counts: Mapping[str, int], length: int, report: Callable[[str], None]
) -> Bank:
    """Read the bank at ``path``, or compose, encode and write it.

    Args:
        path: A ``.safetensors`` file.
        codec: The trained codec.
        counts: Kind (of ``scenes.draw``) to number of scenes; every emoji alone on white comes beside them.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
    if not path.exists():
        _build(path, codec, counts, length, report)
    return load(path)


def load(path: Path) -> Bank:
    """Read the bank at ``path``."""
    with safe_open(path, "pt") as file:
        meta = file.metadata()
        kinds = {kind: range(*bounds) for kind, bounds in json.loads(meta["kinds"]).items()}
        tensors = {name: file.get_tensor(name) for name in ("latents", "ids", "mean", "std")}
    return Bank(**tensors, kinds=kinds, subwords=Subwords(meta["subwords"]))


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


def _build(
    path: Path, codec: Autoencoder, counts: Mapping[str, int], length: int, report: Callable[[str], None]
) -> None:
    emoji_set = emoji.load()
    renderer = Renderer(emoji_set)
    subwords = vocabulary(emoji_set)
    rng = random.Random(1)
    drawn = {"plain": [Scene("single", (Thing(i),)) for i in range(len(emoji_set.emoji))]}
    for kind, count in counts.items():
        drawn[kind] = [scenes.draw(kind, emoji_set.emoji, renderer.tintable, rng) for _ in range(count)]
    every = [scene for group in drawn.values() for scene in group]
    texts = [scenes.caption(scene, emoji_set.emoji, rng) for scene in every for _ in range(CAPTIONS)]
    ids, _ = subwords.batch(texts, length)
    latents: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(every), 64):
            pictures = to_tensor(renderer.render(every[start : start + 64]))
            latents.append(codec.encode(pictures.to(next(codec.parameters()).device)).cpu())
            if start % 6400 == 0:
                report(f"bank: {start} of {len(every)} scenes encoded")
    encoded = torch.cat(latents)
    mean, std = encoded.mean((0, 2, 3)), encoded.std((0, 2, 3))
    standard = (encoded - mean[:, None, None]) / std[:, None, None]
    kinds, start = {}, 0
    for kind, group in drawn.items():
        kinds[kind] = (start, start + len(group))
        start += len(group)
    tensors = {
        "latents": standard.half().contiguous(),
        "ids": ids.reshape(len(every), CAPTIONS, length).to(torch.int16),
        "mean": mean,
        "std": std,
    }
    with atomic_file(path, overwrite=True) as file:
        file.write(save(tensors, {"kinds": json.dumps(kinds), "subwords": subwords.to_json()}))
