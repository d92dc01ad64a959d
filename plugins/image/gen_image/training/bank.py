"""Scenes as latents with several captions each, for the denoiser's loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from gen.atomic import atomic_file
from gen.nn import WordRows
from gen.train import LatentBank, emoji
from gen.train.optimiser import fast_bfloat16
from gen_image.autoencoder import Autoencoder
from gen_image.training.codec import to_tensor
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer
from gen_image.training.data.scenes import Pool, Scene, Thing

PLAIN = 16
"""Every emoji alone on white comes so often, each time with other captions."""
PART = 4096
"""Scenes that are encoded between two writes."""


def build(
    codec: Autoencoder,
    counts: Mapping[str, int],
    captions: int,
    length: int,
    folder: Path,
    report: Callable[[str], None],
    scale: tuple[Tensor, Tensor] | None = None,
) -> LatentBank:
    """Compose scenes and encode them.

    Args:
        codec: The trained codec.
        counts: Kind (of ``scenes.draw``) to number of scenes; every emoji alone on white comes beside them.
        captions: Of each scene.
        length: Longest caption in words.
        folder: Keeps what is encoded already, so that a build that was stopped goes on.
        report: Called with lines of progress.
        scale: As of ``LatentBank.of``.
    """
    emoji_set = emoji.with_sequences(emoji.load())
    pool, rng = Pool(emoji_set.emoji), random.Random(1)
    untoned = [index for index, one in enumerate(emoji_set.emoji) if not one.tone]
    drawn = {"plain": [Scene("single", (Thing(index),)) for index in untoned for _ in range(PLAIN)]}
    for kind, count in counts.items():
        drawn[kind] = [scenes.draw(kind, pool, rng) for _ in range(count)]
    every = [scene for group in drawn.values() for scene in group]
    rows = {scene: row for row, scene in enumerate(dict.fromkeys(every))}
    latents = _latents(codec, Renderer(emoji_set), list(rows), folder, report)
    texts = [scenes.caption(scene, pool.emoji, rng) for scene in every for _ in range(captions)]
    report(f"bank: {len(texts)} captions")
    kinds, start = {}, 0
    for kind, group in drawn.items():
        kinds[kind] = range(start, start + len(group))
        start += len(group)
    repeated = latents[torch.tensor([rows[scene] for scene in every])]
    return LatentBank.of(repeated, texts, WordRows(), length, kinds, scale)


@torch.no_grad()
def _latents(
    codec: Autoencoder, renderer: Renderer, wanted: list[Scene], folder: Path, report: Callable[[str], None]
) -> Tensor:
    """Scenes as latents (N, C, G, G) in half precision, which takes half the memory.

    Each part is written to ``folder`` when it is ready, and read where it is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = next(codec.parameters()).device
    parts: list[Tensor] = []
    for start in range(0, len(wanted), PART):
        path = folder / f"{start:07d}.safetensors"
        if not path.exists():
            found = []
            for at in range(start, min(start + PART, len(wanted)), 64):
                pictures = to_tensor(renderer.render(wanted[at : min(at + 64, start + PART)])).to(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
                    found.append(codec.encode(pictures).cpu().half())
            with atomic_file(path, overwrite=True) as file:
                file.write(save({"latents": torch.cat(found).contiguous()}))
        parts.append(load_file(path)["latents"])
        report(f"bank: {min(start + PART, len(wanted))} of {len(wanted)} scenes encoded")
    return torch.cat(parts)
