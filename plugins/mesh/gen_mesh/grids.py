"""Grids as the codec sees them: a truncated distance and, near the surface, colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SIZE = 48
"""Cells per side of the grid."""
BAND = 3 / SIZE
"""Distances are right up to this one; beyond, only their sign is."""


def stacked(distance: Array, colours: Array) -> Array:
    """A grid as (4, S, S, S): distance over the band, and colours within the band, else 0; in [-1, 1]."""
    truncated = np.clip(distance / np.float32(BAND), -1, 1)
    near = (np.abs(truncated) < 1).astype(np.float32)
    tints = (2 * np.moveaxis(colours, -1, 0) - 1) * near
    return np.concatenate([truncated[None], tints]).astype(np.float32)


def unstacked(grid: Array) -> tuple[Array, Array]:
    """(4, S, S, S) back to distances (S, S, S) within the band and colours (S, S, S, 3) in [0, 1]."""
    distance = np.clip(grid[0], -1, 1) * np.float32(BAND)
    return distance, np.ascontiguousarray(np.moveaxis(np.clip((grid[1:] + 1) / 2, 0, 1), 0, -1))
