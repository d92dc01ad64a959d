"""What networks that fill a hole in a picture get as further channels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gen.diffusion import Condition
from gen.model import Task
from gen_image.families.codec import PictureCodec, changed, fitted


def around_hole(codec: PictureCodec, task: Task) -> Condition:
    """Where a picture is drawn anew, 1, and its latents with a grey hole there: (B, 1 + C, h, w)."""
    marks, latents = cut(codec, task)
    value = torch.cat([marks[:, :, :: codec.step, :: codec.step], latents], 1)
    return Condition(value.expand(len(task.prompts), -1, -1, -1), "channels")


def around_fine_hole(codec: PictureCodec, task: Task) -> Condition:
    """The latents, then the marks of all pixels of a cell: (B, C + step², h, w)."""
    marks, latents = cut(codec, task)
    value = torch.cat([latents, functional.pixel_unshuffle(marks, codec.step)], 1)
    return Condition(value.expand(len(task.prompts), -1, -1, -1), "channels")


def cut(codec: PictureCodec, task: Task) -> tuple[Tensor, Tensor]:
    """Where a picture is drawn anew, 1, (1, 1, H, W), and its latents with a grey hole there, (1, C, h, w).

    The hole is cut into the pixels, before they are encoded. Without a mask it is the whole picture.
    """
    width, height = codec.size(task)
    marks, pixels = np.ones((height, width), bool), np.zeros((height, width, 3), np.float32)
    if task.init is not None and task.mask is not None:
        marks, pixels = changed(task.mask, width, height), fitted(task.init, width, height)
    latents = codec.latents(np.where(marks[..., None], np.float32(0.5), pixels)[None])
    return torch.from_numpy(marks[None, None].astype(np.float32)).to(latents), latents
