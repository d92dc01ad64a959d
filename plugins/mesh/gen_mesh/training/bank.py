"""Shapes as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gen.nn import Subwords
from gen.train import LatentBank
from gen.train.optimiser import fast_bfloat16
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.training.data import shapes
from gen_mesh.training.data.builder import FAMILIES, PALETTE

CAPTIONS = 5
PIECES = 200
BATCH = 32


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


def build(codec: Autoencoder, count: int, length: int, report: Callable[[str], None]) -> LatentBank:
    """Draw shapes that training may see, and encode them.

    Args:
        codec: The trained codec.
        count: Number of shapes.
        length: Longest caption in subwords.
        report: Called with lines of progress.
    """
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
            latents.append(codec.encode(shapes.stacked_grids(drawn).to(parameter)).float().cpu())
        if start % (BATCH * 100) == 0:
            report(f"bank: {start} of {count} shapes encoded")
    return LatentBank.of(torch.cat(latents), texts, subwords, length)
