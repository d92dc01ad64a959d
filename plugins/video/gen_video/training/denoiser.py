"""How the denoiser is trained: text to latents, with captions dropped and cells given at random."""

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
    text_task,
)
from gen.train.pictures import save_grid
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer
from gen_video.model import layers
from gen_video.sizes import FRAMES
from gen_video.training import known_cells
from gen_video.training.data.examples import SHARES

OBJECTIVE = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(mean=0.8, std=1.2))
CAPTION_DROPOUT = 0.1
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
    "a runner walks to the right",
)


def stage(
    settings: Settings,
    batch: int,
    bank: Callable[[Autoencoder], LatentBank],
    begin: Callable[[Mapping[str, nn.Module]], tuple[Autoencoder, ClipTransformer]],
) -> Stage:
    """The stage that trains the denoiser on latents of a codec.

    Args:
        settings: How it is optimised.
        batch: Clips per step; even.
        bank: Codec to latents and captions.
        begin: Modules of the stages before -> the codec, and the network as it begins.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec, network = begin(modules)
        kept = bank(codec)
        counts = {kind: round(share * batch) for kind, share in SHARES.items()}
        counts["told"] += batch - sum(counts.values())

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            drawn = [kept.draw(count, generator, {kind: 1.0}) for kind, count in counts.items()]
            masks = [known_cells.draw(kind, count, FRAMES, generator) for kind, count in counts.items()]
            states, ids = (torch.cat(parts) for parts in zip(*drawn, strict=True))
            known = known_cells.condition(states, torch.cat(masks))
            return states, drop_captions(ids, CAPTION_DROPOUT, generator), {"known": known}

        def show(states: Tensor, path: Path) -> None:
            network = codec.cpu()
            clips = torch.stack([layers(state, network).frames()[::2] for state in states])
            save_grid(clips.flatten(0, 1) * 2 - 1, path, columns=FRAMES // 2)

        return text_task(network, OBJECTIVE, kept, device, draw=draw, prompts=PREVIEW, show=show)

    return Stage(name="denoiser", settings=settings, start=start)
