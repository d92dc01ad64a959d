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
from gen_image.denoiser import Shape, WordSceneTransformer
from gen_image.training.bank import build

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.8, std=1.2))
CAPTION_DROPOUT = 0.1
REGION_SHARE = 0.12
SHARES = {"plain": 0.26, "background": 0.16, "position": 0.1, "pair": 0.25, "several": 0.11, "changed": 0.12}
PREVIEW = (
    "a red apple",
    "a cup of coffee",
    "a puppy!",
    "a cat face left of a pizza",
    "a blue cat",
    "two green frogs right of a yellow bus",
    "five bananas",
    "a dinosaur on a yellow striped background",
    "a woman astronaut with dark skin",
    "a purple octopus above a red car",
    "ein grüner Hund",
    "a fast racing car",
)


def stage(
    settings: Settings,
    shape: Shape,
    batch: int,
    counts: Mapping[str, int],
    folder: Path,
    report: Callable[[str], None],
) -> Stage:
    """The stage that trains the denoiser on the latents of the codec before it.

    Args:
        settings: How it is optimised.
        shape: Sizes of the network.
        batch: Scenes per step; even.
        counts: Scenes of each kind in the bank.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        bank = LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: build(codec, counts, shape.length, report)
        )
        network = WordSceneTransformer(shape)

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
            latents, ids = bank.draw(batch, generator, SHARES)
            ids = drop_captions(ids, CAPTION_DROPOUT, generator)
            return latents, ids, known_boxes(latents, REGION_SHARE, generator)

        def show(latents: Tensor, path: Path) -> None:
            save_grid(codec.cpu().decode(latents), path, columns=6)

        return text_task(network, OBJECTIVE, bank, device, draw=draw, prompts=PREVIEW, show=show)

    return Stage(name="denoiser", settings=settings, start=start)
