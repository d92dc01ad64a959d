"""Which side of a surface is outside.

``trimesh.repair.fix_normals`` of trimesh 5.2 turns the walls of hollows outwards, too, leaves faces alone
that have corners of their own, and took fifty times as long for 80,000 faces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gen_mesh import surface

Faces = NDArray[np.int64]


def outwards(vertices: NDArray[np.floating], faces: Faces) -> Faces:
    """The same faces, those of closed pieces turned to look outwards.

    A piece is closed where each of its edges belongs to two faces, whichever way these turn; vertices in one
    place count as one. Pieces that lie within others, as the inner wall of a hollow ball, look into the
    hollow. Open pieces stay as they are, and so does what has no inside, as a Klein bottle.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
    """
    places, where = surface.welded(vertices)
    corners = where[faces]
    proper = ((corners != corners[:, [1, 2, 0]]).all(1)).nonzero()[0]
    if not len(proper):
        return faces
    flips = _flips(places, corners[proper])
    result = faces.copy()
    result[proper[flips]] = faces[proper[flips], ::-1]
    return result


def _flips(places: NDArray[np.floating], corners: Faces) -> NDArray[np.bool_]:
    """Which faces (F,) to turn."""
    flips, piece, closed = _pieces(corners)
    turned = np.where(flips[:, None], corners[:, ::-1], corners)
    centred = (places - (places.min(0) + places.max(0)) / 2).astype(np.float64)
    a, b, c = (centred[turned[:, i]] for i in range(3))
    volumes = np.bincount(piece, (a * np.cross(b, c)).sum(1), len(closed))
    flips ^= (volumes < 0)[piece]
    turned = np.where(flips[:, None], corners[:, ::-1], corners)
    flips ^= _hollows(centred, turned, piece, closed, np.abs(volumes))[piece]
    return flips & closed[piece]


def _pieces(faces: Faces) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    """Which faces (F,) to turn so that each agrees with its neighbours, the piece (F,) that each is of, and
    which pieces (P,) are closed and have two sides.

    Each face stands for two, as it is and turned. Two that share an edge are joined: alike where they run
    along it in opposite directions, crosswise where they run the same way. A piece has two sides where this
    leaves two copies of it apart.
    """
    count = len(faces)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(count), 3)
    forward = edges[:, 0] < edges[:, 1]
    key = edges.min(1) * (int(faces.max()) + 1) + edges.max(1)
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) != 0]))
    shared = np.diff(np.append(first, len(key)))
    pairs = first[shared == 2]
    one, other = order[pairs], order[pairs + 1]
    crosswise = (forward[one] == forward[other]) * count
    one, other = owner[one], owner[other]
    rows = np.concatenate([one, one + count])
    columns = np.concatenate([other + crosswise, other + count - crosswise])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), (2 * count, 2 * count))
    _, label = connected_components(graph, directed=False)
    as_is, turned = label[:count], label[count:]
    # Of its two copies, the one that holds its first face as it is.
    _, begin, piece = np.unique(np.minimum(as_is, turned), return_index=True, return_inverse=True)
    flips = as_is != as_is[begin][piece]
    closed = as_is[begin] != turned[begin]
    # Where pieces touch along an edge, it belongs to more than two faces, but to two of each piece.
    number = np.empty(len(key), np.int64)
    number[order] = np.repeat(np.arange(len(first)), shared)
    own, times = np.unique(number * len(closed) + piece[owner], return_counts=True)
    closed[own[times % 2 == 1] % len(closed)] = False
    return flips, piece, closed


def _hollows(
    places: NDArray[np.float64],
    faces: Faces,
    piece: NDArray[np.int64],
    closed: NDArray[np.bool_],
    volumes: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which closed pieces (P,) lie within an odd number of others; all of them look outwards."""
    count = len(closed)
    result = np.zeros(count, bool)
    if closed.sum() < 2:
        return result
    corners = places[faces]
    order = np.argsort(piece, kind="stable")
    first = np.searchsorted(piece[order], np.arange(count))
    low = np.minimum.reduceat(corners.min(1)[order], first)
    high = np.maximum.reduceat(corners.max(1)[order], first)
    ends = np.append(first[1:], len(order))
    for inner in np.flatnonzero(closed).tolist():
        around = closed & (low < low[inner]).all(1) & (high > high[inner]).all(1) & (volumes > volumes[inner])
        point = corners[order[first[inner]], 0]
        for outer in np.flatnonzero(around).tolist():
            if _winding(corners[order[first[outer] : ends[outer]]] - point) > 0.5:
                result[inner] = ~result[inner]
    return result


def _winding(corners: NDArray[np.float64]) -> float:
    """How often triangles (F, 3, 3) surround the origin: their solid angles (Van Oosterom & Strackee 1983,
    "The solid angle of a plane triangle", equation 8) over 4π."""
    a, b, c = corners.transpose(1, 0, 2)
    la, lb, lc = (np.linalg.norm(one, axis=1) for one in (a, b, c))
    volume = (a * np.cross(b, c)).sum(1)
    rest = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
    return float(np.arctan2(volume, rest).sum() / (2 * np.pi))
