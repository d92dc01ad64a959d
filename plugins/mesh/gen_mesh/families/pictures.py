"""What CLIP sees of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gen.artifact import Artifact
from gen.checkpoints import Component
from gen.checkpoints.checkpoint import read_json

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pixels that CLIP was trained on (Radford et al. 2021, published code)."""


@dataclass(frozen=True)
class Pixels:
    """A square from the middle of a picture, whose pixels are standardised.

    Args:
        side: Of the square, in pixels.
        mean, std: Of the pixels that the encoder was trained on, for each colour.
    """

    side: int
    mean: Sequence[float] = MEAN
    std: Sequence[float] = STD

    @classmethod
    def of(cls, component: Component, side: int) -> Pixels:
        """What ``preprocessor_config.json`` says.

        Raises:
            ModelError: It is missing or damaged.
        """
        config = read_json(component.folder / "preprocessor_config.json")
        found = (config.get(f"image_{name}") or default for name, default in (("mean", MEAN), ("std", STD)))
        return cls(side, *(tuple(cast(Sequence[float], one)) for one in found))

    def __call__(self, picture: Artifact) -> Tensor:
        """(1, 3, side, side); transparency is white."""
        pixels = picture.arrays["pixels"]
        if pixels.shape[-1] == 4:
            pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
        whole = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        rounded = Image.fromarray(np.round(whole * 255).clip(0, 255).astype(np.uint8))
        factor = self.side / min(rounded.size)
        width, height = (max(self.side, int(length * factor)) for length in rounded.size)
        left, top = (width - self.side) // 2, (height - self.side) // 2
        square = rounded.resize((width, height), Image.Resampling.BICUBIC).crop(
            (left, top, left + self.side, top + self.side)
        )
        seen = (torch.from_numpy(np.array(square)).float() / 255 - torch.tensor(self.mean)) / torch.tensor(
            self.std
        )
        return seen.permute(2, 0, 1)[None]
