"""How the denoiser is trained: text to latents, with captions dropped and frames given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import EDMWeighting, RectifiedFlow, Sample
from gen.train import DiffusionLoss, LogitNormalTimes, Settings, Stage, Task
from gen.train.pictures import save_grid
from gen_video import bank as banks
from gen_video import known_frames
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer, Shape, conditions

PROCESS = RectifiedFlow()
# A token holds more numbers than the network is wide: it can say the clean ones, which depend on each
# other, but not the noise (Li & He 2025, arXiv 2511.13720).
PARAMETERIZATION = Sample()
# That of the velocity's errors, up to a bounded factor.
WEIGHTING = EDMWeighting(sigma_data=1.0)
TIMES = LogitNormalTimes(mean=1.0, std=1.2)
CAPTION_DROPOUT = 0.1
BETWEEN_DROPOUT = 0.7
"""Of the captions of clips that lack every second frame: the frames between others are drawn without one."""
PREVIEW = (
    "a rocket flies up",
    "a red car drives left past a tree",
    "a ball bounces",
    "a heart beats slowly",
    "a wheel spins, loop",
    "a dog runs to the right on the grass",
    "a cat grows and a cake shrinks",
    "an airplane flies left in the sky, the camera zooms in",
    "a moon orbits a globe in space",
    "a blue bird moves up on a yellow background",
)


def stage(settings: Settings, batch: int, clips: int, folder: Path, report: Callable[[str], None]) -> Stage:
    """The stage that trains the denoiser on the latents of the codec before it.

    Args:
        settings: How it is optimised.
        batch: Clips per step; even.
        clips: Clips in the bank.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        length = Shape(vocabulary=1).length
        bank = banks.load_or_build(folder / "bank.safetensors", codec, clips, length, report)
        network = ClipTransformer(Shape(vocabulary=len(bank.subwords)))
        objective = DiffusionLoss(PROCESS, PARAMETERIZATION, TIMES, WEIGHTING)

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            latents, ids = bank.draw(batch, generator)
            mask, between = known_frames.draw(batch, latents.shape[2], generator)
            dropout = torch.where(between, BETWEEN_DROPOUT, CAPTION_DROPOUT)
            dropped = torch.rand(batch, generator=generator) < dropout
            ids = ids.masked_fill(dropped[:, None], 0)
            lengths = (ids != 0).sum(1)
            total = torch.zeros((), device=device)
            # Two halves of like length, so that short captions are not padded to the longest.
            for rows in lengths.argsort().chunk(2):
                longest = max(1, int(lengths[rows].max()))
                known = known_frames.condition(latents[rows], mask[rows])
                conditioning = conditions(ids[rows, :longest], known).to(device)
                total = total + objective(module, latents[rows].to(device), conditioning, generator)
            return total / 2

        def preview(module: nn.Module, path: Path) -> None:
            ids, _ = bank.subwords.batch(PREVIEW, length)
            x0 = _sample(module, ids.to(device), bank.latents.shape[1:], device).cpu()
            latents = x0 * bank.std[:, None, None, None] + bank.mean[:, None, None, None]
            shown = latents[:, :, ::2].transpose(1, 2).flatten(0, 1)
            with torch.no_grad():
                save_grid(codec.cpu().decode(shown), path, columns=8)

        return Task(
            module=network,
            loss=loss,
            preview=preview,
            matrix=lambda name: name.startswith("blocks.") and name.endswith("weight") and "norm" not in name,
        )

    return Stage(name="denoiser", settings=settings, start=start)


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
