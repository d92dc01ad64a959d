"""How codecs of pictures are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from gen.train.codec import reconstruction_task
from gen.train.recipe import Task


def picture_distance(pixels: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of pixels (B, 3, H, W) plus half that of their differences along both axes."""
    error = pixels - target
    return error.abs().mean() + 0.5 * (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean())


def save_grid(pixels: Tensor, path: Path, columns: int) -> None:
    """Write pictures (N, 3, H, W) in [-1, 1] as one PNG, row by row; N is a multiple of ``columns``."""
    pictures = functional.pad(pixels.float(), (1, 1, 1, 1), value=1.0)
    sheet = torch.cat([torch.cat(list(row), -1) for row in pictures.split(columns)], -2)
    scaled = ((sheet.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(scaled.permute(1, 2, 0).cpu().numpy()).save(path)


def picture_task(
    network: nn.Module, draw: Callable[[int], Tensor], save: Callable[[Tensor, Path, int], None] = save_grid
) -> Task:
    """The task to make pictures again from their latents, for ``codec_stages``.

    Args:
        network: A ``GridAutoencoder`` of pictures.
        draw: Seed to pictures (B, C, H, W) in [-1, 1], on the device where the network is trained.
        save: (pictures, path, columns) -> None writes a sheet of them, row by row, as a PNG.
    """
    last = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return reconstruction_task(last, draw, picture_distance, save, shown=12)
