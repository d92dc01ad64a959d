"""How the denoiser is trained: text to latents, with captions dropped and regions given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import RectifiedFlow, Velocity
from gen.train import (
    DiffusionLoss,
    LatentBank,
    LogitNormalTimes,
    Settings,
    Stage,
    Task,
    drop_captions,
    known_boxes,
    text_task,
)
from gen.train.pictures import save_grid
from gen_image.autoencoder import Autoencoder
from gen_image.denoiser import SceneTransformer, Shape
from gen_image.training.bank import build

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.8, std=1.2))
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
        bank = LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: build(codec, counts, Shape.length, report)
        )
        network = SceneTransformer(Shape(vocabulary=len(bank.subwords)))

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
            latents, ids = bank.draw(batch, generator, SHARES)
            ids = drop_captions(ids, CAPTION_DROPOUT, generator)
            return latents, ids, known_boxes(latents, REGION_SHARE, generator)

        def show(latents: Tensor, path: Path) -> None:
            save_grid(codec.cpu().decode(latents), path, columns=6)

        return text_task(network, OBJECTIVE, bank, device, draw=draw, prompts=PREVIEW, show=show)

    return Stage(name="denoiser", settings=settings, start=start)
