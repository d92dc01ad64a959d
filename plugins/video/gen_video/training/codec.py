"""How the latent codec is trained: that of pictures goes on with things and backgrounds, and learns alpha."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.model import find_model
from gen.plugin.host import Host
from gen.train import Settings, Stage, Task, codec_stages
from gen.train.pictures import picture_task, save_grid
from gen_video.autoencoder import Autoencoder, off_white, on_white
from gen_video.sizes import FRAMES
from gen_video.training.data import clips, things
from gen_video.training.data.backgrounds import PATTERNED, PLAIN, SCENIC
from gen_video.training.data.clips import HUES, Actor
from gen_video.training.data.render import Renderer, ground

GREY = 0.6


def stages(codec: Settings, decoder: Settings, batch: int) -> tuple[Stage, Stage]:
    """The stages that train the codec, and later its decoder alone.

    Args:
        codec, decoder: How they are optimised.
        batch: Pictures per step.
    """

    def task(network: nn.Module, device: torch.device) -> Task:
        renderer = Renderer(things.load())

        def pictures(seed: int) -> Tensor:
            rng = random.Random(seed)
            drawn = torch.stack([_picture(renderer, rng) for _ in range(batch)])
            return on_white(drawn).to(device).contiguous(memory_format=torch.channels_last)

        def save(seen: Tensor, path: Path, columns: int) -> None:
            shown = off_white(seen)
            save_grid((shown[:, :3] + GREY * (1 - shown[:, 3:])) * 2 - 1, path, columns)

        return picture_task(network, pictures, save)

    return codec_stages(pretrained, task, codec=codec, decoder=decoder)


def pretrained() -> Autoencoder:
    """The codec of the model ``emoji``, with an alpha channel that it knows nothing of yet.

    Raises:
        ModelError: The model is not installed.
    """
    file = find_model("emoji", "image", Host.discover().models("image"))
    network = Autoencoder()
    tensors = file.tensors("cpu", torch.float32, "codec.")
    for name, value in network.state_dict().items():
        # The first layer takes 16 more channels, and the last one makes 16 more.
        sides = zip(reversed(value.shape), reversed(tensors[name].shape), strict=True)
        tensors[name] = functional.pad(tensors[name], [n for new, old in sides for n in (0, new - old)])
    network.load_state_dict(tensors)
    return network


def _picture(renderer: Renderer, rng: random.Random) -> Tensor:
    """(4, 128, 128) in [0, 1], premultiplied: a thing, at times turned and shrunk, or what may lie behind."""
    kind = rng.choices(("thing", "moved", "ground", "frame"), (0.5, 0.15, 0.25, 0.1))[0]
    if kind == "ground":
        return ground(rng.choice(rng.choice((PLAIN, PATTERNED, SCENIC))))
    if kind == "frame":
        clip = clips.draw(renderer.things, renderer.tintable, rng)
        frame = renderer.layers(clip).frames()[rng.randrange(FRAMES)]
        return torch.cat([frame, torch.ones(1, *frame.shape[1:])])
    thing = rng.randrange(len(renderer.things))
    hue = rng.choice(list(HUES)) if thing in renderer.tintable and rng.random() < 0.25 else ""
    picture = renderer.picture(Actor(thing, hue=hue))
    if kind == "thing":
        return picture
    turn = torch.tensor(rng.uniform(-0.6, 0.6))
    rotation = torch.stack([turn.cos(), turn.sin(), -turn.sin(), turn.cos()]).view(2, 2) * rng.uniform(1, 1.6)
    shift = torch.tensor([[rng.uniform(-0.3, 0.3)], [rng.uniform(-0.3, 0.3)]])
    theta = torch.cat([rotation, shift], 1)[None]
    grid = functional.affine_grid(theta, [1, *picture.shape], align_corners=False)
    return functional.grid_sample(picture[None], grid, align_corners=False)[0]
