"""How latent codecs are trained: whole at first, and later the decoder alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.nn import GridAutoencoder
from gen.train.recipe import Settings, Stage, Task

LATENT_NOISE = 0.1
"""Standard deviation of the noise that latents of unit mean square are given while a codec is trained."""


def codec_stages(
    build: Callable[[], nn.Module],
    task: Callable[[nn.Module, torch.device], Task],
    *,
    codec: Settings,
    decoder: Settings,
    encoder: Sequence[str] = ("encoder",),
) -> tuple[Stage, Stage]:
    """A stage that trains a codec, and one that goes on with the decoder alone.

    The second leaves latents as they were, so that it may come before the denoiser's stage or after it.

    Args:
        build: Makes the codec's network.
        task: (network, device) -> what to do with it; both stages do the same.
        codec, decoder: How the stages are optimised.
        encoder: Names of the network's parts that the second stage does not train.

    Returns:
        The stages ``codec`` and ``decoder``.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        return task(build(), device)

    def go_on(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        network = copy.deepcopy(modules["codec"]).requires_grad_(True)
        for part in encoder:
            network.get_submodule(part).requires_grad_(False)
        return task(network, device)

    return (
        Stage(name="codec", settings=codec, start=start),
        Stage(name="decoder", settings=decoder, start=go_on),
    )


def reconstruction_task(
    network: nn.Module,
    draw: Callable[[int], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    save: Callable[[Tensor, Path, int], None],
    shown: int,
) -> Task:
    """The task to make data again from their latents, to which noise is added so that they become smooth.

    Args:
        network: A ``GridAutoencoder``.
        draw: Seed to data (B, D, *spatial), on the device where the network is trained.
        distance: (what is made, data) -> scalar.
        save: (data (N, D, *spatial), path, columns) -> None writes a sheet, row by row, as a PNG.
        shown: How many are seen on a preview, above what is made of them.
    """

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(module, GridAutoencoder)
        data = draw(int(torch.randint(2**62, (), generator=generator)))
        latents = module.encode(data)
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        return distance(module.decode(latents + LATENT_NOISE * noise), data)

    def preview(module: nn.Module, path: Path) -> None:
        data = draw(0)[:shown]
        with torch.no_grad():
            save(torch.cat([data, module(data)]), path, len(data))

    return Task(
        module=network,
        loss=loss,
        preview=preview,
        matrix=lambda name: name.endswith("weight") and "norm" not in name,
    )
