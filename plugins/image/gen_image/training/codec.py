"""How the latent codec is trained: reconstruct freshly composed scenes."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn

from gen.train import Settings, Stage, Task, codec_stages, emoji
from gen.train.pictures import picture_task
from gen_image.autoencoder import Autoencoder
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer

KINDS = ("background", "background", "pair", "groups", "several", "position", "changed")


def stages(codec: Settings, decoder: Settings, batch: int) -> tuple[Stage, Stage]:
    """The stages that train the codec on scenes of every kind, and later its decoder alone.

    Args:
        codec, decoder: How they are optimised.
        batch: Pictures per step.
    """

    def task(network: nn.Module, device: torch.device) -> Task:
        emoji_set = emoji.with_sequences(emoji.load())
        renderer, pool = Renderer(emoji_set), scenes.Pool(emoji_set.emoji)

        def pictures(seed: int) -> Tensor:
            rng = random.Random(seed)
            drawn = [scenes.draw(rng.choice(KINDS), pool, rng) for _ in range(batch)]
            return to_tensor(renderer.render(drawn)).to(device)

        return picture_task(network, pictures)

    return codec_stages(Autoencoder, task, codec=codec, decoder=decoder)


def to_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 in [-1, 1], channels last in memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return (tensor.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
