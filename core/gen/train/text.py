"""How a denoiser learns to make latents from text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gen.diffusion import ClassifierFree, ModelDenoiser, NoiseSource, guided, prior, sample
from gen.nn import TextTransformer, text_conditions
from gen.presets import grid, solver
from gen.train.diffusion import DiffusionLoss
from gen.train.latents import LatentBank
from gen.train.optimiser import block_matrix
from gen.train.recipe import Task


def drop_captions(ids: Tensor, share: float | Tensor, generator: torch.Generator) -> Tensor:
    """Subword ids (B, L), all 0 for a share of the items, so that guidance has something to contrast with.

    Ho and Salimans 2022, "Classifier-free diffusion guidance", algorithm 1.

    Args:
        ids: (B, L).
        share: In [0, 1]; of all, or one probability per item (B,).
        generator: Source of randomness.
    """
    dropped = torch.rand(len(ids), generator=generator) < share
    return ids.masked_fill(dropped[:, None], 0)


def known_boxes(latents: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Random boxes of latents, known or, three times as often, left open, so that parts can be filled in.

    Args:
        latents: (B, C, ...).
        share: Of the items of which something is known, in [0, 1].
        generator: Source of randomness.

    Returns:
        (B, 1 + C, ...): a mask, 1 where the latents are known, and the latents there.
    """
    count, _, *sides = latents.shape
    draws = torch.rand(count, 2 * len(sides) + 2, generator=generator)
    inside = torch.ones(count, *[1] * len(sides), dtype=torch.bool)
    for axis, size in enumerate(sides):
        low, high = (draws[:, 2 * axis : 2 * axis + 2].sort(1).values * size).split(1, 1)
        index = torch.arange(size) + 0.5
        span = (index > low.floor()) & (index < high.ceil())
        inside = inside & span.view(count, *[size if axis == other else 1 for other in range(len(sides))])
    kind, given = draws[:, -2:].reshape(count, 2, *[1] * len(sides)).unbind(1)
    mask = torch.where(kind < 0.25, inside, ~inside) & (given < share)
    known = mask[:, None].float()
    return torch.cat([known, known * latents], 1)


def text_task(
    network: TextTransformer[Any],
    objective: DiffusionLoss,
    bank: LatentBank,
    device: torch.device,
    *,
    draw: Callable[[torch.Generator], tuple[Tensor, Tensor, Mapping[str, Tensor]]],
    prompts: Sequence[str],
    show: Callable[[Tensor, Path], None],
    size: Sequence[int] | None = None,
) -> Task:
    """The task to make latents from text and from parts that are known.

    Args:
        network: Trained in place.
        objective: What it learns.
        bank: Where its latents come from.
        device: Where it is trained.
        draw: Generator to latents (B, C, ...), subword ids (B, L), and the conditions on the route "channels"
            by name: "known" is (B, 1 + C, ...), a mask and the latents under it; B is even.
        prompts: Of the preview, which is drawn with 12 steps and a guidance of 3.
        show: (latents (N, C, ...) on the codec's scale and on the CPU, path) -> None writes a PNG of them.
        size: Of one state of the preview, (C, ...); None for that of the bank.
    """

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        latents, ids, channels = draw(generator)
        lengths = (ids != 0).sum(1)
        total = torch.zeros((), device=device)
        # Two halves of like length, so that short captions are not padded to the longest.
        for rows in lengths.argsort().chunk(2):
            longest = max(1, int(lengths[rows].max()))
            parts = {name: value[rows] for name, value in channels.items()}
            conditioning = text_conditions(ids[rows, :longest], **parts).to(device)
            total = total + objective(module, latents[rows].to(device), conditioning, generator)
        return total / 2

    @torch.no_grad()
    def preview(module: nn.Module, path: Path) -> None:
        ids = bank.vocabulary.batch(prompts, network.shape.length)[0].to(device)
        process, noise = objective.process, NoiseSource(range(len(ids)))
        times = grid("uniform", 12, process)
        drawn = sample(
            guided(ModelDenoiser(module, process, objective.parameterization), ClassifierFree(3.0)),
            process,
            times,
            solver("dpmpp_2m"),
            x=prior(process, times, noise, size or bank.latents.shape[1:], device),
            conditioning=text_conditions(ids).with_uncond(text_conditions(torch.zeros_like(ids))),
            noise=noise,
        )
        show(bank.restored(drawn.x.cpu()), path)

    return Task(module=network, loss=loss, matrix=block_matrix, preview=preview)
