"""Pictures of any size, fitted to the size that a model makes."""

from __future__ import annotations

import numpy as np

from gen.run.compositing import Booleans, Floats, marked


def fitted(pixels: Floats, width: int, height: int) -> Floats:
    """The middle of pictures, cut to the proportions of the new size and resized, transparency on white.

    Args:
        pixels: (..., H, W, C) in [0, 1] with C = 1, 3 or 4.
        width, height: The new size in pixels.

    Returns:
        (..., height, width, 3) float32 in [0, 1].
    """
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    return _resized(np.broadcast_to(pixels, (*pixels.shape[:-1], 3)), width, height)


def changed(mask: Floats, width: int, height: int) -> Booleans:
    """Where masks (..., H, W, C) are marked, fitted to a size, (..., height, width)."""
    marks = _resized(marked(mask)[..., None], width, height)[..., 0]
    return np.asarray(marks >= 0.5)


def _resized(pixels: Floats, width: int, height: int) -> Floats:
    from PIL import Image

    *rest, rows, columns, channels = pixels.shape
    if (columns, rows) == (width, height):
        return np.ascontiguousarray(pixels, dtype=np.float32)
    factor = min(columns / width, rows / height)
    left, top = (columns - width * factor) / 2, (rows - height * factor) / 2
    box = (left, top, left + width * factor, top + height * factor)
    made = np.empty((*rest, height, width, channels), np.float32)
    for index in np.ndindex(*rest):
        for band in range(channels):
            plane = np.ascontiguousarray(pixels[(*index, ..., band)], dtype=np.float32)
            picture = Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS, box)
            made[(*index, ..., band)] = picture
    return made.clip(0, 1)
