"""How the denoiser is trained: text to latents, with captions dropped and regions given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import RectifiedFlow, Velocity
from gen.train import DiffusionLoss, LogitNormalTimes, Settings, Stage, Task
from gen_mesh import bank as banks
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.codec_training import save_sheet
from gen_mesh.denoiser import Shape, ShapeTransformer, conditions

PROCESS = RectifiedFlow()
PARAMETERIZATION = Velocity()
TIMES = LogitNormalTimes(mean=0.8, std=1.2)
CAPTION_DROPOUT = 0.1
REGION_SHARE = 0.12
PREVIEW = (
    "a tall red mug with a big handle",
    "a table with three legs",
    "a small blue car",
    "a green chair with a red seat",
    "a white sailboat with a blue sail",
    "a black cat",
    "a brown dog with long legs",
    "an orange fish with white stripes",
    "a pink house with a blue roof and a chimney",
    "a yellow duck",
    "a red rocket with four fins",
    "a purple letter G",
    "a blue star with five points",
    "a grey elephant",
    "a green cactus with two arms",
    "a white snowman with a hat",
)


def stage(settings: Settings, batch: int, count: int, folder: Path, report: Callable[[str], None]) -> Stage:
    """The stage that trains the denoiser on the latents of the codec before it.

    Args:
        settings: How it is optimised.
        batch: Shapes per step; even.
        count: Shapes in the bank.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        length = Shape(vocabulary=1).length
        bank = banks.load_or_build(folder / "bank.safetensors", codec, count, length, report)
        network = ShapeTransformer(Shape(vocabulary=len(bank.subwords)))
        objective = DiffusionLoss(PROCESS, PARAMETERIZATION, TIMES)

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            latents, ids = bank.draw(batch, generator)
            dropped = torch.rand(batch, generator=generator) < CAPTION_DROPOUT
            ids = ids.masked_fill(dropped[:, None], 0)
            known = regions(latents, generator)
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
            latents = x0 * bank.std[:, None, None, None] + bank.mean[:, None, None, None]
            with torch.no_grad():
                save_sheet(list(codec.cpu().decode(latents)), path, columns=8)

        return Task(
            module=network,
            loss=loss,
            preview=preview,
            matrix=lambda name: name.startswith("blocks.") and name.endswith("weight") and "norm" not in name,
        )

    return Stage(name="denoiser", settings=settings, start=start)


def regions(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Random boxes of latents (B, C, G, G, G), given or left open, for a share of the items; else nothing.

    Returns:
        (B, 1 + C, G, G, G): a mask, 1 where given, and the latents there.
    """
    count, size = len(latents), latents.shape[-1]
    draws = torch.rand(count, 8, generator=generator)
    inside = torch.ones(count, 1, 1, 1, dtype=torch.bool)
    index = torch.arange(size)[None] + 0.5
    for axis in range(3):
        low, high = draws[:, 2 * axis], draws[:, 2 * axis + 1]
        first, last = torch.minimum(low, high) * size, torch.maximum(low, high) * size
        span = (index > first[:, None].floor()) & (index < last[:, None].ceil())
        sides = [1, 1, 1]
        sides[axis] = size
        inside = inside & span.view(count, *sides)
    mask = torch.where((draws[:, 6] < 0.25)[:, None, None, None], inside, ~inside)
    mask = (mask & (draws[:, 7] < REGION_SHARE)[:, None, None, None])[:, None].float()
    return torch.cat([mask, mask * latents], 1)


@torch.no_grad()
def _sample(module: nn.Module, ids: Tensor, shape: torch.Size, device: torch.device) -> Tensor:
    from gen.diffusion import ClassifierFree, ModelDenoiser, NoiseSource, guided, prior, sample
    from gen.presets import grid, solver

    conditioning = conditions(ids).contrasting(conditions(torch.zeros_like(ids)))
    denoiser = guided(ModelDenoiser(module, PROCESS, PARAMETERIZATION), ClassifierFree(3.0))
    noise = NoiseSource(range(len(ids)))
    times = grid("uniform", 12, PROCESS)
    x = prior(PROCESS, times, noise, shape, device)
    solve = solver("dpmpp_2m")
    return sample(denoiser, PROCESS, times, solve, x=x, conditioning=conditioning, noise=noise).x
