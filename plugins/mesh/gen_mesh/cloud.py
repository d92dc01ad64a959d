"""From a surface or oriented points to a coloured grid of signed distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
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
AVERAGED = 128
"""Most points that one is averaged with: of denser ones, some are left out."""
AT_ONCE = 20_000
"""Points that are averaged at once."""
EVENED = 4.0
"""How far noise is averaged along edges, in its standard deviations."""
TAUBIN = (0.5, -0.53)
"""Steps towards and away from the mean of the neighbours."""
REACH = 2.0
"""Standard deviation of the weights of an average, in standard deviations of the noise."""


def oriented(artifact: Artifact, std: float = 0.0) -> tuple[Array, Array, Array]:
    """Points (N, 3) in the unit box, unit normals and sRGB colours of a mesh or of points.

    What reaches out of the unit box is moved to its middle and shrunk to fit. Closed pieces of a mesh count
    as looking outwards, whichever way their faces turn.

    Args:
        artifact: A mesh or points.
        std: Standard deviation, in the unit box, of the noise of each coordinate of the points or vertices;
            it is averaged out. 0 for none.

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
        points = fitted(points)
        return (*(denoised(points, normals, std) if std else (points, normals)), colours)
    vertices, faces = fitted(arrays["vertices"]), arrays["faces"].astype(np.int64)
    if std:
        vertices = evened(vertices, faces, std)
    faces = outwards(vertices, faces)
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


def denoised(points: Array, normals: Array, std: float) -> tuple[Array, Array]:
    """Noisy points, each moved along its normal onto the plane that fits those around it.

    The projection of Alexa et al. 2001, "Point set surfaces", section 3, with the averaged normal for that of
    the plane. Points that face another way, as those of the other side of a thin wall, weigh less by the
    square of the cosine between the normals, and nothing beyond a right angle.

    Args:
        points, normals: Of the surface, (N, 3) each.
        std: Standard deviation of the noise of each coordinate, above 0.

    Returns:
        Points and unit normals, (N, 3) each.
    """
    width, rng = REACH * std, np.random.default_rng(0)
    order = rng.permutation(len(points))
    some = points[order[:200]]
    around = np.median(cKDTree(points).query_ball_point(some, 2 * width, return_length=True))
    kept = order[: max(100, round(len(points) * min(1.0, AVERAGED / around)))]
    tree, others, facing = cKDTree(points[kept]), points[kept], normals[kept]
    parts = [
        _on_planes(points[rows], normals[rows], tree, others, facing, width)
        for rows in np.array_split(np.arange(len(points)), -(-len(points) // AT_ONCE))
    ]
    found, turned = (np.concatenate(one).astype(np.float32) for one in zip(*parts, strict=True))
    return found, turned


def evened(vertices: Array, faces: NDArray[np.int64], std: float) -> Array:
    """Vertices (V, 3) of faces (F, 3) whose noise is averaged out along the edges; the shape does not shrink.

    Taubin 1995, "A signal processing approach to fair surface design", section 3. The rounds grow with the
    square of the noise over the length of the edges, to which noise adds 6 std² in the mean square: a coarse
    mesh stays as it is.
    """
    places, where = surface.welded(vertices)
    corners = where[faces]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    lengths = np.square(places[edges[:, 0]] - places[edges[:, 1]]).sum(1).mean() - 6 * std**2
    rounds = round(2 * (EVENED * std) ** 2 / max(lengths, std**2 / 10))
    count = np.maximum(np.bincount(edges[:, 0], minlength=len(places)), 1)
    shares = 1 / count[edges[:, 0]]
    mean = coo_array((shares, (edges[:, 0], edges[:, 1])), shape=(len(places),) * 2).tocsr()
    alone = np.bincount(edges[:, 0], minlength=len(places)) == 0
    moved = places.astype(np.float64)
    for _ in range(rounds):
        for factor in TAUBIN:
            moved = moved + factor * np.where(alone[:, None], 0, mean @ moved - moved)
    return moved[where].astype(np.float32)


def _on_planes(
    points: Array, normals: Array, tree: cKDTree, others: Array, facing: Array, width: float
) -> tuple[Array, Array]:
    """Points and normals averaged with ``others`` that face ``facing``; weights fall over ``width``."""
    reach, near = tree.query(points, k=min(AVERAGED, len(others)), distance_upper_bound=2 * width)
    missing = ~np.isfinite(reach)
    near = np.where(missing, 0, near)
    fall = np.where(missing, 0, np.exp(-(reach**2) / (2 * width**2))).astype(np.float32)
    # A point whose neighbours all face another way keeps its own normal.
    mean = 1e-3 * normals + np.einsum("nk,nkc->nc", fall * _agreement(facing[near], normals), facing[near])
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    weights = fall * _agreement(facing[near], mean)
    heights = np.einsum("nkc,nc->nk", others[near] - points[:, None], mean)
    moved = (weights * heights).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return points + mean * moved[:, None], mean


def _agreement(facing: Array, normals: Array) -> Array:
    """Squared cosines (N, K) between normals (N, K, 3) and (N, 3); 0 beyond a right angle."""
    return np.asarray(np.maximum(np.einsum("nkc,nc->nk", facing, normals), 0) ** 2, dtype=np.float32)


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
