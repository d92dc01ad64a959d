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

The opacity of what is seen mirrored is negative, so that a picture of it serves both ways that it looks.
"""

NUMBERS = THINGS * POSE + 2
"""Numbers of a frame: the poses of its things, then the shift and the zoom of the background."""

_REACH = 20.0
"""Pixels of the model's own frames that a shift of 1 stands for."""

_PERIOD = 32.0
"""Pixels after which a pattern comes again, and so a scroll that has gone on by them."""

_USUAL = 64.0
"""Pixels that a width of 0 stands for."""

_PER_OCTAVE = 2.5
"""How much more the width of what is twice as wide is, and so for heights and the zoom of a background.

As with the other scales, what one would notice is much more than the noise in the last steps of sampling.
"""

_SIDES = (-5 * _PER_OCTAVE, 2 * _PER_OCTAVE)
"""The smallest and the largest width: 2 and 256 pixels."""

_SEEN = 2.0
"""The opacity of what is seen whole."""

_FAINTEST = 0.02
"""Opacity up to which a thing is taken for absent."""

_APART = 0.6
"""Numbers by which the places, angles and sizes of two things differ less where they are one in two poses."""

_STRIDES = (2, 4, 8)
"""Frames of a stride: fast, at normal speed, slow."""

_TURNS = 3
"""As often two poses take turns at least; of two things at one place, the second may come and go once."""


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
        at = np.array([float(p) for p in positions])
        motion, stride = _between(self.motion, at, loop), _stride(self.motion)
        return replace(self, motion=_one_at_a_time(motion, _is_first(at, *stride)) if stride else motion)

    def frames(self, size: int = SIDE) -> Tensor:
        """(T, 3, size, size) in [0, 1]."""
        shift, zoom = self.motion[-2] * _REACH, 2 ** (self.motion[-1] / _PER_OCTAVE)
        return self._painted(_ground(self.ground, shift, zoom, size))

    def cut_out(self, size: int = SIDE) -> Tensor:
        """The things without the background, (T, 4, size, size) in [0, 1], premultiplied."""
        return self._painted(torch.zeros(self.motion.shape[1], 4, size, size))

    def _painted(self, frames: Tensor) -> Tensor:
        for number in reversed(range(THINGS)):
            numbers = self.motion[number * POSE : (number + 1) * POSE]
            _paint(frames, self.things[number], numbers, frames.shape[-1] / SIDE)
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
        wide, high: Of its picture in pixels, above 0.
        opacity: In [0, 1], or in [-1, 0] for what is mirrored.
    """
    sizes = (_PER_OCTAVE * np.log2(side / _USUAL) for side in (wide, high))
    return np.stack([x / _REACH, y / _REACH, np.cos(angle), np.sin(angle), *sizes, _SEEN * opacity])


def unposed(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """What ``pose`` made numbers (POSE, T) of: x, y, angle, wide, high, opacity, (T,) each, in its units."""
    x, y, cos, sin, wide, high, opacity = numbers
    sides = (_USUAL * 2 ** (side.clip(*_SIDES) / _PER_OCTAVE) for side in (wide, high))
    return (x * _REACH, y * _REACH, np.arctan2(sin, cos), *sides, (opacity / _SEEN).clip(-1, 1))


def resized(sides: NDArray[np.float64], at: int, pixels: float) -> NDArray[np.float64]:
    """Widths or heights (T,) of a thing, all enlarged alike so that it has so many pixels in a frame.

    Args:
        sides: As ``pose`` gives them.
        at: The frame.
        pixels: Above 0.
    """
    return (sides - sides[at] + _PER_OCTAVE * np.log2(pixels / _USUAL)).clip(*_SIDES)


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
        gone = 2 * motion[-2, -1] - motion[-2, -2] - motion[-2, 0]
        turns[-2] = np.round(gone * _REACH / _PERIOD) * _PERIOD / _REACH
        values = motion[:, index % count] + turns * (index // count)
    else:
        values = motion[:, index.clip(0, count - 1)]
    a, b, c, d = values.transpose(1, 0, 2)
    found = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    # Beyond what is seen whole there is nothing, and on the other side of nothing a mirrored thing.
    shown = [number * POSE + POSE - 1 for number in range(THINGS)]
    found[shown] = found[shown].clip(np.minimum(b, c)[shown], np.maximum(b, c)[shown])
    return found


def _stride(motion: NDArray[np.float64]) -> tuple[int, int] | None:
    """In how many frames two poses of one thing recur, and the frame of the stride that comes first.

    None where the things are two: apart, or seen in turn too seldom. Strides are even; those that the network
    draws now and then leave one out.
    """
    first, second = motion[:POSE], motion[POSE : 2 * POSE]
    if np.median(np.abs(first - second)[:-1], 1).max() >= _APART:
        return None
    more = np.abs(first[-1]) - np.abs(second[-1])
    if np.count_nonzero(np.diff(np.sign(more[np.abs(more) > _SEEN / 2]))) < _TURNS:
        return None
    at = np.arange(len(more))
    candidates = [(period, phase) for period in _STRIDES for phase in range(period)]
    return max(candidates, key=lambda stride: float(more @ np.where(_is_first(at, *stride), 1, -1)))


def _is_first(at: NDArray[np.floating | np.integer], period: int, phase: int) -> NDArray[np.bool_]:
    """Whether the first pose is seen, at places between frames."""
    return 2 * ((at + phase) % period) < period


def _one_at_a_time(motion: NDArray[np.float64], first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Two poses at the place between both, of which the first or the second is seen, and that one whole."""
    poses = motion[: THINGS * POSE].reshape(THINGS, POSE, -1)
    signs = np.where(poses[:, -1].sum(1) < 0, -1, 1)
    shown = np.stack([first, ~first]) * (signs * _SEEN)[:, None]
    places = np.broadcast_to(poses[:, :-1].mean(0), poses[:, :-1].shape)
    return np.concatenate([*np.concatenate([places, shown[:, None]], 1), motion[THINGS * POSE :]])


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


