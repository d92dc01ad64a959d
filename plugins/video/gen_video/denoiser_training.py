"""How the denoiser is trained: text to latents, with captions dropped and frames given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import EDMWeighting, RectifiedFlow, Sample
from gen.train import (
    DiffusionLoss,
    LatentBank,
    LogitNormalTimes,
    Settings,
    Stage,
    Task,
    drop_captions,
    text_task,
)
from gen.train.pictures import save_grid
from gen_video import known_frames
from gen_video.autoencoder import Autoencoder
from gen_video.bank import build
from gen_video.denoiser import ClipTransformer, Shape

# A token holds more numbers than the network is wide: it can say the clean ones, which depend on each
# other, but not the noise (Li & He 2025, arXiv 2511.13720). Its errors weigh as those of the velocity would,
# up to a bounded factor.
OBJECTIVE = DiffusionLoss(
    RectifiedFlow(), Sample(), LogitNormalTimes(mean=1.0, std=1.2), EDMWeighting(sigma_data=1.0)
)
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
        bank = LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: build(codec, clips, Shape.length, report)
        )
        network = ClipTransformer(Shape(vocabulary=len(bank.subwords)))

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
            latents, ids = bank.draw(batch, generator)
            mask, between = known_frames.draw(batch, latents.shape[2], generator)
            ids = drop_captions(ids, torch.where(between, BETWEEN_DROPOUT, CAPTION_DROPOUT), generator)
            return latents, ids, known_frames.condition(latents, mask)

        def show(latents: Tensor, path: Path) -> None:
            shown = latents[:, :, ::2].transpose(1, 2).flatten(0, 1)
            save_grid(codec.cpu().decode(shown), path, columns=8)

        return text_task(network, OBJECTIVE, bank, device, draw=draw, prompts=PREVIEW, show=show)

    return Stage(name="denoiser", settings=settings, start=start)
