"""The clips of the shelf as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gen.atomic import atomic_file
from gen.nn import Subwords
from gen_audio.autoencoder import Autoencoder
from gen_audio.data import clips, effects, music
from gen_audio.data.shelf import Shelf
from gen_audio.mel import log_mel

CAPTIONS = 8
PIECES = 200


@dataclass(frozen=True, eq=False)
class Bank:
    """Music and effects.

    Args:
        latents: (N, C, 40) float16, standardised per channel.
        ids: (N, CAPTIONS, L) int16 subwords, 0 where a caption has ended.
        kinds: "music" and "effects" to their rows, a range.
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
        """Draw clips with one caption each.

        Args:
            count: Number of clips B.
            shares: Kind to its share of the draws; they add up to 1.
            generator: Source of randomness.

        Returns:
            Latents (B, C, 40) float32, and subword ids (B, L) int64.
        """
        names = list(shares)
        drawn = torch.multinomial(torch.tensor([shares[n] for n in names]), count, True, generator=generator)
        starts = torch.tensor([self.kinds[n].start for n in names])[drawn]
        sizes = torch.tensor([len(self.kinds[n]) for n in names])[drawn]
        rows = starts + (torch.rand(count, generator=generator) * sizes).long()
        captions = torch.randint(self.ids.shape[1], (count,), generator=generator)
        return self.latents[rows].float(), self.ids[rows, captions].long()


def load_or_build(
    path: Path, codec: Autoencoder, shelf: Shelf, length: int, report: Callable[[str], None]
) -> Bank:
    """Read the bank at ``path``, or encode the shelf and write it.

    Args:
        path: A ``.safetensors`` file.
        codec: The trained codec.
        shelf: Where the sounds are.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
    if not path.exists():
        _build(path, codec, shelf, length, report)
    return load(path)


def load(path: Path) -> Bank:
    """Read the bank at ``path``."""
    with safe_open(path, "pt") as file:
        meta = file.metadata()
        kinds = {kind: range(*bounds) for kind, bounds in json.loads(meta["kinds"]).items()}
        tensors = {name: file.get_tensor(name) for name in ("latents", "ids", "mean", "std")}
    return Bank(**tensors, kinds=kinds, subwords=Subwords(meta["subwords"]))


def words() -> list[str]:
    """Every word that a caption may hold, in a fixed order."""
    rng = random.Random(0)
    texts = [music.caption(music.draw(rng), rng) for _ in range(4000)]
    texts += [effects.caption(effects.draw(rng), rng) for _ in range(4000)]
    texts += [name for effect in effects.EFFECTS.values() for name in effect.names]
    texts += [f"{bpm} bpm" for bpm in music.TEMPI]
    return list(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def _build(path: Path, codec: Autoencoder, shelf: Shelf, length: int, report: Callable[[str], None]) -> None:
    known = words()
    subwords = Subwords.train(known, known, PIECES)
    rng = random.Random(1)
    described = shelf.clips()
    texts = [clips.caption(clip, rng) for group in described for clip in group for _ in range(CAPTIONS)]
    ids, _ = subwords.batch(texts, length)
    latents: list[Tensor] = []
    device = next(codec.parameters()).device
    kinds: dict[str, tuple[int, int]] = {}
    with torch.no_grad():
        for kind, sounds in zip(("music", "effects"), shelf.sounds(), strict=False):
            first = sum(map(len, latents))
            for start in range(0, len(sounds), 32):
                samples = sounds[start : start + 32].to(device).float() / 32768
                latents.append(codec.encode(log_mel(samples)).cpu())
            kinds[kind] = (first, first + len(sounds))
            report(f"bank: {len(sounds)} clips of {kind} encoded")
    encoded = torch.cat(latents)
    mean, std = encoded.mean((0, 2)), encoded.std((0, 2))
    tensors = {
        "latents": ((encoded - mean[:, None]) / std[:, None]).half().contiguous(),
        "ids": ids.reshape(len(encoded), CAPTIONS, length).to(torch.int16),
        "mean": mean,
        "std": std,
    }
    with atomic_file(path, overwrite=True) as file:
        file.write(save(tensors, {"kinds": json.dumps(kinds), "subwords": subwords.to_json()}))
