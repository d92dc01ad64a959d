"""Triangles of polygons, strips and fans."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.int64]
MOST_CORNERS, MOST_CUT = 1000, 200_000
"""Corners of a polygon, and of all in a file, whose ears are cut off one by one. What is more becomes fans:
the time grows with the square of the corners of a polygon."""


def triangulated(
    places: NDArray[np.float64], corners: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[Faces, NDArray[np.int64]]:
    """Triangles of flat polygons: fans of convex ones, and of those that are concave at one corner alone,
    from which all others can be seen; of the rest, ears are cut off (Meisters 1975, "Polygons have ears").

    Args:
        places: (V, 3).
        corners: (sum of sizes,), the vertices of all polygons one after the other, each among the V.
        sizes: (P,) corners of each polygon; those with fewer than three have no triangles.

    Returns:
        Faces (F, 3), and the polygon (F,) that each belongs to, rising.
    """
    starts = np.cumsum(sizes) - sizes
    faces, owners = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    left = MOST_CUT
    for size in np.unique(sizes[sizes >= 3]).tolist():
        rows = np.flatnonzero(sizes == size)
        loops = corners[starts[rows, None] + np.arange(size)]
        if size > 3:
            reflex = _reflex(places, loops)
            once = np.where(reflex.sum(1) == 1, reflex.argmax(1), 0)
            loops = np.take_along_axis(loops, (once[:, None] + np.arange(size)) % size, 1)
        fans = np.stack(
            [np.broadcast_to(loops[:, :1], (len(rows), size - 2)), loops[:, 1:-1], loops[:, 2:]], -1
        )
        if size > 4:
            several = np.flatnonzero(reflex.sum(1) > 1)[: left // size if size <= MOST_CORNERS else 0]
            left -= len(several) * size
            for row in several.tolist():
                fans[row] = loops[row][_ears(places[loops[row]])]
        faces.append(fans.reshape(-1, 3))
        owners.append(np.repeat(rows, size - 2))
    found, owner = np.concatenate(faces), np.concatenate(owners)
    if len(owners) == 2:
        return found, owner
    order = np.argsort(owner, kind="stable")
    return found[order], owner[order]


def strip(indices: NDArray[np.int64]) -> Faces:
    """Triangles (F, 3) of a strip (N,), every second one turned around; those without area are left out."""
    count = max(len(indices) - 2, 0)
    first = np.arange(count)
    odd = first % 2
    return _proper(indices[np.stack([first, first + 1 + odd, first + 2 - odd], -1)])


def fan(indices: NDArray[np.int64]) -> Faces:
    """Triangles (F, 3) of a fan (N,); those without area are left out."""
    count = max(len(indices) - 2, 0)
    first = np.arange(count)
    return _proper(indices[np.stack([np.zeros_like(first), first + 1, first + 2], -1)])


def _proper(faces: Faces) -> Faces:
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def _areas(loops: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the area vectors (P, 3) of loops (P, N, 3) (Newell's formula)."""
    centred = loops - loops[:, :1]
    return np.asarray(np.cross(centred, np.roll(centred, -1, axis=1)).sum(1))


def _reflex(places: NDArray[np.float64], loops: NDArray[np.int64]) -> NDArray[np.bool_]:
    """At which corners loops (P, N) turn the other way than as a whole."""
    points = places[loops]
    ahead = np.roll(points, -1, axis=1) - points
    turns = np.cross(np.roll(ahead, 1, axis=1), ahead)
    areas = _areas(points)
    along = (turns * areas[:, None]).sum(-1)
    return np.asarray(along < -1e-9 * (areas**2).sum(-1, keepdims=True))


def _ears(loop: NDArray[np.float64]) -> Faces:
    """Triangles (N - 2, 3) of one loop (N, 3)."""
    left = list(range(len(loop)))
    # Seen along the axis in which its area is largest.
    area = _areas(loop[None])[0]
    axis = int(np.abs(area).argmax())
    flat = np.delete(loop, axis, axis=1) * ((-1, 1) if (area[axis] > 0) == (axis == 1) else (1, 1))
    found = []
    while len(left) > 3:
        points = flat[left]
        before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
        turns = _cross(points - before, after - points)
        reflex = points[turns < 0]
        ears = (i for i in np.flatnonzero(turns > 0) if not _holds(before[i], points[i], after[i], reflex))
        ear = int(next(ears, np.int64(turns.argmax())))
        found.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*found, tuple(left)], dtype=np.int64)


def _holds(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], points: NDArray[np.float64]
) -> bool:
    """Whether one of the points (N, 2), other than a corner, lies in a triangle that turns left."""
    corner = np.any([(points == one).all(-1) for one in (a, b, c)], axis=0)
    sides = [_cross(end - start, points - start) >= 0 for start, end in ((a, b), (b, c), (c, a))]
    return bool((np.all(sides, axis=0) & ~corner).any())


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])
