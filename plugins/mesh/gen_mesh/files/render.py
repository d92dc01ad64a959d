"""Pictures of meshes and points without a display: a small z-buffer rasteriser and a turntable."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
BACKGROUND = np.array([0.93, 0.94, 0.96])
SUPERSAMPLING = 2
FILLED = 0.96
"""Share of a picture's side that a shape takes at most."""


def picture(
    vertices: Array,
    faces: NDArray[np.integer],
    colours: Array,
    normals: Array,
    side: int,
    turn: float = 30.0,
    elevation: float = 22.0,
    *,
    cull: bool = True,
) -> NDArray[np.uint8]:
    """A picture of a mesh in the unit box.

    Args:
        vertices, faces, colours, normals: (V, 3), (F, 3), (V, 3) sRGB in [0, 1], (V, 3).
        side: Width and height in pixels.
        turn: Degrees about the vertical axis, counter-clockwise seen from above.
        elevation: Degrees that the camera looks down.
        cull: Leave out faces that face away, which a closed surface hides.

    Returns:
        (side, side, 3) sRGB.
    """
    places, facing = _viewed(vertices, normals, turn, elevation)
    size = side * SUPERSAMPLING
    screen = np.stack([places[:, 0] * size + size / 2, size / 2 - places[:, 1] * size, places[:, 2]], -1)
    tints = _shaded(colours, facing)
    image = np.broadcast_to(BACKGROUND, (size, size, 3)).copy()
    depth = np.full((size, size), -np.inf)
    corners = screen[faces]
    low = np.floor(corners[..., :2].min(1) - 0.5).astype(int)
    span = (np.ceil(corners[..., :2].max(1) - 0.5).astype(int) - low).max(1) + 1
    area = _cross(corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2])
    # On the screen y grows downwards, so faces that look at the camera have negative areas.
    seen = area < -1e-12 if cull else np.abs(area) > 1e-12
    reach = np.where(span < 16, span, 2 ** np.ceil(np.log2(np.maximum(span, 1)))).astype(int)
    for width in np.unique(reach[seen]):
        group = np.flatnonzero((reach == width) & seen)
        for rows in np.array_split(group, max(1, len(group) * int(width) ** 2 // 2_000_000 + 1)):
            _fill(image, depth, corners[rows], tints[faces[rows]], low[rows], area[rows], int(width))
    small = image.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING, 3).mean((1, 3))
    return (small.clip(0, 1) * 255).round().astype(np.uint8)


def cloud_picture(
    points: Array, normals: Array, colours: Array, side: int, turn: float = 30.0, elevation: float = 22.0
) -> NDArray[np.uint8]:
    """A picture of points as small squares facing the camera; see ``picture``."""
    places, facing = _viewed(points, normals, turn, elevation)
    size = side * SUPERSAMPLING
    x, y = places[:, 0] * size + size / 2, size / 2 - places[:, 1] * size
    reach = max(1, round(0.7 * size / math.sqrt(max(len(points), 1)) / 2))
    steps = np.arange(-reach, reach + 1)
    columns = (np.floor(x)[:, None, None] + steps[None, None, :]).astype(int)
    rows = (np.floor(y)[:, None, None] + steps[None, :, None]).astype(int)
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    which = np.broadcast_to(np.arange(len(points))[:, None, None], rows.shape)[inside]
    image = np.broadcast_to(BACKGROUND, (size, size, 3)).copy()
    order = np.argsort(places[which, 2], kind="stable")
    image[rows[inside][order], columns[inside][order]] = _shaded(colours, facing)[which[order]]
    small = image.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING, 3).mean((1, 3))
    return (small.clip(0, 1) * 255).round().astype(np.uint8)


def _fill(
    image: NDArray[np.float64],
    depth: NDArray[np.float64],
    corners: NDArray[np.float64],
    tints: NDArray[np.float64],
    low: NDArray[np.int64],
    area: NDArray[np.float64],
    width: int,
) -> None:
    """Draw triangles that fit into ``width`` × ``width`` pixels."""
    if not len(corners):
        return
    steps = np.arange(width)
    columns = low[:, 0, None, None] + steps[None, None, :]
    rows = low[:, 1, None, None] + steps[None, :, None]
    x, y = columns + 0.5, rows + 0.5
    a, b, c = (corners[:, i, :, None, None] for i in range(3))
    scale = 1 / area[:, None, None]
    wa = ((b[:, 0] - x) * (c[:, 1] - y) - (c[:, 0] - x) * (b[:, 1] - y)) * scale
    wb = ((c[:, 0] - x) * (a[:, 1] - y) - (a[:, 0] - x) * (c[:, 1] - y)) * scale
    wc = 1 - wa - wb
    inside = (wa >= -1e-6) & (wb >= -1e-6) & (wc >= -1e-6)
    size = len(image)
    inside &= (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    face, i, j = np.nonzero(inside)
    weights = np.stack([wa[face, i, j], wb[face, i, j], wc[face, i, j]], -1)
    z = (weights * corners[face, :, 2]).sum(1)
    row, column = low[face, 1] + i, low[face, 0] + j
    order = np.argsort(z, kind="stable")
    row, column, z = row[order], column[order], z[order]
    nearer = z > depth[row, column]
    row, column, z, order = row[nearer], column[nearer], z[nearer], order[nearer]
    depth[row, column] = z
    image[row, column] = (weights[order][..., None] * tints[face[order]]).sum(1)


def _viewed(vertices: Array, normals: Array, turn: float, elevation: float) -> tuple[Array, Array]:
    """Vertices in the view, x to the right, y up, z towards the camera, within [-0.5, 0.5]; and normals."""
    a, b = math.radians(turn), math.radians(elevation)
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    view = (about_x @ about_y).T
    places = vertices @ view
    # A camera 3 away, so that nearer parts look a little larger.
    near = 3 / (3 - places[:, 2:])
    # The ball around all vertices looks largest along a tangent. It is the same from everywhere, so that the
    # scale is, too.
    radius = float(np.linalg.norm(vertices, axis=1).max())
    scale = min(0.86, FILLED / 2 * math.sqrt(9 - radius**2) / (3 * max(radius, 1e-9)))
    return np.concatenate([places[:, :2] * near * scale, places[:, 2:]], 1), normals @ view


def _shaded(colours: Array, facing: Array) -> NDArray[np.float64]:
    """Colours under a light from the upper left in front, one from the right, and the sky."""
    key, fill = (np.array(v) / np.linalg.norm(v) for v in ((-0.5, 0.75, 0.8), (0.9, 0.1, 0.4)))
    light = (
        0.42 + 0.16 * facing[:, 1] + 0.48 * np.maximum(facing @ key, 0) + 0.16 * np.maximum(facing @ fill, 0)
    )
    linear = np.asarray(colours[:, :3], dtype=np.float64) ** 2.2
    return (np.clip(linear * light[:, None] * 1.35, 0, 1)) ** (1 / 2.2)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
