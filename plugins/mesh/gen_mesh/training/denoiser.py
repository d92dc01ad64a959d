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
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.denoiser import WordShapeTransformer
from gen_mesh.training.codec import save_sheet

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.8, std=1.2))
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


def stage(
    settings: Settings,
    batch: int,
    bank: Callable[[Autoencoder], LatentBank],
    begin: Callable[[Mapping[str, nn.Module]], tuple[Autoencoder, WordShapeTransformer]],
) -> Stage:
    """The stage that trains the denoiser on the latents of a codec.

    Args:
        settings: How it is optimised.
        batch: Shapes per step; even.
        bank: The bank of latents of a codec.
        begin: Of the modules of the stages before, the codec, and the network as it begins.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec, network = begin(modules)
        kept = bank(codec)

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            latents, ids = kept.draw(batch, generator)
            ids = drop_captions(ids, CAPTION_DROPOUT, generator)
            return latents, ids, {"known": known_boxes(latents, REGION_SHARE, generator)}

        def show(latents: Tensor, path: Path) -> None:
            save_sheet(list(codec.cpu().decode(latents)), path, columns=8)

        return text_task(network, OBJECTIVE, kept, device, draw=draw, prompts=PREVIEW, show=show)

    return Stage(name="denoiser", settings=settings, start=start)
