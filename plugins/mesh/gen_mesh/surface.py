"""From a coloured grid of signed distances to a closed surface, and points on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from gen.errors import GenError, UsageError

Array = NDArray[np.float32]
Faces = NDArray[np.int64]
SMALLEST_PIECE = 0.004
"""Pieces with a smaller share of the largest one's volume are dropped as floaters."""
NEIGHBOURS = 16
"""Of a point, itself among them, that are kept apart from it; within the first radius there are about 8."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface in the unit box.

    Args:
        vertices: (V, 3) in [-0.5, 0.5], Y up.
        faces: (F, 3), counter-clockwise seen from outside.
        colours: (V, 3) sRGB in [0, 1].
    """

    vertices: Array
    faces: Faces
    colours: Array


def extract(distance: Array, colours: Array, smoothing: float, faces: int | None) -> Surface:
    """The coloured surface of a grid: that of ``isosurface``.

    Args:
        distance, smoothing, faces: As of ``isosurface``.
        colours: (S, S, S, 3) sRGB.

    Raises:
        GenError: As of ``isosurface``.
    """
    places, triangles = isosurface(distance, smoothing, faces)
    return Surface(places, triangles, sampled(colours, places))


def scaled(made: Surface, factor: float) -> Surface:
    """A surface with sides ``factor`` times as long, at most so long that the unit box holds it."""
    reach = float(np.abs(made.vertices).max())
    return replace(made, vertices=made.vertices * np.float32(min(factor, max(1.0, 0.5 / reach))))


def isosurface(distance: Array, smoothing: float, faces: int | None) -> tuple[Array, Faces]:
    """The surface of a grid: vertices (V, 3) in the unit box, and faces (F, 3) as those of ``Surface``.

    Lewiner et al. 2003, "Efficient implementation of marching cubes' cases with topological guarantees",
    through scikit-image: closed and manifold, as nothing of the shape touches the padding around the grid.

    Args:
        distance: (S, S, S) signed distances, negative inside, x first, over the unit box.
        smoothing: Standard deviation in cells of a blur of the distances; 0 for none.
        faces: About how many faces to keep; None keeps all.

    Raises:
        GenError: Nothing is inside, or nothing is left after smoothing.
    """
    sharp = distance
    if smoothing > 0:
        distance = ndimage.gaussian_filter(distance, smoothing, mode="nearest")
    solid = _cleaned(distance)
    if not (solid < 0).any():
        raise GenError(
            "the shape has no inside", "use less smoothing" if smoothing and (sharp < 0).any() else ""
        )
    size = len(solid)
    padded = np.pad(solid, 1, constant_values=np.float32(np.abs(solid).max()))
    vertices, triangles, _, _ = marching_cubes(padded, 0.0)  # type: ignore[no-untyped-call]
    # A left-handed order of axes comes out; swapping two corners makes the faces look outwards.
    triangles = triangles[:, [0, 2, 1]].astype(np.int64)
    places = (vertices - 0.5) / size - 0.5
    places = np.clip(places, -0.5, 0.5).astype(np.float32)
    places, triangles = _outwards(places, triangles)
    if faces is not None and faces < len(triangles):
        places, triangles = decimate(places, triangles, faces)
    return places, triangles


def sampled(grid: Array, points: Array) -> Array:
    """Values (N, C) of a grid (S, S, S, C) at points (N, 3) of the unit box, linear between the cells."""
    at = (points.T + 0.5) * len(grid) - 0.5
    values = [
        ndimage.map_coordinates(grid[..., c], at, order=1, mode="nearest") for c in range(grid.shape[-1])
    ]
    return np.stack(values, -1).astype(np.float32)


def decimate(vertices: Array, faces: Faces, count: int) -> tuple[Array, Faces]:
    """About ``count`` faces that are still closed: where too few would open the surface, more are kept.

    Garland & Heckbert 1997, "Surface simplification using quadric error metrics", through
    fast-simplification.
    """
    import fast_simplification

    target = max(count, 4)
    while target < len(faces):
        points, triangles = fast_simplification.simplify(
            vertices, faces.astype(np.int32), target_count=target
        )
        triangles = np.asarray(triangles, dtype=np.int64)
        if len(triangles) and closed(triangles):
            return np.clip(points, -0.5, 0.5).astype(np.float32), triangles
        target = int(target * 1.5) + 1
    return vertices, faces


