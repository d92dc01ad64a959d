"""From frames to layers, with the matte's help: one thing, what is behind it, and where the thing goes."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

APART = 0.05
"""Share of what two parts of a thing both show by which they differ at most where they go together."""

UNEVEN = 0.1
"""Such a share that counts as much as that the whole is twice as wide as high."""

SHARED = 4
"""Pixels along which two parts show the same at least."""

BETTER = 0.5
"""How much less a thing that has turned must differ from its picture turned than from that upright."""


@dataclass(frozen=True, eq=False)
class Apart:
    """A clip that is taken apart, and what of it is certain.

    Args:
        layers: One thing, or none where nothing stands out, and what is behind it.
        poses: Frames that tell where the thing is, and how large and turned, (T,) of bool.
        looks: What is known of the thing's picture, (128, 128) of bool; the edge may cut off the rest.
    """

    layers: Layers
    poses: NDArray[np.bool_]
    looks: Tensor


def taken_apart(matte: Matte, frames: Tensor) -> Layers:
    """The layers that ``told_apart`` finds, whether they are certain or not."""
    return told_apart(matte, frames).layers


def told_apart(matte: Matte, frames: Tensor) -> Apart:
    """Take a clip apart: what stands out is one thing, which is moved, scaled and turned.

    Its looks are those of the last of the frames that show most of it, where it is upright. What an edge cuts
    off there is taken from a frame in which the opposite edge cuts off the rest. Where there is none, or the
    two do not go together, the thing is taken for as wide as high.

    Args:
        matte: Tells what stands out, and what is behind it.
        frames: (T, 3, 128, 128) in [-1, 1]; a fourth channel is alpha in [0, 1], over white, and says itself
            what stands out.
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
        layers = Layers(things, (frames[most, :3] + 1) / 2, motion)
        return Apart(layers, np.zeros(count, bool), torch.zeros(SIDE, SIDE, dtype=torch.bool))
    boxes = np.array([_box(one[0]) for one in alpha])
    edges = np.concatenate([boxes[:, :2] <= 0, boxes[:, 2:] >= SIDE], 1)
    seen, cut = areas >= LEAST, np.asarray(edges.any(1))
    looks = lifted(frames[:, :3], alpha, behind)
    view, box, joined = _joined(looks, boxes, np.where(seen, areas, 0), most)
    side = max(box[2:] - box[:2])
    # What the edge cuts off is taken for as large as where most of it is seen.
    scales = np.where(cut, 1, np.sqrt(np.maximum(areas, LEAST) / areas[most]))
    x, y = (
        _centres(boxes[:, axis], boxes[:, 2 + axis], scales, box[2 + axis] - box[axis]) for axis in (0, 1)
    )
    middle = (box[:2] + box[2:]) / 2
    things[0] = _cut(view, middle, MARGIN * side)
    known = _cut(torch.ones_like(view[:1]), middle, MARGIN * side)[0] > 0.5
    centres = np.stack([_middle(one[0]) for one in alpha])
    offset = centres[most] - (x[most], y[most])
    angle = np.zeros(count)
    almost_whole = ~cut | (areas >= ALIKE * areas[most])
    for at in map(int, np.flatnonzero(seen & almost_whole) if not joined else ()):
        angle[at] = _turn(looks[[most, at]], centres[[most, at]], 1.5 * side * scales[[most, at]])
        if angle[at]:
            # A box turns with what is in it, about another middle.
            cos, sin = scales[at] * np.cos(angle[at]), scales[at] * np.sin(angle[at])
            x[at] = centres[at, 0] - (cos * offset[0] - sin * offset[1])
            y[at] = centres[at, 1] - (sin * offset[0] + cos * offset[1])
    # Of two parts that have no edge in common and do not go together, the larger one is certain.
    parted = cut & cut[most] & ~(edges & edges[most]).any(1) & (angle == 0) & (not joined)
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
    layers = Layers(things, ground, np.concatenate([motion, *[absent(count)] * (THINGS - 1), _still(count)]))
    return Apart(layers, seen & ~parted, known)


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


