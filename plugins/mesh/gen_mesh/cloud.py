"""From a surface or oriented points to a coloured grid of signed distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_mesh import surface
from gen_mesh.grids import Array
from gen_mesh.orientation import outwards

POINTS = 20_000
"""Points that a surface is read at."""
GREY = 0.6
LONGEST = 0.96
NEIGHBOURS = 6


def oriented(artifact: Artifact) -> tuple[Array, Array, Array]:
    """Points (N, 3) in the unit box, unit normals and sRGB colours of a mesh or of points.

    What reaches out of the unit box is moved to its middle and shrunk to fit. Closed pieces of a mesh count
    as looking outwards, whichever way their faces turn.

    Raises:
        UsageError: The faces have no area, the points have no normals, or they are too few or flat.
    """
    arrays = artifact.arrays
    if artifact.kind == "points":
        points = arrays["points"].astype(np.float32)
        if "normals" not in arrays:
            raise UsageError("the points have no normals, which say where the inside is")
        if len(points) < 100:
            raise UsageError(f"{len(points)} points are too few for a surface: at least 100 are needed")
        lengths = np.linalg.norm(arrays["normals"], axis=1, keepdims=True)
        normals = (arrays["normals"] / np.maximum(lengths, 1e-9)).astype(np.float32)
        colours = arrays["colours"][:, :3] if "colours" in arrays else np.full_like(points, GREY)
        return fitted(points), normals, colours
    vertices = fitted(arrays["vertices"])
    faces = outwards(vertices, arrays["faces"].astype(np.int64))
    colours = arrays["colours"][:, :3] if "colours" in arrays else np.full_like(vertices, GREY)
    return surface.points_on(vertices, faces, colours, POINTS)


def fitted(points: Array | NDArray[np.float64]) -> Array:
    """Points within the unit box: unchanged where they are, else moved and scaled as a whole.

    Raises:
        UsageError: They are all in one place.
    """
    if np.abs(points).max() <= 0.5:
        return points.astype(np.float32, copy=False)
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    with np.errstate(over="ignore"):
        longest = float((high - low).max())
    if not 0 < longest < np.inf:
        raise UsageError("the shape has no size")
    return ((points - (low / 2 + high / 2)) * (LONGEST / longest)).astype(np.float32)


def grid(points: Array, normals: Array, colours: Array, size: int, band: float) -> tuple[Array, Array]:
    """Signed distances (S, S, S), right within ``band``, and colours (S, S, S, 3) of oriented points.

    Near the surface a cell is inside where the nearest points face away from it (Hoppe et al. 1992, "Surface
    reconstruction from unorganized points", section 3, averaged over some neighbours); the cells further off
    are outside where they are joined to the edge of the box.
    """
    middles = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    cells = np.stack(np.meshgrid(middles, middles, middles, indexing="ij"), -1).reshape(-1, 3)
    count = min(NEIGHBOURS, len(points))
    reach, nearest = cKDTree(points).query(cells, k=count, distance_upper_bound=2 * band)
    reach, nearest = reach.reshape(len(cells), count), nearest.reshape(len(cells), count)
    far = ~np.isfinite(reach)
    nearest = np.where(far, 0, nearest)
    offsets = ((cells[:, None] - points[nearest]) * normals[nearest]).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(far, 0, 1 / np.maximum(reach, 1e-6) ** 2)
    side = (offsets * weights).sum(1) / np.maximum(weights.sum(1), 1e-20)
    near = reach[:, 0] < band
    # The height over the tangent planes is smoother than the distance to single points.
    height = np.where(np.abs(side) < reach[:, 0], np.abs(side), reach[:, 0])
    distance = np.where(near, np.copysign(height, side), band).reshape(size, size, size).astype(np.float32)
    distance = _filled(distance, near.reshape(size, size, size), band)
    return distance, colours[nearest[:, 0]].reshape(size, size, size, 3).astype(np.float32)


def _filled(distance: Array, near: NDArray[np.bool_], band: float) -> Array:
    """Signs for the cells that are far from the surface: inside unless a way leads to the edge of the box."""
    free = np.pad(~near | (distance > 0), 1, constant_values=True)
    labels, _ = ndimage.label(free)
    outside = (labels == labels[0, 0, 0])[1:-1, 1:-1, 1:-1]
    result = distance.copy()
    result[~near & ~outside] = -band
    return result
