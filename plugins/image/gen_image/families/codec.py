"""Pictures as the latents of a checkpoint's autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.hardware.memory import fits, held_bytes, total_memory
from gen.hardware.tiles import decode_tiled
from gen.model import Task
from gen.nn import circular
from gen.run import fitting
from gen.run.compositing import keep_pixels, seam

TILE = 512
"""Pixels of the side of a tile, where a picture is decoded in tiles for want of memory."""
WIDTH = 256
"""Channels at the size of the picture, for an autoencoder that does not say them."""
TENSORS = 4
"""How many tensors of that many channels an autoencoder holds at a time."""


@dataclass(frozen=True, eq=False)
class PictureCodec:
    """An autoencoder of diffusers, and how its latents are scaled.

    Args:
        network: The autoencoder.
        channels: Of the latents.
        side: Width and height in pixels that the model was trained on.
        step: Pixels to a cell of the latents.
        multiple: Width and height must be multiples of this many pixels.
        scale, shift: Latents are standardised as (z - shift) scale: numbers, or (C, 1, 1).
        packing: Cells of the autoencoder along each axis that are stacked to one of the latents.
        clips: Whether the autoencoder is one of clips, which gets a picture as a clip of one frame.
        fit: From width and height of a picture that is given as ``reference`` to those at which it is read,
            and at which is drawn where no size is given; None where there are no such pictures.
        tiny: A tiny autoencoder that decodes in place of ``network``, from the standardised latents; or None.
    """

    network: Any
    channels: int
    side: int
    step: int
    multiple: int
    scale: float | Tensor
    shift: float | Tensor = 0.0
    packing: int = 1
    clips: bool = False
    fit: Callable[[int, int], tuple[int, int]] | None = None
    tiny: Any = None

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, height / step, width / step).

        Raises:
            UsageError: Width or height is no multiple.
        """
        width, height = self.size(task)
        for name, value in (("width", width), ("height", height)):
            if value % self.multiple:
                near = max(1, round(value / self.multiple)) * self.multiple
                raise UsageError(f"{name} must be a multiple of {self.multiple}, not {value}", f"try {near}")
        return (self.channels, height // self.step, width // self.step)

    def size(self, task: Task) -> tuple[int, int]:
        """Width and height in pixels; where one is given, the other is the same."""
        width, height = (task.params.get(name) for name in ("width", "height"))
        given = task.params.get("reference")
        if self.fit is not None and isinstance(given, Artifact) and width is None and height is None:
            return self.fit(*size_of(given))
        return int(str(width or height or self.side)), int(str(height or width or self.side))

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Pictures of any size, cut to the proportions that are asked for and resized."""
        return self.latents(np.stack([fitted(each, *self.size(task)) for each in artifacts]))

    def latents(self, pixels: np.ndarray) -> Tensor:
        """The scaled latents of pixels (B, H, W, 3) in [0, 1]: the mean of what the autoencoder gives."""
        parameter = next(self.network.parameters())
        tensor = torch.tensor(pixels).permute(0, 3, 1, 2).to(parameter)
        return (self.code(tensor * 2 - 1).float() - self.shift) * self.scale

    def code(self, pixels: Tensor) -> Tensor:
        """What the autoencoder makes of pixels (B, 3, H, W) in [-1, 1], packed."""
        found = self.network.encode(pixels[:, :, None] if self.clips else pixels)
        z = found.latent_dist.mean if hasattr(found, "latent_dist") else found.latent
        return functional.pixel_unshuffle(z[:, :, 0] if self.clips else z, self.packing)

    def pixels(self, code: Tensor) -> Tensor:
        """What it makes of its packed code, (B, 3, H, W), in [-1, 1] or slightly beyond."""
        z = functional.pixel_shuffle(code, self.packing)
        found = self.network.decode(z[:, :, None] if self.clips else z).sample
        return cast(Tensor, found[:, :, 0] if self.clips else found)

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Pictures of latents (B, C, h, w); in tiles as the parameter ``vae_tile`` says, else where the whole
        would not fit into the machine's memory. A tiny decoder makes the whole at once, and so
        does any where edges meet.
        """
        with circular(self.network if self.tiny is None else self.tiny, task.tile):
            if self.tiny is not None:
                pixels = self.tiny.decode(state.to(next(self.tiny.parameters()))).sample
            else:
                z = (state / self.scale + self.shift).to(next(self.network.parameters()))
                given = 0 if task.tile else task.params.get("vae_tile")
                side = self._tile(z) if given is None else int(str(given))
                pixels = self.pixels(z) if side == 0 else self._tiled(z, side)
        pictures = ((pixels.float() + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
        return [Artifact("image", {"pixels": np.ascontiguousarray(picture)}) for picture in pictures]

    def _tiled(self, z: Tensor, side: int) -> Tensor:
        cells = max(4, side // self.step)
        return decode_tiled(self.pixels, z, (cells, cells), (cells // 4,) * 2, (self.step,) * 2)

    def _tile(self, z: Tensor) -> int:
        """Pixels of the side of a tile; 0 where the whole fits."""
        config = self.network.config
        blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels") or ()
        width = max((int(width) for width in blocks[:2]), default=WIDTH)
        pixels = z.shape[0] * z.shape[2] * z.shape[3] * self.step**2
        peak = TENSORS * width * pixels * z.element_size()
        return 0 if fits(peak, held_bytes(self.network), total_memory(str(z.device))) else TILE

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A picture, marked where it is drawn anew, as (1, 1, h, w): 1 where latents are kept."""
        width, height = self.size(task)
        blocks = changed(mask, width, height).reshape(
            height // self.step, self.step, width // self.step, self.step
        )
        return torch.from_numpy((~blocks.any((1, 3))).astype(np.float32))[None, None]

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The picture with the input's own pixels outside the mask, as they are when fitted to its size."""
        if task.init is None or task.mask is None:
            return made
        width, height = size_of(made)
        given, marks = fitted(task.init, width, height), changed(task.mask, width, height)
        pixels = keep_pixels(made.arrays["pixels"], given, marks, seam(min(width, height)))
        return Artifact("image", {"pixels": pixels})


def size_of(artifact: Artifact) -> tuple[int, int]:
    """Width and height of a picture."""
    rows, columns = artifact.arrays["pixels"].shape[:2]
    return columns, rows


def fitted(artifact: Artifact, width: int, height: int) -> np.ndarray:
    """The middle of a picture, resized to (height, width, 3), float32 in [0, 1], transparency on white."""
    return fitting.fitted(artifact.arrays["pixels"], width, height)


def changed(mask: Artifact, width: int, height: int) -> np.ndarray:
    """Where a mask is marked, (height, width) bool."""
    return fitting.changed(mask.arrays["pixels"], width, height)
