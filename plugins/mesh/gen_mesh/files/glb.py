"""GLB, binary glTF 2.0: written, taken apart, and its metadata."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.recipe import Metadata
from gen_mesh import surface
from gen_mesh.files import gltf
from gen_mesh.files.artifacts import parts, sampled
from gen_mesh.files.colours import linear
from gen_mesh.files.metadata import entries, limited

_GLB, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942


def write_glb(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a binary glTF 2.0 with normals, linear colours and a rough, opaque material that shows them.

    Args:
        artifact: A mesh, or points.
        file: Where to.
        metadata: Into the extras of the asset.
    """
    if artifact.kind == "points":
        points, facing, tints = sampled(artifact)
        index, mode = None, 0
    else:
        points, index, tints = parts(artifact)
        facing, mode = surface.normals(points, index), 4
    columns: list[tuple[str, NDArray[Any], str, int]] = [
        ("POSITION", points.astype("<f4"), "VEC3", 34962),
        ("NORMAL", facing.astype("<f4"), "VEC3", 34962),
        ("COLOR_0", linear(tints).astype("<f4"), "VEC3", 34962),
    ]
    if index is not None:
        columns.append(("indices", index.astype("<u4").reshape(-1), "SCALAR", 34963))
    views, accessors, blob = [], [], b""
    for number, (name, values, shape, target) in enumerate(columns):
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": values.nbytes, "target": target})
        kind = 5125 if name == "indices" else 5126
        accessor: dict[str, Any] = {
            "bufferView": number,
            "componentType": kind,
            "count": len(values),
            "type": shape,
        }
        if name == "POSITION":
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        accessors.append(accessor)
        blob += values.tobytes()
    primitive: dict[str, Any] = {
        "attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2},
        "material": 0,
        "mode": mode,
    }
    if index is not None:
        primitive["indices"] = 3
    material = {
        "name": "colours",
        "pbrMetallicRoughness": {
            "baseColorFactor": [1, 1, 1, 1],
            "metallicFactor": 0,
            "roughnessFactor": 0.75,
        },
    }
    extras = entries(metadata)
    document = {
        "asset": {"version": "2.0", "generator": metadata.software or "gen-toolkit", **_if("extras", extras)},
        "scene": 0,
        "scenes": [{"nodes": [0], **_if("extras", extras)}],
        "nodes": [{"mesh": 0, "name": "shape"}],
        "meshes": [{"primitives": [primitive], "name": "shape"}],
        "materials": [material],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    file.write(struct.pack("<III", _GLB, 2, 28 + len(text) + len(blob)))
    file.write(struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(blob), _BIN) + blob)


def read_glb(file: BinaryIO) -> Artifact:
    """Read a binary glTF: all of its scene as one mesh, or its points.

    Raises:
        UsageError: Something else, damaged, claiming more than it holds, or in need of an extension or a file
            that is not read.
    """
    return gltf.artifact(*_chunks(file.read()))


def read_glb_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries in the extras of a GLB's asset."""
    asset = _chunks(file.read())[0].get("asset")
    extras = asset.get("extras") if isinstance(asset, dict) else None
    if not isinstance(extras, dict):
        return {}
    return limited({str(key): text for key, text in extras.items() if isinstance(text, str)})


def _chunks(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON of a GLB and its binary chunk (glTF 2.0, section 4.4).

    Raises:
        UsageError: Something else, or lengths that exceed the file.
    """
    if len(content) < 20 or struct.unpack_from("<I", content)[0] != _GLB:
        raise UsageError("it is not a binary glTF (GLB)")
    _, version, total, length, kind = struct.unpack_from("<IIIII", content)
    if version != 2:
        raise UsageError(f"it is glTF {version}; only glTF 2 is read")
    if total > len(content) or kind != _JSON or 20 + length > len(content):
        raise UsageError(f"it claims {max(total, 20 + length)} bytes and holds {len(content)}")
    try:
        document = json.loads(content[20 : 20 + length])
    except (ValueError, RecursionError):
        raise UsageError("its description is damaged") from None
    if not isinstance(document, dict):
        raise UsageError("its description is damaged")
    start, blob = 20 + length, b""
    if len(content) >= start + 8:
        size, kind = struct.unpack_from("<II", content, start)
        if kind == _BIN:
            blob = content[start + 8 : start + 8 + size]
    return document, blob


def _if(name: str, value: object) -> dict[str, object]:
    return {name: value} if value else {}
