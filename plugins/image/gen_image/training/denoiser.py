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
from gen_image.denoiser import WordSceneTransformer

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.8, std=1.2))
CAPTION_DROPOUT = 0.1
REGION_SHARE = 0.12
SHARES = {
    "plain": 0.22,
    "background": 0.12,
    "position": 0.06,
    "pair": 0.2,
    "groups": 0.22,
    "several": 0.09,
    "changed": 0.09,
}
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
    batch: int,
    bank: Callable[[Autoencoder], LatentBank],
    begin: Callable[[Mapping[str, nn.Module]], tuple[Autoencoder, WordSceneTransformer]],
) -> Stage:
    """The stage that trains the denoiser on latents of a codec.

    Args:
        settings: How it is optimised.
        batch: Scenes per step; even.
        bank: Codec to latents and captions.
        begin: Modules of the stages before -> the codec, and the network as it begins.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec, network = begin(modules)
        kept = bank(codec)

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            latents, ids = kept.draw(batch, generator, SHARES)
            ids = drop_captions(ids, CAPTION_DROPOUT, generator)
            return latents, ids, {"known": known_boxes(latents, REGION_SHARE, generator)}

        def show(latents: Tensor, path: Path) -> None:
            save_grid(codec.cpu().decode(latents), path, columns=6)

        return text_task(network, OBJECTIVE, kept, device, draw=draw, prompts=PREVIEW, show=show)

    return Stage(name="denoiser", settings=settings, start=start)
