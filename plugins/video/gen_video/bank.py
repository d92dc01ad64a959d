"""A bank of clips as latents with several captions each, so that the denoiser's loop trains nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gen.atomic import atomic_file
from gen.nn import Subwords
from gen_video.autoencoder import Autoencoder
from gen_video.data import clips, things
from gen_video.data.render import Renderer
from gen_video.data.things import Things

CAPTIONS = 5
PIECES = 250


@dataclass(frozen=True, eq=False)
class Bank:
    """Clips.

    Args:
        latents: (N, C, T, G, G) float16, standardised per channel.
        ids: (N, CAPTIONS, L) int16 subwords, 0 where a caption has ended.
        mean, std: (C,) float32: what the latents were standardised by.
        subwords: The vocabulary.
    """

    latents: Tensor
    ids: Tensor
    mean: Tensor
    std: Tensor
    subwords: Subwords

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw clips with one caption each.

        Returns:
            Latents (count, C, T, G, G) float32, and subword ids (count, L) int64.
        """
        rows = torch.randint(len(self.latents), (count,), generator=generator)
        captions = torch.randint(self.ids.shape[1], (count,), generator=generator)
        return self.latents[rows].float(), self.ids[rows, captions].long()


def load_or_build(
    path: Path, codec: Autoencoder, count: int, length: int, report: Callable[[str], None]
) -> Bank:
    """Read the bank at ``path``, or render, encode and write it.

    Args:
        path: A ``.safetensors`` file.
        codec: The trained codec.
        count: Number of clips.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
    if not path.exists():
        _build(path, codec, count, length, report)
    return load(path)


def load(path: Path) -> Bank:
    """Read the bank at ``path``."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in ("latents", "ids", "mean", "std")}
        return Bank(**tensors, subwords=Subwords(file.metadata()["subwords"]))


def words(known: Things) -> tuple[str, ...]:
    """Every word that a caption may hold."""
    texts = [*clips.spoken(), *(name for names in known.names for name in names)]
    return tuple(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def vocabulary(known: Things) -> Subwords:
    """Every word of the captions whole, and pieces for others."""
    return Subwords.train(words(known), [name for names in known.names for name in names], PIECES)


def _build(path: Path, codec: Autoencoder, count: int, length: int, report: Callable[[str], None]) -> None:
    known = things.load()
    renderer = Renderer(known)
    subwords = vocabulary(known)
    rng = random.Random(1)
    drawn = [clips.draw(known, renderer.tintable, rng) for _ in range(count)]
    texts = [
        clips.caption(clip, known, rng, loop=rng.random() < 0.5) for clip in drawn for _ in range(CAPTIONS)
    ]
    ids, _ = subwords.batch(texts, length)
    device = next(codec.parameters()).device
    encoded: Tensor | None = None
    with torch.no_grad():
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
    # The codec gives unit mean squares; the moments of a part say enough about each channel.
    some = encoded[:4000].float()
    mean, std = some.mean((0, 2, 3, 4)), some.std((0, 2, 3, 4))
    for part in encoded.split(1000):
        part.copy_((part.float() - mean[:, None, None, None]) / std[:, None, None, None])
    tensors = {
        "latents": encoded,
        "ids": ids.reshape(count, CAPTIONS, length).to(torch.int16),
        "mean": mean,
        "std": std,
    }
    with atomic_file(path, overwrite=True) as file:
        file.write(save(tensors, {"subwords": subwords.to_json()}))
