"""Shapes as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from gen.nn import WordRows
from gen.train import LatentBank
from gen.train.optimiser import fast_bfloat16
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.captions import counted
from gen_mesh.training.data import shapes

CAPTIONS = 5
BATCH = 32


def build(
    codec: Autoencoder,
    count: int,
    length: int,
    report: Callable[[str], None],
    scale: tuple[Tensor, Tensor] | None = None,
) -> LatentBank:
    """Draw shapes that training may see, and encode them.

    Args:
        codec: The trained codec.
        count: Number of shapes.
        length: Longest caption in words.
        report: Called with lines of progress.
        scale: As of ``LatentBank.of``.
    """
    rng = random.Random(1)
    parameter = next(codec.parameters())
    latents: list[Tensor] = []
    texts: list[str] = []
    for start in range(0, count, BATCH):
        # Of one size: words for the size scale what is made.
        drawn = [shapes.draw(rng, {"size": ""}) for _ in range(min(BATCH, count - start))]
        texts += [counted(shapes.caption(shape, rng)) for shape in drawn for _ in range(CAPTIONS)]
        fast = fast_bfloat16(parameter.device)
        with torch.no_grad(), torch.autocast(parameter.device.type, torch.bfloat16, enabled=fast):
            latents.append(codec.encode(shapes.stacked_grids(drawn).to(parameter)).float().cpu())
        if start % (BATCH * 100) == 0:
            report(f"bank: {start} of {count} shapes encoded")
    return LatentBank.of(torch.cat(latents), texts, WordRows(), length, scale=scale)
