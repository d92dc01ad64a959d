"""How the latent codec is trained: the one of pictures goes on with single frames of freshly drawn clips."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn

from gen.model import find_model
from gen.plugin.host import Host
from gen.train import Settings, Stage, Task, codec_stages
from gen.train.pictures import picture_task
from gen_video.autoencoder import Autoencoder
from gen_video.data import clips, things
from gen_video.data.render import Renderer


def stages(codec: Settings, decoder: Settings, batch: int) -> tuple[Stage, Stage]:
    """The stages that train the codec, and later its decoder alone.

    Args:
        codec, decoder: How they are optimised.
        batch: Frames per step; even.
    """

    def task(network: nn.Module, device: torch.device) -> Task:
        known = things.load()
        renderer = Renderer(known)

        def frames(seed: int) -> Tensor:
            rng = random.Random(seed)
            drawn = [clips.draw(known, renderer.tintable, rng) for _ in range(batch // 2)]
            times = np.array([[rng.random(), rng.random()] for _ in drawn])
            pictures = renderer.render(drawn, times).flatten(0, 1)
            return pictures.to(device).contiguous(memory_format=torch.channels_last)

        return picture_task(network, frames)

    return codec_stages(pretrained, task, codec=codec, decoder=decoder)


def pretrained() -> Autoencoder:
    """The codec of the model ``emoji``, which knows the things, but not how they turn and move.

    Raises:
        ModelError: The model is not installed.
    """
    file = find_model("emoji", "image", Host.discover().models("image"))
    network = Autoencoder()
    network.load_state_dict(file.tensors("cpu", torch.float32, "codec."))
    return network