def _joined(
    looks: Tensor, boxes: NDArray[np.float64], areas: NDArray[np.float64], most: int
) -> tuple[Tensor, NDArray[np.float64], bool]:
    """The frame that shows most of a thing, with what its edge cuts off and another frame shows beside it.

    Args:
        looks: The thing alone, premultiplied, (T, 4, 128, 128).
        boxes: Its boxes, (T, 4) pixels.
        areas: How much is seen of it, (T,).
        most: The frame.

    Returns:
        A picture (4, S, S), S >= 128, the box (4,) of the thing in it, and whether it joins two frames.
    """
    for axis in (0, 1):
        low, high = boxes[:, axis] <= 0, boxes[:, 2 + axis] >= SIDE
        low, high = low & ~high, high & ~low
        others = np.where(high if low[most] else low & high[most], areas, 0)
        if not others.any():
            continue
        other = int(others.argmax())
        ends, begins = (most, other) if low[most] else (other, most)
        end, begin = (looks[at] if axis == 0 else looks[at].mT for at in (ends, begins))
        end, begin = end[..., : int(boxes[ends, 2 + axis])], begin[..., int(boxes[begins, axis]) :]
        top, bottom = boxes[[ends, begins], 1 - axis].min(), boxes[[ends, begins], 3 - axis].max()
        shared = _shared(begin, end, bottom - top)
        if shared:
            size = begin.shape[-1] + end.shape[-1] - shared
            room = max(SIDE, size)
            left = (room - size) // 2
            whole = torch.cat([begin, end[..., shared:]], -1)
            whole = functional.pad(whole, (left, room - size - left, 0, room - SIDE))
            box = np.array([left, top, left + size, bottom])
            return (whole, box, True) if axis == 0 else (whole.mT, box[[1, 0, 3, 2]], True)
    return looks[most], _squared(boxes[most]), False


def _squared(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """A box (4,), as wide as high, or as high as wide, where an edge cuts off a part."""
    box = box.copy()
    for axis in (0, 1):
        low, high = box[axis] <= 0, box[2 + axis] >= SIDE
        beyond = max(0.0, box[3 - axis] - box[1 - axis] - (box[2 + axis] - box[axis]))
        if low != high:
            box[axis if low else 2 + axis] += -beyond if low else beyond
            break
    return box


def _shared(begin: Tensor, end: Tensor, height: float) -> int:
    """How many columns end one picture (4, H, A) and begin another (4, H, B) alike.

    Args:
        begin, end: Parts of one thing.
        height: Of the thing in pixels, as which it is most likely wide.

    Returns:
        0 where the pictures do not go together.
    """
    best, found = math.inf, 0
    for count in range(SHARED, min(begin.shape[-1], end.shape[-1]) + 1):
        one, other = begin[..., -count:], end[..., :count]
        error = float((one - other).square().sum() / (one.square() + other.square()).sum())
        width = begin.shape[-1] + end.shape[-1] - count
        unlikely = error + UNEVEN * abs(width / height - 1)
        if error < APART and unlikely < best:
            best, found = unlikely, count
    return found


def _centres(
    low: NDArray[np.float64], high: NDArray[np.float64], scales: NDArray[np.float64], size: float
) -> NDArray[np.float64]:
    """Middles between ends (T,); where one is cut off, as far from the other as if all of it were seen.

    Args:
        low, high: The ends in pixels.
        scales: How large it is seen, (T,).
        size: Pixels of all of it at a scale of 1, at least.
    """
    half = scales * max(size, ((high - low) / scales).max()) / 2
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


def _cut(picture: Tensor, centre: NDArray[np.float64], side: float) -> Tensor:
    """The square around a point (x, y) of a picture (C, S, S), enlarged or shrunk to (C, 128, 128)."""
    scale, (x, y) = side / picture.shape[-1], 2 * centre / picture.shape[-1] - 1
    theta = torch.tensor([[scale, 0, x], [0, scale, y]], device=picture.device)
    grid = functional.affine_grid(theta[None].to(picture), [1, len(picture), SIDE, SIDE], align_corners=False)
    return functional.grid_sample(picture[None], grid, align_corners=False)[0]
