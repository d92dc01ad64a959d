"""How alike shapes and sets of shapes are, and whether a surface is whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from gen.artifact import Artifact
from gen_mesh import surface
from gen_mesh.grids import Array

Distances = NDArray[np.float64]


def chamfer(a: Array, b: Array) -> float:
    """Mean squared distance to the nearest point of the other cloud, there and back: (N, 3) and (M, 3)."""
    there, back = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]
    return float((there**2).mean() + (back**2).mean())


def earth_movers(a: Array, b: Array) -> float:
    """Mean distance under the best pairing of two clouds (N, 3), exactly (the Hungarian method)."""
    costs = cdist(a, b)
    return float(costs[linear_sum_assignment(costs)].mean())


def set_measures(made: Distances, between: Distances, real: Distances) -> dict[str, float]:
    """Coverage, MMD and 1-NNA of made shapes against real ones.

    Yang et al. 2019, "PointFlow" (arXiv 1906.12320), section 5.1 and eq. 12 and 13; Lopez-Paz & Oquab 2017
    for the two-sample test.

    Args:
        made: (N, N) distances among the made ones.
        between: (N, M), made to real.
        real: (M, M) among the real ones.

    Returns:
        ``coverage``: share of real shapes that are nearest to a made one (1 is best). ``mmd``: mean distance
        from a real shape to the nearest made one. ``1-nna``: how often the nearest neighbour of a shape is
        of its own set (0.5 is best).
    """
    count = len(made)
    every = np.block([[made, between], [between.T, real]]).astype(np.float64)
    np.fill_diagonal(every, np.inf)
    nearest_is_made = every.argmin(1) < count
    is_made = np.arange(len(every)) < count
    return {
        "coverage": len(np.unique(between.argmin(1))) / between.shape[1],
        "mmd": float(between.min(0).mean()),
        "1-nna": float((nearest_is_made == is_made).mean()),
    }


def matrix(rows: Sequence[Array], columns: Sequence[Array]) -> Distances:
    """Chamfer distances (N, M) of every cloud to every other."""
    return np.array([[chamfer(a, b) for b in columns] for a in rows])


def normal_consistency(artifact: Artifact, points: Array, normals: Array) -> float:
    """Mean cosine between normals of points on a surface and those of the nearest points of an artifact's."""
    mine, facing, _ = surface.points_on(
        artifact.arrays["vertices"],
        artifact.arrays["faces"].astype(np.int64),
        artifact.arrays["colours"],
        len(points),
    )
    nearest = cKDTree(mine).query(points)[1]
    return float((facing[nearest] * normals).sum(1).mean())


def legs(inside: NDArray[np.bool_]) -> int:
    """Pieces that a horizontal cut through the lower part of a shape (S, S, S) meets."""
    rows = np.flatnonzero(inside.any((0, 2)))
    counts = [
        ndimage.label(inside[:, rows[0] + round(share * (rows[-1] - rows[0]))])[1]
        for share in (0.1, 0.17, 0.24)
    ]
    return int(np.median(counts))


def handles(faces: NDArray[np.int64]) -> int:
    """Handles of a closed surface: the genera of its pieces, from Euler's V - E + F = 2 - 2g of each."""
    used, corners = np.unique(faces, return_inverse=True)
    corners = corners.reshape(-1, 3)
    edges = coo_array((np.ones(corners.size), (corners.ravel(), corners[:, [1, 2, 0]].ravel())))
    pieces = connected_components(edges, directed=False)[0]
    return round(pieces - (len(used) - len(faces) * 3 / 2 + len(faces)) / 2)


def aspect(vertices: Array) -> float:
    """Height over width of the bounding box."""
    extent = np.ptp(vertices, axis=0)
    return float(extent[1] / max(extent[0], extent[2]))
