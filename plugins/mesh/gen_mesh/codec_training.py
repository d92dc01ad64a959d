"""How the latent codec is trained: reconstruct freshly drawn shapes."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gen.train import Settings, Stage, Task
from gen_mesh import grids, render, surface
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.data import shapes

LATENT_NOISE = 0.1


def stage(settings: Settings, batch: int) -> Stage:
    """The stage that trains the codec.

    Args:
        settings: How it is optimised.
        batch: Shapes per step.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        return _task(Autoencoder(), batch, device)

    return Stage(name="codec", settings=settings, start=start)


def decoder_stage(settings: Settings, batch: int) -> Stage:
    """The stage that goes on with the decoder alone; latents stay what the denoiser was trained on.

    Args: See ``stage``.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = copy.deepcopy(modules["codec"])
        assert isinstance(codec, Autoencoder)
        codec.requires_grad_(True)
        codec.encoder.requires_grad_(False)
        return _task(codec, batch, device)

    return Stage(name="decoder", settings=settings, start=start)


def _task(codec: Autoencoder, batch: int, device: torch.device) -> Task:
    def drawn(seed: int, count: int) -> Tensor:
        rng = random.Random(seed)
        return grids.of_shapes(shapes.draw(rng) for _ in range(count)).to(device)

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(module, Autoencoder)
        target = drawn(int(torch.randint(2**62, (), generator=generator)), batch)
        latents = module.encode(target)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        return reconstruction_loss(module.decode(latents + LATENT_NOISE * noise).float(), target)

    def preview(module: nn.Module, path: Path) -> None:
        target = drawn(0, 8)
        with torch.no_grad():
            save_sheet([*target, *module(target)], path, columns=8)

    return Task(
        module=codec,
        loss=loss,
        preview=preview,
        matrix=lambda name: name.endswith("weight") and "norm" not in name,
    )


def reconstruction_loss(grid: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of distances, their slopes, and of colours near the surface; (B, 4, S, S, S) each.

    Cells within the band count six times: the sign is all that matters beyond.
    """
    near = (target[:, :1].abs() < 1).float()
    error = grid[:, :1] - target[:, :1]
    weight = 0.2 + near
    distance = (error.abs() * weight).sum() / weight.sum()
    slopes = sum(
        (error.diff(dim=axis).abs() * near.narrow(axis, 1, near.shape[axis] - 1)).sum() for axis in (2, 3, 4)
    )
    close = (target[:, :1].abs() < 0.7).float()
    tints = ((grid[:, 1:] - target[:, 1:]).abs() * close).sum() / (3 * close.sum())
    return distance + slopes / (3 * near.sum()) + 0.5 * tints


def save_sheet(stacks: Sequence[Tensor], path: Path, columns: int, side: int = 160) -> None:
    """Write pictures of grids (4, S, S, S) as one PNG, row by row."""
    pictures = []
    for stack in stacks:
        try:
            mesh = surface.extract(*grids.unstacked(stack.float().cpu().numpy()), 0.0, None)
        except ValueError:
            pictures.append(np.full((side, side, 3), 255, np.uint8))
            continue
        facing = surface.normals(mesh.vertices, mesh.faces)
        pictures.append(render.picture(mesh.vertices, mesh.faces, mesh.colours, facing, side))
    rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate(rows)).save(path)
