"""GLB, binary glTF 2.0: written, taken apart and put together, and its metadata."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from gen.artifact import Artifact
from gen.errors import UsageError, damaged_file
from gen.metadata import Metadata
from gen_mesh import surface
from gen_mesh.files import gltf
from gen_mesh.files.artifacts import parts, sampled
from gen_mesh.files.colours import linear
from gen_mesh.files.metadata import entries, limited

_GLB, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_ROUGH = {"baseColorFactor": [1, 1, 1, 1], "metallicFactor": 0, "roughnessFactor": 0.75}


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
    columns = [points.astype("<f4"), facing.astype("<f4"), linear(tints).astype("<f4")]
    views, accessors, blob = [], [], b""
    corners = [] if index is None else [index.astype("<u4").reshape(-1)]
    for number, values in enumerate([*columns, *corners]):
        whole = values.ndim == 1
        target = 34963 if whole else 34962
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": values.nbytes, "target": target})
        component, shape = (5125, "SCALAR") if whole else (5126, "VEC3")
        accessors.append(
            {"bufferView": number, "componentType": component, "count": len(values), "type": shape}
        )
        blob += values.tobytes()
    accessors[0] |= {"min": columns[0].min(0).tolist(), "max": columns[0].max(0).tolist()}
    attributes = {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}
    primitive = {"attributes": attributes, "material": 0, "mode": mode, **({"indices": 3} if mode else {})}
    said = entries(metadata)
    extras = {"extras": said} if said else {}
    document = {
        "asset": {"version": "2.0", "generator": metadata.software or "gen-toolkit", **extras},
        "scene": 0,
        "scenes": [{"nodes": [0], **extras}],
        "nodes": [{"mesh": 0, "name": "shape"}],
        "meshes": [{"primitives": [primitive], "name": "shape"}],
        "materials": [{"name": "colours", "pbrMetallicRoughness": _ROUGH}],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    file.write(_joined(document, blob))


@damaged_file()
def read_glb(file: BinaryIO) -> Artifact:
    """Read a binary glTF: all of its scene as one mesh, or its points.

    Raises:
        UsageError: Something else, damaged, claiming more than it holds, or in need of an extension or a file
            that is not read.
    """
    document, blob = _chunks(file.read())
    return gltf.artifact(document, lambda simple: _joined(simple, blob), len(blob))


@damaged_file()
def read_glb_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries in the extras of a GLB's asset."""
    asset = _chunks(file.read())[0].get("asset")
    extras = asset.get("extras") if isinstance(asset, dict) else None
    if not isinstance(extras, dict):
        return {}
    return limited({str(key): text for key, text in extras.items() if isinstance(text, str)})


def _joined(document: Mapping[str, Any], blob: bytes) -> bytes:
    """A GLB of a description and a binary chunk (glTF 2.0, section 4.4)."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    head = struct.pack("<IIIII", _GLB, 2, 28 + len(text) + len(blob), len(text), _JSON)
    return head + text + struct.pack("<II", len(blob), _BIN) + blob


def _chunks(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The description of a GLB and its binary chunk.

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
