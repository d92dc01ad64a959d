"""From frames to layers, with the matte's help: one thing, what is behind it, and where the thing goes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gen.nn import Matte, lifted
from gen_video.layers import THINGS, Layers, absent, pose, steady
from gen_video.sizes import SIDE

SOLID = 0.3
"""Alpha above which a pixel is one of the thing."""

LEAST = 0.004
"""Share of a frame that is a thing at least."""

MARGIN = 1.06
"""Side of a thing's picture by that of the thing."""

ALIKE = 0.9
"""Frames that show this share of the most that is seen of a thing are alike."""

ANGLES = np.deg2rad(np.arange(0, 360, 5))
"""Turns that are tried, clockwise."""

BETTER = 0.5
"""How much less a thing that has turned must differ from its picture turned than from that upright."""


def taken_apart(matte: Matte, frames: Tensor) -> Layers:
    """Take a clip apart: what stands out is one thing, which is moved, scaled and turned.

    Args:
        matte: Tells what stands out, and what is behind it.
        frames: (T, 3, 128, 128) in [-1, 1]; a fourth channel is alpha in [0, 1], over white, and says itself
            what stands out.

    Returns:
        Layers with one thing, or none where nothing stands out; its looks are those of the last of the frames
        that show most of it, where it is upright.
    """
    count = len(frames)
    with torch.no_grad():
        # One at a time: a batch may take another path through the kernels and differ in a bit.
        parts = [_parts(matte, frame[None]) for frame in frames]
    alpha, behind = (torch.cat(part) for part in zip(*parts, strict=True))
    areas = (alpha > SOLID).float().mean((1, 2, 3)).cpu().numpy()
    most = int(np.flatnonzero(areas >= ALIKE * areas.max())[-1])
    things = torch.zeros(THINGS, 4, SIDE, SIDE, device=frames.device)
    if areas[most] < LEAST:
        motion = np.concatenate([*[absent(count)] * THINGS, _still(count)])
        return Layers(things, (frames[most, :3] + 1) / 2, motion)
    boxes = np.array([_box(one[0]) for one in alpha])
    side = max(boxes[most, 2:] - boxes[most, :2])
    # What the edge cuts off is taken for as large as where most of it is seen.
    cut = np.asarray(((boxes[:, :2] <= 0) | (boxes[:, 2:] >= SIDE)).any(1))
    scales = np.where(cut, 1, np.sqrt(np.maximum(areas, LEAST) / areas[most]))
    x, y = (_centres(boxes[:, axis], boxes[:, 2 + axis], scales) for axis in (0, 1))
    looks = lifted(frames[:, :3], alpha, behind)
    things[0] = _cut(looks[most], x[most], y[most], MARGIN * side)
    seen = areas >= LEAST
    centres = np.stack([_middle(one[0]) for one in alpha])
    offset = centres[most] - (x[most], y[most])
    angle = np.zeros(count)
    for at in map(int, np.flatnonzero(seen & ~cut) if not cut[most] else ()):
        angle[at] = _turn(looks[[most, at]], centres[[most, at]], 1.5 * side * scales[[most, at]])
        if angle[at]:
            # A box turns with what is in it, about another middle.
            cos, sin = scales[at] * np.cos(angle[at]), scales[at] * np.sin(angle[at])
            x[at] = centres[at, 0] - (cos * offset[0] - sin * offset[1])
            y[at] = centres[at, 1] - (sin * offset[0] + cos * offset[1])
    # Where it cannot be seen it is where it was seen next.
    shown = np.flatnonzero(seen)
    nearest = shown[np.abs(np.arange(count)[:, None] - shown).argmin(1)]
    x, y, angle = x[nearest], y[nearest], angle[nearest]
    # By area, as a box changes with what sticks out of it.
    sizes = MARGIN * side * scales[nearest]
    motion = pose(x - SIDE / 2, y - SIDE / 2, angle, sizes, sizes, seen.astype(np.float64))
    # Each pixel as the frame shows it that covers it least.
    clearest = alpha.argmin(0, keepdim=True).expand(1, 3, -1, -1)
    ground = (behind.gather(0, clearest)[0] + 1) / 2
    return Layers(things, ground, np.concatenate([motion, *[absent(count)] * (THINGS - 1), _still(count)]))


