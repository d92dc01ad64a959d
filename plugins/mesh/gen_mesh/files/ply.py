"""PLY: written, read, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import UsageError, damaged_file
from gen.metadata import Metadata
from gen_mesh import surface
from gen_mesh.files import artifacts
from gen_mesh.files.artifacts import parts, sampled
from gen_mesh.files.colours import Array, fractions, to_bytes
from gen_mesh.files.metadata import HEAD_BYTES, comments, in_comments
from gen_mesh.files.ply_elements import Element, elements_of
from gen_mesh.files.polygons import strip, triangulated

_FACES = {"face", "faces", "polygon"}
_CORNERS = ("vertex_indices", "vertex_index")
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


def write_ply(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a binary PLY with normals and 8-bit colours; the recipe is a comment.

    Args: See ``write_glb``.
    """
    if artifact.kind == "points":
        places, facing, tints = sampled(artifact)
        faces = np.zeros((0, 3), np.int64)
    else:
        places, faces, tints = parts(artifact)
        facing = surface.normals(places, faces)
    rows = np.zeros(
        len(places),
        [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [(c, "u1") for c in "rgb"],
    )
    for names, values in ((("x", "y", "z"), places), (("nx", "ny", "nz"), facing), ("rgb", to_bytes(tints))):
        for i, name in enumerate(names):
            rows[name] = values[:, i]
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments(metadata))]
    lines += [
        f"element vertex {len(rows)}",
        *(f"property float {n}" for n in ("x", "y", "z", "nx", "ny", "nz")),
    ]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    if len(faces):
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    file.write(("\n".join([*lines, "end_header"]) + "\n").encode() + rows.tobytes())
    if len(faces):
        corners = np.zeros(len(faces), [("count", "u1"), ("index", "<i4", 3)])
        corners["count"], corners["index"] = 3, faces
        file.write(corners.tobytes())


@damaged_file()
def read_ply(file: BinaryIO) -> Artifact:
    """Read a PLY, text or binary: a mesh, or points where it has no faces.

    Colours of vertices go before those of faces.

    Raises:
        UsageError: Something else or damaged.
    """
    elements = elements_of(file.read())
    vertex = elements.get("vertex")
    if vertex is None or not vertex.count:
        raise UsageError("it holds no surface and no points")
    places = _columns(vertex, ("x", "y", "z"))
    if places is None:
        raise UsageError("its vertices have no x, y and z")
    colours = _tints(vertex)
    faces, owner, face = _faces(elements, places)
    if not len(faces):
        return artifacts.points(places, _columns(vertex, ("nx", "ny", "nz")), colours)
    of_faces = _tints(face) if face is not None else None
    if colours is None and of_faces is not None:
        faces, old, colours = artifacts.with_face_colours(faces, of_faces[owner])
        places = places[old]
    return artifacts.mesh(places, faces, colours)


@damaged_file()
def read_ply_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe in the comments of a PLY's header."""
    head, end, _ = file.read(HEAD_BYTES).partition(b"end_header")
    return in_comments(head.decode(errors="replace") if end else "", "comment ")


def _faces(
    elements: Mapping[str, Element], places: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Element | None]:
    """Triangles (F, 3), the rows (F,) that they come from, and the element of these rows."""
    found: list[NDArray[np.int64]] = [np.zeros((0, 3), np.int64)]
    for element in elements.values():
        name = next((name for name in _CORNERS if name in element.lists), None)
        if name is None or element.name not in {*_FACES, "tristrips"}:
            continue
        values, sizes = element.lists[name]
        corners = values.astype(np.int64)
        if element.name in _FACES:
            if len(corners) and not 0 <= corners.min() <= corners.max() < len(places):
                wrong = corners.min() if corners.min() < 0 else corners.max()
                raise UsageError(f"a face names vertex {wrong}, counted from 0, of {len(places)}")
            return *triangulated(places, corners, sizes), element
        # Strips of an element, and those within a row, which -1 ends.
        ends = np.union1d(np.flatnonzero(corners < 0), np.cumsum(sizes))
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            piece = corners[start:end]
            found.append(strip(piece[piece >= 0]))
    faces = np.concatenate(found)
    return faces, np.zeros(len(faces), np.int64), None


def _tints(element: Element) -> Array | None:
    for names in _COLOURS:
        if all(name in element.columns for name in names):
            return fractions(np.stack([element.columns[name] for name in names], -1))
    return None


def _columns(element: Element, names: tuple[str, ...]) -> NDArray[np.float64] | None:
    if not all(name in element.columns for name in names):
        return None
    columns: list[NDArray[Any]] = [element.columns[name].astype(np.float64) for name in names]
    return np.stack(columns, -1)
