"""Triangles of polygons and strips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.int64]
MOST_CORNERS = 10_000
"""Corners of a polygon that is cut where it is concave. One with more becomes a fan: the time may grow with
the square of the corners."""


@np.errstate(over="ignore", invalid="ignore")
def triangulated(
    places: NDArray[np.float64], corners: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[Faces, NDArray[np.int64]]:
    """Triangles of flat polygons: fans of convex ones, and of those that are concave at one corner alone,
    from which all others can be seen; the rest is cut by Mapbox's Earcut.

    Args:
        places: (V, 3).
        corners: (sum of sizes,), the vertices of all polygons one after the other, each among the V.
        sizes: (P,) corners of each polygon; those with fewer than three have no triangles.

    Returns:
        Faces (F, 3), and the polygon (F,) that each belongs to, rising.
    """
    starts = np.cumsum(sizes) - sizes
    faces, owners = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes[sizes >= 3]).tolist():
        rows = np.flatnonzero(sizes == size)
        loops = corners[starts[rows, None] + np.arange(size)]
        several = np.zeros(len(rows), bool)
        if size > 3:
            points = places[loops]
            areas = _areas(points)
            reflex = _reflex(points, areas)
            several = (reflex.sum(1) > 1) & (size <= MOST_CORNERS)
            for row in np.flatnonzero(several).tolist():
                cut = loops[row][_cut(points[row], areas[row])]
                faces.append(cut)
                owners.append(np.full(len(cut), rows[row]))
            once = np.where(reflex.sum(1) == 1, reflex.argmax(1), 0)
            loops = np.take_along_axis(loops, (once[:, None] + np.arange(size)) % size, 1)
        loops, rows = loops[~several], rows[~several]
        first = np.broadcast_to(loops[:, :1], (len(loops), size - 2))
        faces.append(np.stack([first, loops[:, 1:-1], loops[:, 2:]], -1).reshape(-1, 3))
        owners.append(np.repeat(rows, size - 2))
    found, owner = np.concatenate(faces), np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return found[order], owner[order]


def strip(corners: NDArray[np.int64]) -> Faces:
    """Triangles (F, 3) of a strip (N,); those without area, which join its pieces, are left out."""
    from trimesh.util import triangle_strips_to_faces

    if len(corners) < 3:
        return np.zeros((0, 3), np.int64)
    faces = triangle_strips_to_faces([corners])
    return np.asarray(faces[(faces != np.roll(faces, 1, axis=1)).all(1)])


def _areas(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the area vectors (P, 3) of loops (P, N, 3) (Newell's formula)."""
    centred = points - points[:, :1]
    return np.asarray(np.cross(centred, np.roll(centred, -1, axis=1)).sum(1))


def _reflex(points: NDArray[np.float64], areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """At which corners loops (P, N, 3) turn the other way than as a whole."""
    ahead = np.roll(points, -1, axis=1) - points
    turns = np.cross(np.roll(ahead, 1, axis=1), ahead)
    return np.asarray((turns * areas[:, None]).sum(-1) < -1e-9 * (areas**2).sum(-1, keepdims=True))


def _cut(points: NDArray[np.float64], area: NDArray[np.float64]) -> Faces:
    """Triangles (F, 3) of one loop (N, 3), turned as it is; it is seen along the axis of its largest area."""
    from mapbox_earcut import triangulate_float64

    axis = int(np.abs(area).argmax())
    flat = np.ascontiguousarray(np.delete(points, axis, axis=1))
    found = triangulate_float64(flat, np.array([len(flat)], np.uint32)).astype(np.int64).reshape(-1, 3)
    a, b, c = (flat[found[:, i]] for i in range(3))
    turns = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    wanted = (area[axis] > 0) == (axis != 1)
    return np.where(((turns > 0) == wanted)[:, None], found, found[:, ::-1])
