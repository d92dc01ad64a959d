"""What all formats ask of pixels: bytes, no alpha where there is no place for it, and no more than fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gen.artifact import Artifact
from gen.errors import UsageError

MAX_PIXELS = 2**27
"""Largest number of pixels, of all frames together, that is read."""


def to_bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values in [0, 1] as whole numbers from 0 to 255."""
    return np.rint(pixels * 255).astype(np.uint8)


def pictures(artifact: Artifact) -> list[Image.Image]:
    """The frames of a clip, RGB or RGBA; grey ones become RGB."""
    frames = artifact.arrays["frames"]
    if frames.shape[-1] == 1:
        frames = np.repeat(frames, 3, -1)
    return [Image.fromarray(np.ascontiguousarray(to_bytes(frame))) for frame in frames]


def opaque(frames: NDArray[np.float32], name: str, hint: str) -> NDArray[np.float32]:
    """Frames without an alpha channel.

    Args:
        frames: (..., C) with C = 1, 3 or 4.
        name: Of the format.
        hint: What to do when they are transparent.

    Raises:
        UsageError: They are transparent somewhere.
    """
    if frames.shape[-1] != 4:
        return frames
    if frames[..., 3].min() < 1:
        raise UsageError(f"{name} cannot hold a transparent clip", hint)
    return frames[..., :3]


def check_read(frames: int, width: int, height: int) -> None:
    """Refuse what would not fit into memory.

    Raises:
        UsageError: More than ``MAX_PIXELS`` in all.
    """
    if frames * width * height > MAX_PIXELS:
        raise UsageError(
            f"it has {frames} or more frames of {width} × {height} pixels; "
            f"at most {MAX_PIXELS} pixels are read"
        )
