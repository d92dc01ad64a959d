"""npz, numpy's arrays: written, read, and its metadata."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import UsageError, damaged_file
from gen.metadata import Metadata
from gen.recipe import MAX_BYTES
from gen_mesh.files import artifacts
from gen_mesh.files.artifacts import parts, sampled
from gen_mesh.files.colours import Array, fractions
from gen_mesh.files.limits import unpackable
from gen_mesh.files.metadata import entries, limited


def write_npz(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write points as numpy arrays in Point-E's layout, ``coords`` (N, 3) and ``R``, ``G``, ``B`` (N,) in
    [0, 1], with ``normals``; of a mesh also ``vertices``, ``faces`` and ``colours``.

    Args: See ``write_glb``; points are sampled on a mesh.
    """
    points, facing, tints = sampled(artifact)
    arrays: dict[str, NDArray[Any]] = {
        "coords": points,
        "normals": facing,
        "R": tints[:, 0],
        "G": tints[:, 1],
        "B": tints[:, 2],
    }
    if artifact.kind == "mesh":
        arrays["vertices"], arrays["faces"], arrays["colours"] = parts(artifact)
    for name, text in entries(metadata).items():
        arrays[f"metadata.{name}"] = np.array(text)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, values in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, values, allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)


@damaged_file()
def read_npz(file: BinaryIO) -> Artifact:
    """Read what ``write_npz`` writes, or Point-E's point clouds.

    Raises:
        UsageError: Something else, damaged, or more than ``MAX_UNPACKED`` when unpacked.
    """
    arrays = _arrays(file.read(), lambda name: not name.startswith("metadata."))
    if "vertices" in arrays and "faces" in arrays:
        colours = arrays.get("colours")
        return artifacts.mesh(
            arrays["vertices"], arrays["faces"], None if colours is None else _tints(colours)
        )
    if "coords" not in arrays:
        raise UsageError("it holds neither coords nor vertices and faces")
    tints = None
    if all(name in arrays for name in "RGB"):
        if len({arrays[name].shape for name in "RGB"}) > 1:
            raise UsageError("its arrays R, G and B have different shapes")
        tints = _tints(np.stack([arrays[name] for name in "RGB"], -1))
    return artifacts.points(arrays["coords"], arrays.get("normals"), tints)


@damaged_file()
def read_npz_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries of an npz that ``write_npz`` wrote."""
    arrays = _arrays(file.read(), lambda name: name.startswith("metadata."))
    return limited({name.removeprefix("metadata."): str(text) for name, text in arrays.items()})


def _tints(colours: NDArray[Any]) -> Array:
    if colours.dtype.kind not in "fiu" or colours.ndim != 2:
        raise UsageError(f"its colours are {colours.dtype} {colours.shape}, not numbers (N, 3)")
    return fractions(colours[:, :3])


def _arrays(content: bytes, wanted: Callable[[str], bool]) -> dict[str, NDArray[Any]]:
    unpackable(content)
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        for item in packed.infolist():
            name = item.filename.removesuffix(".npy")
            if item.filename.endswith(".npy") and wanted(name):
                try:
                    found[name] = _array(packed.read(item))
                except UsageError as error:
                    raise UsageError(f"its array {name[:40]!r} {error.message}") from None
                except Exception:
                    # numpy evaluates the header as Python literals, and fails in as many ways as these do.
                    raise UsageError(f"its array {name[:40]!r} is damaged") from None
    return found


def _array(content: bytes) -> NDArray[Any]:
    """One array, whose header is held against the length before memory is taken."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file, max_header_size=MAX_BYTES)
    if kind.hasobject:
        raise UsageError("holds Python objects, which are not read")
    size = kind.itemsize
    for length in shape:
        size *= length
    if size > len(content) - file.tell():
        raise UsageError(f"claims {size} bytes and holds {len(content) - file.tell()}")
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