def closed(faces: Faces) -> bool:
    """Whether every edge is shared by two faces that run along it in opposite directions."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    if (edges[:, 0] == edges[:, 1]).any():
        return False
    count = int(faces.max()) + 1
    forward, backward = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    forward.sort()
    backward.sort()
    return bool((forward[1:] != forward[:-1]).all() and np.array_equal(forward, backward))


def welded(vertices: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """The different places (W, 3) among vertices (V, 3), and which of them each vertex (V,) is at."""
    order = np.lexsort(vertices.T)
    rows = vertices[order]
    new = np.concatenate([[True], (rows[1:] != rows[:-1]).any(1)])
    index = np.empty(len(vertices), np.int64)
    index[order] = np.cumsum(new) - 1
    return rows[new], index


def normals(vertices: Array, faces: Faces) -> Array:
    """Unit normals (V, 3) of the vertices: those of the faces, weighted by area."""
    corners = vertices[faces].astype(np.float64)
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.stack(
        [np.bincount(faces.ravel(), np.repeat(weighted[:, i], 3), len(vertices)) for i in range(3)], -1
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    unit = np.where(lengths > 1e-20, sums / np.maximum(lengths, 1e-20), (0.0, 1.0, 0.0))
    return unit.astype(np.float32)


def points_on(
    vertices: Array, faces: Faces, colours: Array, count: int, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Evenly spread points with the normals of their faces and colours.

    Of four times as many points, drawn by area, those are taken that keep their distance from each other, as
    in dart throwing (Cook 1986, "Stochastic sampling in computer graphics", section 5).

    Args:
        vertices, faces, colours: (V, 3), (F, 3) and (V, 3).
        count: Number of points N.
        seed: The same seed gives the same points.

    Returns:
        Points, normals and colours, (N, 3) each.

    Raises:
        UsageError: The faces have no area.
    """
    corners = vertices[faces].astype(np.float64)
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(crossed, axis=1)
    if not doubled.sum() > 0:
        raise UsageError("its faces have no area")
    rng = np.random.default_rng(seed)
    many = 4 * count
    chosen = np.searchsorted(np.cumsum(doubled) / doubled.sum(), (np.arange(many) + rng.random(many)) / many)
    chosen = np.minimum(chosen, len(faces) - 1)
    root, share = np.sqrt(rng.random(many)), rng.random(many)
    weights = np.stack([1 - root, root * (1 - share), root * share], -1)
    points = (corners[chosen] * weights[..., None]).sum(1)
    kept = _even(points, count, rng)
    face = chosen[kept]
    unit = crossed[face] / np.maximum(doubled[face], 1e-20)[:, None]
    tints = (colours[faces[face]] * weights[kept][..., None]).sum(1)
    return points[kept].astype(np.float32), unit.astype(np.float32), np.clip(tints, 0, 1).astype(np.float32)


def _even(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of ``count`` points, far from each other.

    Points are taken in a random order, first those that have no taken one within a radius that would cover
    the surface about once, then within shorter and shorter ones until there are enough. Only the nearest
    ``NEIGHBOURS`` of a point count, so that a surface which lies upon itself many times takes no more memory.
    """
    order = rng.permutation(len(points))
    apart, near = cKDTree(points[order]).query(points[order], NEIGHBOURS)
    taken = np.zeros(len(points), dtype=bool)
    # Of points strewn at random, the nearest of half of them is nearer than sqrt(ln 2 / π / density).
    radius = 1.6 / np.sqrt(np.log(2) / np.pi) * np.median(apart[:, 1])
    while taken.sum() < count:
        reached = apart < radius
        blocked = taken.copy()
        blocked[near[taken][reached[taken]]] = True
        left = count - int(taken.sum())
        for row in np.flatnonzero(~blocked).tolist():
            if left and not blocked[row]:
                taken[row] = True
                blocked[near[row, reached[row]]] = True
                left -= 1
        radius *= 0.7
    return order[taken]


def _outwards(vertices: Array, faces: Faces) -> tuple[Array, Faces]:
    """The same surface with a positive volume."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    volume = float((a * np.cross(b, c)).sum())
    return vertices, faces if volume > 0 else faces[:, ::-1].copy()


def _cleaned(distance: Array) -> Array:
    """Without floating pieces and without closed hollows, and never exactly zero."""
    result = distance.astype(np.float32).copy()
    labels, count = ndimage.label(result < 0)
    if count > 1:
        volumes = np.bincount(labels.ravel())[1:]
        dropped = np.flatnonzero(volumes < max(4, SMALLEST_PIECE * volumes.max())) + 1
        result[np.isin(labels, dropped)] = np.abs(result).max()
    hollows, count = ndimage.label(np.pad(result, 1, constant_values=1.0) >= 0)
    if count > 1:
        outside = hollows[0, 0, 0]
        closed_in = (hollows != outside) & (hollows != 0)
        result[closed_in[1:-1, 1:-1, 1:-1]] = -np.abs(result).max()
    least = np.float32(1e-3 * np.abs(result).max())
    return np.where(np.abs(result) < least, np.copysign(least, result), result).astype(np.float32)
