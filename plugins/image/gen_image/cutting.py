"""Things cut out of pictures that a model has drawn."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from gen.model import ModelFile
from gen.nn import Matte, lifted

ARCHITECTURE = "gen-image/matte/1"
WEIGHTS = Path(__file__).parent / "weights" / "matte.safetensors"
SHA256 = "d918ceaf6df82ee86a3aad76da4ce61815f0f1a3daa1157bbd73d8a448c9704d"
WIDTHS = (16, 24, 32, 32)
"""Of the network, as of ``Matte``."""


def cut_out(pixels: np.ndarray, device: str) -> np.ndarray:
    """A picture without what is behind its things.

    Args:
        pixels: (H, W, 3) in [0, 1]; H and W multiples of 16.
        device: Where the network runs.

    Returns:
        (H, W, 4) in [0, 1], colours premultiplied by alpha, and alpha.

    Raises:
        ModelError: The network's file is missing or damaged.
    """
    picture = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].to(device) * 2 - 1
    with torch.no_grad():
        things = lifted(picture, *network(device)(picture))
    found: np.ndarray = things[0].permute(1, 2, 0).cpu().numpy()
    return found


def straight(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, 4) whose colours are premultiplied by alpha, with straight alpha."""
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    return np.concatenate([(colour / np.maximum(alpha, 1e-6)).clip(0, 1), alpha], -1)


@lru_cache(maxsize=4)
def network(device: str) -> Matte:
    """The network that ships in the package."""
    file = ModelFile(WEIGHTS)
    file.check(SHA256)
    file.require_architecture(ARCHITECTURE)
    with file.fitting():
        return file.module(lambda: Matte(WIDTHS), "matte.", device, "float32")
