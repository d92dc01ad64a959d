"""How the denoiser is trained: text to latents, with captions dropped and regions given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import RectifiedFlow, Velocity
from gen.train import DiffusionLoss, LogitNormalTimes, Settings, Stage, Task
from gen.train.pictures import save_grid
from gen_image import bank as banks
from gen_image.autoencoder import Autoencoder
from gen_image.denoiser import SceneTransformer, Shape, conditions

PROCESS = RectifiedFlow()
PARAMETERIZATION = Velocity()
TIMES = LogitNormalTimes(mean=0.8, std=1.2)
CAPTION_DROPOUT = 0.1
REGION_SHARE = 0.12
SHARES = {"plain": 0.3, "background": 0.2, "position": 0.13, "pair": 0.27, "several": 0.05, "changed": 0.05}
PREVIEW = (
    "a red apple",
    "a red apple on a blue background",
    "a dog",
    "a cat face left of a pizza",
    "rocket",
    "grinning face with big eyes",
    "three bananas",
    "a guitar on a yellow striped background",
    "a tree in the top left corner",
    "a fox and a rose on a pink background",
    "an octopus above a car",
    "a blue heart",
)


def stage(
    settings: Settings, batch: int, counts: Mapping[str, int], folder: Path, report: Callable[[str], None]
) -> Stage:
    """The stage that trains the denoiser on the latents of the codec before it.

    Args:
        settings: How it is optimised.
        batch: Scenes per step; even.
        counts: Scenes of each kind in the bank.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        length = Shape(vocabulary=1).length
        bank = banks.load_or_build(folder / "bank.safetensors", codec, counts, length, report)
        network = SceneTransformer(Shape(vocabulary=len(bank.subwords)))
        objective = DiffusionLoss(PROCESS, PARAMETERIZATION, TIMES)

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            latents, ids = bank.draw(batch, SHARES, generator)
            dropped = torch.rand(batch, generator=generator) < CAPTION_DROPOUT
            ids = ids.masked_fill(dropped[:, None], 0)
            known = _regions(latents, generator)
            lengths = (ids != 0).sum(1)
            total = torch.zeros((), device=device)
            # Two halves of like length, so that short captions are not padded to the longest.
            for rows in lengths.argsort().chunk(2):
                longest = max(1, int(lengths[rows].max()))
                conditioning = conditions(ids[rows, :longest], known[rows]).to(device)
                total = total + objective(module, latents[rows].to(device), conditioning, generator)
            return total / 2

        def preview(module: nn.Module, path: Path) -> None:
            ids, _ = bank.subwords.batch(PREVIEW, length)
            x0 = _sample(module, ids.to(device), bank.latents.shape[1:], device).cpu()
            latents = x0 * bank.std[:, None, None] + bank.mean[:, None, None]
            with torch.no_grad():
                save_grid(codec.cpu().decode(latents), path, columns=6)

        return Task(
            module=network,
            loss=loss,
            preview=preview,
            matrix=lambda name: name.startswith("blocks.") and name.endswith("weight") and "norm" not in name,
        )

    return Stage(name="denoiser", settings=settings, start=start)


def _regions(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Random rectangles of latents, given or left open, for a share of the items; nothing for the others."""
    count, _, height, width = latents.shape
    draws = torch.rand(count, 6, generator=generator)
    bounds = []
    for low, high, size in ((draws[:, 0], draws[:, 1], height), (draws[:, 2], draws[:, 3], width)):
        first, last = torch.minimum(low, high) * size, torch.maximum(low, high) * size
        index = torch.arange(size)[None] + 0.5
        bounds.append((index > first[:, None].floor()) & (index < last[:, None].ceil()))
    inside = bounds[0][:, :, None] & bounds[1][:, None, :]
    mask = torch.where((draws[:, 4] < 0.25)[:, None, None], inside, ~inside)
    mask = (mask & (draws[:, 5] < REGION_SHARE)[:, None, None])[:, None].float()
    return torch.cat([mask, mask * latents], 1)


@torch.no_grad()
def _sample(module: nn.Module, ids: Tensor, shape: torch.Size, device: torch.device) -> Tensor:
    from gen.diffusion import ClassifierFree, ModelDenoiser, NoiseSource, guided, prior, sample
    from gen.presets import grid, solver

    conditioning = conditions(ids).contrasting(conditions(torch.zeros_like(ids)))
    denoiser = guided(ModelDenoiser(module, PROCESS, PARAMETERIZATION), ClassifierFree(3.0))
    noise = NoiseSource(range(len(ids)))
    times = grid("uniform", 12, PROCESS)
    return sample(
        denoiser,
        PROCESS,
        times,
        solver("dpmpp_2m"),
        x=prior(PROCESS, times, noise, shape, device),
        conditioning=conditioning,
        noise=noise,
    ).x
