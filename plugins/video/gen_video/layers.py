"""Clips as layers: pictures of things and of what is behind them, moved by a few numbers per frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gen_video.sizes import SIDE

THINGS = 2
"""Things that a clip can hold."""

POSE = 7
"""Numbers of a thing in a frame: x, y, cos and sin of its angle, width, height, opacity.

The width of what is seen mirrored is negative, so that a picture of it serves both ways that it looks.
"""

NUMBERS = THINGS * POSE + 2
"""Numbers of a frame: the poses of its things, then the shift and the zoom of the background."""

_REACH = 32.0
"""Pixels of the model's own frames that a shift of 1 stands for."""

_USUAL = 64.0
"""Pixels that a width of 1 stands for."""

_PER_OCTAVE = 2.0
"""What a background enlarged to twice its size has for its zoom; 0 is its own size."""


@dataclass(frozen=True, eq=False)
class Layers:
    """A clip.

    Args:
        things: (2, 4, H, W) in [0, 1], premultiplied, the first in front.
        ground: (3, H, W) in [0, 1]; its right edge meets its left one where it is shifted.
        motion: (NUMBERS, T) float64, T frames.
    """

    things: Tensor
    ground: Tensor
    motion: NDArray[np.float64]

    def at(self, positions: Sequence[Fraction], *, loop: bool) -> Layers:
        """The same at other moments.

        Args:
            positions: In frames, from 0; at most T - 1, or below T for a loop.
            loop: Whether the first frame follows on the last.
        """
        return replace(self, motion=_between(self.motion, np.array([float(p) for p in positions]), loop))

    def frames(self, size: int = SIDE) -> Tensor:
        """(T, 3, size, size) in [0, 1]."""
        shift, zoom = self.motion[-2] * _REACH, 2 ** (self.motion[-1] / _PER_OCTAVE)
        frames = _ground(self.ground, shift, zoom, size)
        for number in reversed(range(THINGS)):
            pose = self.motion[number * POSE : (number + 1) * POSE]
            _paint(frames, self.things[number], pose, size / SIDE)
        return frames


def pose(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    angle: NDArray[np.float64],
    wide: NDArray[np.float64],
    high: NDArray[np.float64],
    opacity: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The numbers (POSE, T) of a thing.

    Args:
        x, y: Its centre in pixels from that of a frame of 128 × 128; y points down.
        angle: In radians, clockwise.
        wide, high: Of its picture in pixels; wide is below 0 where it is mirrored.
        opacity: In [0, 1].
    """
    sizes = (wide / _USUAL, high / _USUAL)
    return np.stack([x / _REACH, y / _REACH, np.cos(angle), np.sin(angle), *sizes, 2 * opacity - 1])


def absent(count: int) -> NDArray[np.float64]:
    """The numbers (POSE, T) of a thing that is not there in ``count`` frames."""
    zero = np.zeros(count)
    return pose(zero, zero, zero, zero + _USUAL, zero + _USUAL, zero)


def steady(shift: NDArray[np.float64], zoom: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers (2, T) of a background: its shift in pixels to the left, and how much it is enlarged."""
    return np.stack([shift / _REACH, np.log2(zoom) * _PER_OCTAVE])


def _between(motion: NDArray[np.float64], at: NDArray[np.float64], loop: bool) -> NDArray[np.float64]:
    """Values (N, T) at places between the frames, along cubic curves (Catmull and Rom 1974)."""
    count = motion.shape[1]
    first = np.floor(at).astype(int)
    t = at - first
    index = first[None] + np.arange(-1, 3)[:, None]
    if loop:
        # A background that scrolls has gone on by whole periods of its pattern when the loop begins again.
        turns = np.zeros((len(motion), 1, 1))
        turns[-2] = np.round(2 * motion[-2, -1] - motion[-2, -2] - motion[-2, 0])
        values = motion[:, index % count] + turns * (index // count)
    else:
        values = motion[:, index.clip(0, count - 1)]
    a, b, c, d = values.transpose(1, 0, 2)
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _ground(picture: Tensor, shift: NDArray[np.float64], zoom: NDArray[np.float64], size: int) -> Tensor:
    """What is behind, (T, 3, size, size) in [0, 1], fresh in memory."""
    count = len(shift)
    if np.abs(shift).max() < 0.5 and np.abs(zoom - 1).max() < 0.01:
        if picture.shape[-1] != size:
            picture = functional.interpolate(picture[None], (size, size), mode="bicubic", antialias=True)[0]
        return picture.clamp(0, 1).expand(count, -1, -1, -1).contiguous()
    # Three periods side by side, so that every place that is looked at exists.
    wide = torch.cat([picture] * 3, -1)
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0] = 1 / (3 * zoom)
    theta[:, 0, 2] = ((shift + SIDE / 2) % SIDE - SIDE / 2) * 2 / (3 * SIDE)
    theta[:, 1, 1] = 1 / zoom
    grid = functional.affine_grid(torch.from_numpy(theta), [count, 3, size, size], align_corners=False)
    return functional.grid_sample(
        wide.expand(count, -1, -1, -1), grid, padding_mode="border", align_corners=False
    )


def _paint(frames: Tensor, picture: Tensor, pose: NDArray[np.float64], scale: float) -> None:
    """Lay a thing over the frames (T, 3, S, S), each in the square that it can reach."""
    size = frames.shape[-1]
    opacity = ((pose[6] + 1) / 2).clip(0, 1)
    seen = opacity > 1 / 255
    if not seen.any():
        return
    x, y = (value * _REACH * scale + size / 2 for value in pose[:2])
    length = np.hypot(pose[2], pose[3]).clip(1e-6)
    cos, sin = pose[2] / length, pose[3] / length
    least, most = _USUAL * scale / 32, _USUAL * scale * 4
    wide, high = (np.abs(value * _USUAL * scale).clip(least, most) for value in pose[4:6])
    reach = np.hypot(wide, high)[seen].max()
    # Sampling skips pixels of what is much larger than it is seen.
    while picture.shape[-1] > 1.5 * max(wide[seen].max(), high[seen].max()) and picture.shape[-1] > 8:
        picture = functional.avg_pool2d(picture[None], 2)[0]
    window = 2 * int(np.ceil(reach / 2 + 1))
    left, top = (np.floor(centre - window / 2).astype(int) for centre in (x, y))
    # From the coordinates of the square to those of the picture, both in [-1, 1].
    dx, dy = ((centre - corner - window / 2) * 2 / window for centre, corner in ((x, left), (y, top)))
    across, along = np.where(pose[4] < 0, -1, 1) * window / wide, window / high
    theta = np.stack(
        [
            np.stack([cos * across, sin * across, -(cos * dx + sin * dy) * across], -1),
            np.stack([-sin * along, cos * along, (sin * dx - cos * dy) * along], -1),
        ],
        1,
    )
    for index in np.flatnonzero(seen):
        row, column = top[index], left[index]
        r0, r1 = max(row, 0), min(row + window, size)
        c0, c1 = max(column, 0), min(column + window, size)
        if r0 >= r1 or c0 >= c1:
            continue
        turn = torch.from_numpy(theta[index : index + 1]).float()
        grid = functional.affine_grid(turn, [1, 4, window, window], align_corners=False)
        grid = grid[:, r0 - row : r1 - row, c0 - column : c1 - column]
        drawn = functional.grid_sample(picture[None], grid, align_corners=False)[0] * float(opacity[index])
        frames[index, :, r0:r1, c0:c1].mul_(1 - drawn[3:]).add_(drawn[:3])
