"""Pictures that a network sees beside what it draws: those that are to be edited."""

from __future__ import annotations

import math

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning
from gen.model import Task
from gen_image.families.cells import tokens_of
from gen_image.families.codec import PictureCodec, fitted, size_of

NAMES = ("reference", "reference_2", "reference_3")
"""Parameters with such pictures."""


def references(task: Task) -> list[Artifact]:
    """The pictures that are given."""
    found = (task.params.get(name) for name in NAMES)
    return [given for given in found if isinstance(given, Artifact)]


def conditions(codec: PictureCodec, task: Task) -> dict[str, Condition]:
    """The latents of each, at the size that its codec reads it at, by name: (B, C, h, w)."""
    assert codec.fit is not None
    made = {}
    for name, given in zip(NAMES, references(task), strict=False):
        latents = codec.latents(fitted(given, *codec.fit(*size_of(given)))[None])
        made[name] = Condition(latents.expand(len(task.prompts), -1, -1, -1), "channels")
    return made


def beside(x: Tensor, conditioning: Conditioning, packing: int = 1) -> tuple[Tensor, list[tuple[int, int]]]:
    """Tokens of what is drawn, followed by those of each picture; and rows and columns of all of them.

    Args:
        x: What is drawn, (B, C, h, w).
        conditioning: With the pictures, under their names.
        packing: Cells along each axis that make a token.
    """
    seen = [x, *(conditioning[name].value for name in NAMES if name in conditioning)]
    seen = [functional.pixel_unshuffle(one, packing) for one in seen]
    return torch.cat([tokens_of(one) for one in seen], 1), [(one.shape[2], one.shape[3]) for one in seen]


def of_area(width: int, height: int, side: int, multiple: int = 32) -> tuple[int, int]:
    """Width and height in the same proportions, of about side², each a multiple."""
    exact = side * math.sqrt(width / height)
    near = [max(1, round(one / multiple)) * multiple for one in (exact, exact * height / width)]
    return near[0], near[1]


def shown(artifact: Artifact, width: int, height: int) -> Image.Image:
    """A picture as one of PIL, at a size."""
    return Image.fromarray((fitted(artifact, width, height) * 255).round().astype("uint8"))