def _paint(frames: Tensor, picture: Tensor, numbers: NDArray[np.float64], scale: float) -> None:
    """Lay a thing over frames (T, 3 or 4, S, S), premultiplied, each in the square that it can reach."""
    size = frames.shape[-1]
    x, y, angle, wide, high, shown = unposed(numbers)
    opacity = np.abs(shown)
    seen = opacity > _FAINTEST
    if not seen.any():
        return
    x, y = (value * scale + size / 2 for value in (x, y))
    wide, high, cos, sin = wide * scale, high * scale, np.cos(angle), np.sin(angle)
    reach = np.hypot(wide, high)[seen].max()
    window = 2 * int(np.ceil(reach / 2 + 1))
    left, top = (np.floor(centre - window / 2).astype(int) for centre in (x, y))
    # From the coordinates of the square to those of the picture, both in [-1, 1].
    dx, dy = ((centre - corner - window / 2) * 2 / window for centre, corner in ((x, left), (y, top)))
    across, along = np.where(shown < 0, -1, 1) * window / wide, window / high
    theta = np.stack(
        [
            np.stack([cos * across, sin * across, -(cos * dx + sin * dy) * across], -1),
            np.stack([-sin * along, cos * along, (sin * dx - cos * dy) * along], -1),
        ],
        1,
    )
    levels = [picture]
    while levels[-1].shape[-1] > 8:
        levels.append(functional.avg_pool2d(levels[-1][None], 2)[0])
    for index in np.flatnonzero(seen):
        row, column = top[index], left[index]
        r0, r1 = max(row, 0), min(row + window, size)
        c0, c1 = max(column, 0), min(column + window, size)
        if r0 >= r1 or c0 >= c1:
            continue
        # Sampling skips pixels of what is much larger than it is seen.
        most = 1.5 * max(wide[index], high[index])
        level = next((one for one in levels if one.shape[-1] <= most), levels[-1])
        turn = torch.from_numpy(theta[index : index + 1]).float()
        grid = functional.affine_grid(turn, [1, 4, window, window], align_corners=False)
        grid = grid[:, r0 - row : r1 - row, c0 - column : c1 - column]
        drawn = functional.grid_sample(level[None], grid, align_corners=False)[0] * float(opacity[index])
        frames[index, :, r0:r1, c0:c1].mul_(1 - drawn[3:]).add_(drawn[: frames.shape[1]])
