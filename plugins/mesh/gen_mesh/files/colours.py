"""Colours in files: sRGB and linear light, fractions and whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def linear(colours: Array) -> Array:
    """sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def encoded(light: NDArray[Any]) -> Array:
    """Linear light in [0, 1] to sRGB, the inverse of ``linear``."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def to_bytes(colours: Array) -> NDArray[np.uint8]:
    """Colours in [0, 1] as whole numbers from 0 to 255."""
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)


def fractions(colours: NDArray[Any]) -> Array:
    """Colours in [0, 1] of whole numbers or fractions.

    Integers of 8 or 16 bits are full at the largest that their type holds. Wider ones, and floats above 1,
    come from writers that count in bytes or 16-bit words: they are full at 255, or at 65,535 where a value
    exceeds 255.
    """
    if colours.dtype == np.int8:
        colours = colours.view(np.uint8)
    top = float(np.max(colours, initial=0))
    if colours.dtype.kind in "iu" and colours.dtype.itemsize <= 2:
        full = float(np.iinfo(colours.dtype).max)
    elif colours.dtype.kind == "f" and top <= 1:
        full = 1.0
    else:
        full = 255.0 if top <= 255 else 65535.0
    return np.clip(colours.astype(np.float64) / full, 0, 1).astype(np.float32)