def _parts(matte: Matte, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Alpha (1, 1, H, W) of what stands out of a frame (1, C, H, W), and what is behind it (1, 3, H, W)."""
    colours, alpha = frame[:, :3], frame[:, 3:]
    if alpha.numel() and alpha.min() < 1:
        return alpha, torch.ones_like(colours)
    return matte(colours)


def _still(count: int) -> NDArray[np.float64]:
    return steady(np.zeros(count), np.ones(count))


def _box(alpha: Tensor) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is solid in alpha (H, W), in pixels; the middle for nothing."""
    solid = alpha > SOLID
    if not solid.any():
        return SIDE / 2, SIDE / 2, SIDE / 2, SIDE / 2
    spans = [torch.nonzero(solid.any(axis)).flatten() for axis in (0, 1)]
    (left, right), (top, bottom) = ((float(span[0]), float(span[-1]) + 1) for span in spans)
    return left, top, right, bottom


def _centres(
    low: NDArray[np.float64], high: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Middles between ends (T,); where one is cut off, as far from the other as if all were seen."""
    half = scales * ((high - low) / scales).max() / 2
    beyond_low, beyond_high = low <= 0, high >= SIDE
    middle = np.where(beyond_low & ~beyond_high, high - half, (low + high) / 2)
    return np.where(beyond_high & ~beyond_low, low + half, middle)


def _middle(alpha: Tensor) -> tuple[float, float]:
    """The centroid x, y of what is solid in alpha (H, W), in pixels; the middle for nothing."""
    solid = (alpha > SOLID).float()
    total = solid.sum()
    if not total:
        return SIDE / 2, SIDE / 2
    axis = torch.arange(SIDE, device=alpha.device) + 0.5
    return float((solid.sum(0) @ axis) / total), float((solid.sum(1) @ axis) / total)


def _turn(looks: Tensor, centres: NDArray[np.float64], sides: NDArray[np.float64]) -> float:
    """By how much a thing has turned clockwise from one picture (2, 4, 128, 128) to the other, in radians.

    Args:
        looks: The thing alone, premultiplied, in both.
        centres: Its centroid in each, (2, 2) pixels.
        sides: Of the squares that are compared, in pixels.
    """
    turned = _seen_turned(looks[0], centres[0], sides[0], ANGLES)
    found = _seen_turned(looks[1], centres[1], sides[1], ANGLES[:1])
    errors = (turned - found).square().mean((1, 2, 3)).cpu().numpy()
    # What looks alike in several ways has turned by the least.
    near = ANGLES[errors <= 1.1 * errors.min()]
    least = near[np.abs(np.sin(near / 2)).argmin()]
    return float((least + np.pi) % (2 * np.pi) - np.pi) if errors.min() < BETTER * errors[0] else 0.0


def _seen_turned(
    picture: Tensor, centre: NDArray[np.float64], side: float, angles: NDArray[np.float64]
) -> Tensor:
    """The square around a point of a picture (4, 128, 128), turned clockwise: (N, 4, 32, 32)."""
    scale, cos, sin = side / SIDE, np.cos(angles), np.sin(angles)
    x, y = (2 * place / SIDE - 1 + np.zeros(len(angles)) for place in centre)
    theta = np.stack(
        [np.stack([scale * cos, scale * sin, x], -1), np.stack([-scale * sin, scale * cos, y], -1)], 1
    )
    grid = functional.affine_grid(
        torch.from_numpy(theta).to(picture), [len(angles), 4, 32, 32], align_corners=False
    )
    return functional.grid_sample(picture.expand(len(angles), -1, -1, -1), grid, align_corners=False)


def _cut(picture: Tensor, x: float, y: float, side: float) -> Tensor:
    """The square around (x, y) of a picture (4, 128, 128), enlarged or shrunk to its size."""
    scale = side / SIDE
    theta = torch.tensor([[scale, 0, 2 * x / SIDE - 1], [0, scale, 2 * y / SIDE - 1]], device=picture.device)
    grid = functional.affine_grid(theta[None].to(picture), [1, *picture.shape], align_corners=False)
    return functional.grid_sample(picture[None], grid, align_corners=False)[0]
