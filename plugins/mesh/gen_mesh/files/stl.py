"""STL, written and read: in millimetres, Z up, without colours and recipe."""

from __future__ import annotations

import io
import re
import struct
import warnings
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import GenWarning, UsageError, damaged_file
from gen.metadata import Metadata
from gen_mesh import surface
from gen_mesh.files import artifacts
from gen_mesh.files.artifacts import on_bed, parts
from gen_mesh.files.texts import decoded, numbers

_HEAD, _FACET = 84, 50
_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
_VERTEX = re.compile(r"^\s*vertex\s+(.*)$", re.IGNORECASE | re.MULTILINE)


def write_stl(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a binary STL in millimetres, Z up; it has room neither for colours nor for the recipe.

    Args: See ``write_obj``.
    """
    places, faces, _ = parts(artifact)
    corners = on_bed(places)[faces].astype("<f4")
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = crossed / np.maximum(np.linalg.norm(crossed, axis=1, keepdims=True), 1e-20)
    rows = np.zeros(len(faces), _ROW)
    rows["normal"], rows["corners"] = unit, corners
    said = f"binary STL, mm, Z up; {metadata.software}".encode("ascii", "replace")
    file.write(said[:80].ljust(80) + struct.pack("<I", len(faces)) + rows.tobytes())


@damaged_file()
def read_stl(file: BinaryIO) -> Artifact:
    """Read an STL, text or binary, Z up; corners in one place become one vertex.

    What lies on the bed of a printer comes into the middle of the box.

    Raises:
        UsageError: Something else or damaged.
    """
    content = file.read()
    if not content:
        raise UsageError("it is empty")
    corners = _text_corners(content) if _is_text(content) else _binary_corners(content)
    if not len(corners):
        raise UsageError("it holds no surface and no points")
    places, faces = surface.welded(corners)
    return artifacts.mesh(artifacts.off_bed(np.asarray(places, np.float64)), faces.reshape(-1, 3))


def _is_text(content: bytes) -> bool:
    """Many binary files begin with ``solid``, too: text goes on with a facet or ends at once."""
    if len(content) >= _HEAD and len(content) == _HEAD + _FACET * struct.unpack_from("<I", content, 80)[0]:
        return False
    head = decoded(content[:4096]).lower()
    return head.lstrip().startswith("solid") and ("facet" in head or "endsolid" in head)


def _binary_corners(content: bytes) -> NDArray[np.float64]:
    """Corners (3 F, 3). A wrong count, which trimesh 5.2 refuses, gives way to what is there, as with most
    programs that print; what follows the triangles is left out."""
    from trimesh.exchange.stl import load_stl_binary

    if len(content) < _HEAD:
        raise UsageError("it is no STL: it ends within its header")
    claimed, rest = struct.unpack_from("<I", content, 80)[0], len(content) - _HEAD
    count = claimed
    if rest % _FACET == 0 and rest != claimed * _FACET:
        count = rest // _FACET
        said = f"its header claims {claimed} triangles; the {count} that are there are read"
        warnings.warn(said, GenWarning, stacklevel=2)
    if count * _FACET > rest:
        raise UsageError(f"it claims {claimed} triangles and ends after {rest // _FACET}")
    if not count:
        return np.zeros((0, 3))
    mended = content[:80] + struct.pack("<I", count) + content[_HEAD : _HEAD + count * _FACET]
    return np.asarray(load_stl_binary(io.BytesIO(mended))["vertices"], np.float64)


def _text_corners(content: bytes) -> NDArray[np.float64]:
    """Corners (3 F, 3). trimesh 5.2 fails where a name holds the word vertex, and needs ``endsolid``."""
    lines = _VERTEX.findall(decoded(content))
    values = numbers(" ".join(lines))
    if len(values) != 3 * len(lines) or len(lines) % 3:
        raise UsageError(
            "it is damaged: its vertices do not have three numbers each, or its facets three vertices"
        )
    return values.reshape(-1, 3)
