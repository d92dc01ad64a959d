"""OBJ: written, read, and its metadata.

Read here, as trimesh 5.2 counts relative indices from the end of the file, cuts colours from 0 to 255 off
at 1, makes fans of concave polygons, and takes vertex 0 for the last one: mending a file means to read it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import GenWarning, UsageError, damaged_file
from gen.metadata import Metadata
from gen_mesh import cloud, surface
from gen_mesh.files import artifacts
from gen_mesh.files.artifacts import parts
from gen_mesh.files.colours import Array, fractions
from gen_mesh.files.metadata import HEAD_BYTES, comments, in_comments
from gen_mesh.files.polygons import triangulated
from gen_mesh.files.texts import decoded, numbers

_BEHIND_SLASH = re.compile(r"/\S*")


def write_obj(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write an OBJ of one object whose ``v`` lines carry its colours.

    It names no materials: readers that make a mesh of each material would open the surface between them, and
    those that multiply colours of vertices by that of the material would darken it.

    Args:
        artifact: A mesh.
        file: Where to.
        metadata: Into comments.
    """
    places, faces, tints = parts(artifact)
    lines = [f"# {line}" for line in comments(metadata)]
    lines += ["o shape", *_rows("v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}", np.hstack([places, tints]))]
    lines += _rows("vn {:.4f} {:.4f} {:.4f}", surface.normals(places, faces))
    lines += _rows("f {0}//{0} {1}//{1} {2}//{2}", faces + 1)
    file.write(("\n".join(lines) + "\n").encode())


@damaged_file()
def read_obj(file: BinaryIO) -> Artifact:
    """Read an OBJ with its colours of vertices; materials and pictures beside it are not looked for.

    Raises:
        UsageError: Something else or damaged.
    """
    text = decoded(file.read())
    if not text.strip():
        raise UsageError("it is empty")
    text = re.sub(r"\\[ \t]*\n", " ", text)
    if "#" in text:
        text = re.sub(r"#.*", "", text)
    vertices, polygons = (_rest_of_lines(text, word) for word in ("v", "f"))
    places, colours = _vertices(vertices)
    faces = _faces(places, polygons, _vertices_before(text) if any("-" in one for one in polygons) else None)
    if lines := len(_rest_of_lines(text, "l")):
        warnings.warn(f"its lines are left out ({lines})", GenWarning, stacklevel=2)
    if len(faces):
        return artifacts.mesh(places, faces, colours)
    normals = _rest_of_lines(text, "vn")
    return artifacts.points(places, _normals(normals) if len(normals) == len(places) else None, colours)


@damaged_file()
def read_obj_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe in the comments of an OBJ."""
    return in_comments(file.read(HEAD_BYTES).decode(errors="replace"), "# ")


def _rest_of_lines(text: str, word: str) -> list[str]:
    """What follows a first word, of all lines that begin with it."""
    return re.findall(rf"^[ \t]*{word}[ \t]+(.*)$", text, re.MULTILINE)


def _vertices_before(text: str) -> NDArray[np.int64]:
    """How many vertices stand before each polygon, from which its negative numbers count back."""
    words = np.array(re.findall(r"^[ \t]*([vf])[ \t]", text, re.MULTILINE))
    return np.cumsum(words == "v")[words == "f"]


def _vertices(rows: list[str]) -> tuple[NDArray[np.float64], Array | None]:
    """Places (V, 3) and colours: ``x y z``, ``x y z w``, ``x y z r g b`` or ``x y z r g b a``."""
    widths = np.array([len(row.split()) for row in rows], np.int64)
    places, tints = np.zeros((len(rows), 3)), np.full((len(rows), 3), np.nan)
    for width in np.unique(widths).tolist():
        if width < 3:
            raise UsageError(f"one of its vertices has {width} numbers in place of 3")
        chosen = np.flatnonzero(widths == width)
        table = numbers("\n".join(rows[i] for i in chosen.tolist())).reshape(len(chosen), width)
        places[chosen] = table[:, :3]
        if width >= 6:
            tints[chosen] = table[:, 3:6]
    known = ~np.isnan(tints).any(1)
    if not known.any():
        return places, None
    colours = np.full((len(rows), 3), cloud.GREY, np.float32)
    colours[known] = fractions(tints[known])
    return places, colours


def _faces(
    places: NDArray[np.float64], polygons: list[str], before: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Triangles (F, 3) of polygons whose corners are such as ``3``, ``3/1``, ``3//2`` and ``-1``.

    Args:
        places: (V, 3).
        polygons: The corners of each.
        before: Vertices before each polygon; None where no corner is negative.
    """
    sizes = np.array([len(polygon.split()) for polygon in polygons], np.int64)
    named = numbers(_BEHIND_SLASH.sub("", "\n".join(polygons)))
    if len(named) != sizes.sum() or (named != np.rint(named)).any():
        raise UsageError("one of its faces names something that is no vertex")
    index = named - 1
    if before is not None:
        index = np.where(named < 0, named + np.repeat(before, sizes), index)
    if len(index) and not 0 <= index.min() <= index.max() < len(places):
        wrong = named[(index < 0) | (index >= len(places))][0]
        raise UsageError(f"a face names vertex {wrong:.0f} of {len(places)}")
    return triangulated(places, index.astype(np.int64), sizes)[0]


def _normals(rows: list[str]) -> NDArray[np.float64]:
    if {len(row.split()) for row in rows} - {3}:
        raise UsageError("its normals do not have three numbers each")
    return numbers("\n".join(rows)).reshape(len(rows), 3)


def _rows(pattern: str, table: NDArray[Any]) -> list[str]:
    return [pattern.format(*row) for row in table.tolist()]
