"""A bank of shapes as latents with several captions each, so that the denoiser's loop trains nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gen.atomic import atomic_file
from gen.nn import Subwords
from gen.train.optimiser import fast_bfloat16
from gen_mesh import grids
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.data import shapes
from gen_mesh.data.builder import FAMILIES, PALETTE

CAPTIONS = 5
PIECES = 200
BATCH = 32


@dataclass(frozen=True, eq=False)
class Bank:
    """Shapes that training may see.

    Args:
        latents: (N, C, 6, 6, 6) float16, standardised per channel.
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
        """Latents (B, C, 6, 6, 6) float32 and subword ids (B, L) int64 of ``count`` shapes."""
        rows = torch.randint(len(self.latents), (count,), generator=generator)
        captions = torch.randint(self.ids.shape[1], (count,), generator=generator)
        return self.latents[rows].float(), self.ids[rows, captions].long()


def load_or_build(
    path: Path, codec: Autoencoder, count: int, length: int, report: Callable[[str], None]
) -> Bank:
    """Read the bank at ``path``, or draw, encode and write it.

    Args:
        path: A ``.safetensors`` file.
        codec: The trained codec.
        count: Number of shapes.
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


def spoken() -> list[str]:
    """Every word that a caption may hold, in order of appearance."""
    rng = random.Random(0)
    texts = ["a an with and no", *PALETTE]
    for name, family in FAMILIES.items():
        texts += family.names
        for _ in range(60):
            texts.append(shapes.canonical(shapes.make(name, rng.choice(sorted(PALETTE)), rng)))
    return list(dict.fromkeys(word for text in texts for word in Subwords.words(text)))


def vocabulary(words: Sequence[str]) -> Subwords:
    """Every word whole, and pieces for the rest."""
    return Subwords.train(list(words), words, PIECES)


def _build(path: Path, codec: Autoencoder, count: int, length: int, report: Callable[[str], None]) -> None:
    subwords = vocabulary(spoken())
    rng = random.Random(1)
    parameter = next(codec.parameters())
    latents: list[Tensor] = []
    texts: list[str] = []
    for start in range(0, count, BATCH):
        drawn = [shapes.draw(rng) for _ in range(min(BATCH, count - start))]
        texts += [shapes.caption(shape, rng) for shape in drawn for _ in range(CAPTIONS)]
        fast = fast_bfloat16(parameter.device)
        with torch.no_grad(), torch.autocast(parameter.device.type, torch.bfloat16, enabled=fast):
            latents.append(codec.encode(grids.of_shapes(drawn).to(parameter)).float().cpu())
        if start % (BATCH * 100) == 0:
            report(f"bank: {start} of {count} shapes encoded")
    encoded = torch.cat(latents)
    mean, std = encoded.mean((0, 2, 3, 4)), encoded.std((0, 2, 3, 4))
    standard = (encoded - mean[:, None, None, None]) / std[:, None, None, None]
    ids, _ = subwords.batch(texts, length)
    tensors = {
        "latents": standard.half().contiguous(),
        "ids": ids.reshape(count, CAPTIONS, length).to(torch.int16),
        "mean": mean,
        "std": std,
    }
    with atomic_file(path, overwrite=True) as file:
        file.write(save(tensors, {"subwords": subwords.to_json()}))
