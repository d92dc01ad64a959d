"""Things cut out of pictures, by the network that takes clips apart."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import gen
from gen.artifact import Artifact
from gen.nn import Matte, lifted
from gen_video.sizes import SIDE

SMOOTHNESS = 1e-3
"""Variance of a picture below which the alpha of a larger one does not follow it."""


def cut_out(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:  # noqa: ARG001
    """A picture of any size without its background, with alpha.

    The network sees it at its own size; the alpha of a larger picture then follows its edges.
    """
    pixels = torch.from_numpy(artifact.arrays["pixels"]).movedim(-1, 0)[None]
    covered = pixels[:, 3:] if pixels.shape[1] == 4 else torch.ones_like(pixels[:, :1])
    colours = (pixels[:, :3] * covered + (1 - covered)).expand(-1, 3, -1, -1)
    height, width = colours.shape[-2:]
    side = max(height, width, SIDE)
    square = functional.pad(colours, (0, side - width, 0, side - height), mode="replicate")
    with torch.inference_mode():
        small = _resized(square, SIDE).clamp(0, 1)
        alpha, background = _matte()(small * 2 - 1)
        if side > SIDE:
            alpha = _following(_resized(alpha, side), square.mean(1, keepdim=True), 2 * side // SIDE)
        things = lifted(square * 2 - 1, alpha.clamp(0, 1), _resized(background, side).clamp(-1, 1))
    colour, alpha = things[..., :height, :width].split((3, 1), 1)
    straight = torch.cat([(colour / alpha.clamp(min=1e-6)).clamp(0, 1), alpha * covered], 1)
    array = np.ascontiguousarray(straight[0].movedim(0, -1).numpy(), dtype=np.float32)
    return Artifact("image", {"pixels": array})


@lru_cache(maxsize=1)
def _matte() -> Matte:
    """That of the shipped model, on the CPU."""
    model = gen.load("motion", modality="video", device="cpu").model
    return cast("Matte", cast(Any, model.codec).matte)


def _resized(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-1] == side:
        return pictures
    smaller = side < pictures.shape[-1]
    return functional.interpolate(
        pictures, (side, side), mode="bicubic", antialias=smaller, align_corners=False
    )


def _following(alpha: Tensor, guide: Tensor, reach: int) -> Tensor:
    """Alpha that is, near every pixel, a linear function of a picture.

    The guided filter (He et al. 2013, "Guided Image Filtering", eq. 5, 6 and 8).

    Args:
        alpha, guide: (1, 1, H, W).
        reach: Half the side of the squares.
    """

    def mean(values: Tensor) -> Tensor:
        wide = functional.pad(values, (reach,) * 4, mode="replicate")
        return functional.avg_pool2d(wide, 2 * reach + 1, 1)

    centre, level = mean(guide), mean(alpha)
    slope = (mean(guide * alpha) - centre * level) / (mean(guide * guide) - centre**2 + SMOOTHNESS)
    return mean(slope) * guide + mean(level - slope * centre)
