"""From the arrays that files hold to artifacts, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_mesh import cloud, surface
from gen_mesh.files.colours import Array
from gen_mesh.plugin import POINTS

MILLIMETRES = 100.0
"""Of the side of the unit box, in files for printers."""
ROUNDING = 1e-5
"""Largest share of a shape's size by which float32 may move its vertices."""


def parts(artifact: Artifact) -> tuple[Array, NDArray[np.int64], Array]:
    """Vertices (V, 3), faces (F, 3) and sRGB colours (V, 3) of a mesh."""
    vertices, faces = artifact.arrays["vertices"], artifact.arrays["faces"].astype(np.int64)
    colours = artifact.arrays.get("colours", np.full_like(vertices, cloud.GREY))
    return vertices, faces, colours[:, :3]


def sampled(artifact: Artifact) -> tuple[Array, Array, Array]:
    """Points (N, 3), normals (N, 3) and sRGB colours (N, 3): its own, or as many as a mesh says."""
    if artifact.kind == "points":
        points = artifact.arrays["points"]
        upright = np.tile(np.array([0, 1, 0], np.float32), (len(points), 1))
        colours = artifact.arrays.get("colours", np.full_like(points, cloud.GREY))
        return points, artifact.arrays.get("normals", upright), colours[:, :3]
    count = artifact.attributes.get("points", POINTS)
    assert isinstance(count, int)
    return surface.points_on(*parts(artifact), count)


def mesh(vertices: NDArray[Any], faces: NDArray[Any], colours: NDArray[Any] | None = None) -> Artifact:
    """A mesh without the vertices that no face names.

    One that is so far from the origin that float32 would move its vertices by more than ``ROUNDING`` of its
    size comes to the origin.

    Args:
        vertices: (V, 3).
        faces: (F, 3), whole numbers.
        colours: (V, 3), sRGB in [0, 1].

    Raises:
        UsageError: Arrays of other shapes or types, numbers that are not finite or too large, a face that
            names no vertex, or no area.
    """
    places = _table(vertices, "vertices")
    if faces.dtype.kind not in "iu" or faces.ndim != 2 or faces.shape[1] != 3:
        raise UsageError(f"its faces are {faces.dtype} {faces.shape}, not whole numbers (F, 3)")
    if not len(faces):
        raise UsageError("it holds no surface and no points")
    if not 0 <= faces.min() <= faces.max() < len(places):
        wrong = faces.min() if faces.min() < 0 else faces.max()
        raise UsageError(f"a face names vertex {wrong}, counted from 0, of {len(places)}")
    used = np.zeros(len(places), bool)
    used[faces] = True
    corners = (np.cumsum(used) - 1)[faces]
    places = places[used]
    low, high = places.min(0), places.max(0)
    with np.errstate(over="ignore"):
        size = float((high - low).max())
    if not size < float(np.finfo(np.float32).max):
        raise UsageError("its numbers are larger than float32 can hold")
    with np.errstate(over="ignore"):
        moved = np.abs(places.astype(np.float32) - places).max()
    if moved > ROUNDING * size:
        places = places - (low / 2 + high / 2)
    # Scaled, so that the squares of very small sides are not zero.
    a, b, c = (places[corners[:, i]] / (size or 1) for i in range(3))
    if not np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() > 0:
        raise UsageError("its faces have no area")
    arrays: dict[str, NDArray[Any]] = {"vertices": places.astype(np.float32), "faces": corners}
    if colours is not None:
        arrays["colours"] = _fractions(colours, len(used), "colours")[used]
    return Artifact("mesh", arrays)


def points(
    places: NDArray[Any], normals: NDArray[Any] | None = None, colours: NDArray[Any] | None = None
) -> Artifact:
    """Points, moved and shrunk into the unit box where they reach out of it.

    Args:
        places, normals, colours: (N, 3); normals of any length, colours sRGB in [0, 1].

    Raises:
        UsageError: Arrays of other shapes or types, numbers that are not finite, or all points in one place.
    """
    table = _table(places, "points")
    if not len(table):
        raise UsageError("it holds no surface and no points")
    arrays = {"points": cloud.fitted(table)}
    if normals is not None:
        facing = _table(normals, "normals")
        if len(facing) != len(places):
            raise UsageError(f"it holds {len(facing)} normals for {len(places)} points")
        lengths = np.linalg.norm(facing, axis=1, keepdims=True)
        arrays["normals"] = np.clip(facing / np.where(lengths > 0, lengths, 1), -1, 1).astype(np.float32)
    if colours is not None:
        arrays["colours"] = _fractions(colours, len(places), "colours")
    return Artifact("points", arrays)


def with_face_colours(
    faces: NDArray[np.int64], colours: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Vertices that have one colour each, where faces or their corners have several.

    Args:
        faces: (F, 3).
        colours: Of the faces (F, 3), or of their corners (F, 3, 3).

    Returns:
        The new faces (F, 3), the old vertex (V,) of each new one, and the colours (V, 3) of these.
    """
    corners = np.broadcast_to(colours[:, None], (*faces.shape, 3)) if colours.ndim == 2 else colours
    palette, which = surface.welded(corners.reshape(-1, 3))
    keys, again = np.unique(faces.reshape(-1) * len(palette) + which, return_inverse=True)
    return again.reshape(-1, 3), keys // len(palette), palette[keys % len(palette)].astype(np.float32)


def on_bed(places: Array) -> Array:
    """Places as printers want them: millimetres, Z up, the front towards -Y, and the lowest ones at 0."""
    turned = np.stack([places[:, 0], -places[:, 2], places[:, 1]], -1) * MILLIMETRES
    return turned - turned.min(0)


def off_bed(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places in millimetres, Z up, as ones that are Y up around the middle of the unit box."""
    if not len(places):
        return places
    x, y, z = places.T / MILLIMETRES
    turned = np.stack([x, z, -y], -1)
    with np.errstate(invalid="ignore"):
        return turned - (turned.min(0) / 2 + turned.max(0) / 2)


def _table(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiu":
        raise UsageError(f"its {name} are {values.dtype}, not numbers")
    if values.ndim != 2 or values.shape[1] != 3:
        raise UsageError(f"its {name} have the shape {values.shape}, not (N, 3)")
    table = values.astype(np.float64)
    if not np.isfinite(table).all():
        raise UsageError("it holds numbers that are not finite")
    return table


def _fractions(colours: NDArray[Any], count: int, name: str) -> Array:
    table = _table(colours, name)
    if len(table) != count:
        raise UsageError(f"it holds {len(table)} {name} for {count} places")
    return np.clip(table, 0, 1).astype(np.float32)
