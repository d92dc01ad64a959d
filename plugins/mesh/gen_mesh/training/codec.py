"""How the latent codec is trained: reconstruct freshly drawn shapes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gen.errors import GenError
from gen.train import Settings, Stage, Task, codec_stages, reconstruction_task
from gen_mesh import grids, surface
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.files import render
from gen_mesh.training.data import shapes


def stages(codec: Settings, decoder: Settings, batch: int) -> tuple[Stage, Stage]:
    """The stages that train the codec, and later its decoder alone.

    Args:
        codec, decoder: How they are optimised.
        batch: Shapes per step.
    """

    def task(network: nn.Module, device: torch.device) -> Task:
        def drawn(seed: int) -> Tensor:
            rng = random.Random(seed)
            return shapes.stacked_grids(shapes.draw(rng) for _ in range(batch)).to(device)

        return reconstruction_task(network, drawn, reconstruction_loss, save_sheet, shown=8)

    return codec_stages(Autoencoder, task, codec=codec, decoder=decoder)


def reconstruction_loss(grid: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of distances, their slopes, and of colours near the surface; (B, 4, S, S, S) each.

    Cells within the band count six times: the sign is all that matters beyond.
    """
    grid = grid.float()  # the trainer may compute networks in bfloat16
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


def save_sheet(stacks: Iterable[Tensor], path: Path, columns: int, side: int = 160) -> None:
    """Write pictures of grids (4, S, S, S) as one PNG, row by row."""
    pictures = []
    for stack in stacks:
        try:
            mesh = surface.extract(*grids.unstacked(stack.float().cpu().numpy()), 0.0, None)
        except GenError:
            pictures.append(np.full((side, side, 3), 255, np.uint8))
            continue
        facing = surface.normals(mesh.vertices, mesh.faces)
        pictures.append(render.picture(mesh.vertices, mesh.faces, mesh.colours, facing, side))
    rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate(rows)).save(path)
