"""Meshes and points in files: GLB, PLY, OBJ, STL, 3MF, XYZ and npz, with their metadata.

STL and 3MF are for printers: in millimetres, a hundred for the unit box, Z up and above the bed. The others
are Y up and in units of the box. Colours are linear in GLB, as glTF 2.0 demands (section 3.7.2.1), and sRGB
elsewhere; STL has none. Writing is done here, because only so the files carry what their formats can: linear
colours in full precision, comments, and the same bytes for the same artifact. Reading is trimesh's.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from html import escape
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen.recipe import MAX_BYTES, Metadata
from gen_mesh import cloud, surface
from gen_mesh.plugin import POINTS

Array = NDArray[np.float32]
MAX_UNPACKED = 1 << 29
"""Largest content, in bytes, of a packed file that is read, and of one that names a shape many times."""
MILLIMETRES = 100.0
MATERIALS = 16
"""Most materials of an OBJ."""
_MATERIAL_LINES = re.compile(rb"^[ \t]*(mtllib|usemtl)\b.*$", re.MULTILINE)
_GLB, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_WIDTHS = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


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
        points, index, tints = _parts(artifact)
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
    extras = _entries(metadata)
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


def write_ply(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a binary PLY with normals and 8-bit colours; the recipe is a comment.

    Args: See ``write_glb``.
    """
    if artifact.kind == "points":
        places, facing, tints = sampled(artifact)
        faces = np.zeros((0, 3), np.int64)
    else:
        places, faces, tints = _parts(artifact)
        facing = surface.normals(places, faces)
    rows = np.zeros(
        len(places),
        [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [(c, "u1") for c in "rgb"],
    )
    for names, values in ((("x", "y", "z"), places), (("nx", "ny", "nz"), facing), ("rgb", _bytes(tints))):
        for i, name in enumerate(names):
            rows[name] = values[:, i]
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in _comments(metadata))]
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


def write_obj(artifact: Artifact, file: BinaryIO, metadata: Metadata, companion: str) -> None:
    """Write an OBJ whose ``v`` lines carry colours, which Blender, MeshLab and trimesh read.

    Args:
        artifact: A mesh.
        file: Where to.
        metadata: Into comments.
        companion: Name of the MTL beside it, whose materials show the colours, coarsely, to programs that
            know no colours of vertices; empty for none.
    """
    places, faces, tints = _parts(artifact)
    facing = surface.normals(places, faces)
    lines = [*(f"# {line}" for line in _comments(metadata)), *([f"mtllib {companion}"] if companion else [])]
    lines += ["o shape", *_rows("v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}", np.hstack([places, tints]))]
    lines += _rows("vn {:.4f} {:.4f} {:.4f}", facing)
    corners = "f {0}//{0} {1}//{1} {2}//{2}"
    if companion:
        palette, chosen = _materials(faces, tints)
        for number in range(len(palette)):
            lines += [f"usemtl colour{number}", *_rows(corners, faces[chosen == number] + 1)]
    else:
        lines += _rows(corners, faces + 1)
    file.write(("\n".join(lines) + "\n").encode())


def write_mtl(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write the materials of an OBJ: at most ``MATERIALS`` matt colours, sRGB as viewers expect.

    Args: See ``write_obj``.
    """
    _, faces, tints = _parts(artifact)
    palette, _ = _materials(faces, tints)
    lines = [f"# {metadata.software}"] if metadata.software else []
    for number, (red, green, blue) in enumerate(palette.tolist()):
        lines += [f"newmtl colour{number}", f"Kd {red:.4f} {green:.4f} {blue:.4f}", "Ks 0 0 0", "illum 1"]
    file.write(("\n".join(lines) + "\n").encode())


def _materials(faces: NDArray[np.int64], tints: Array) -> tuple[Array, NDArray[np.int64]]:
    """The colours (K, 3) in [0, 1] that stand for those of the faces, and which each face (F,) has."""
    from PIL import Image

    row = Image.fromarray(_bytes(tints[faces].mean(1))[None], "RGB").quantize(MATERIALS)
    palette = np.array(row.getpalette(), np.float32).reshape(-1, 3) / 255
    chosen = np.asarray(row)[0]
    used = np.unique(chosen)
    return palette[used], np.searchsorted(used, chosen)


def write_stl(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a binary STL in millimetres, Z up; it has room neither for colours nor for the recipe.

    Args: See ``write_obj``.
    """
    places, faces, _ = _parts(artifact)
    corners = _on_bed(places)[faces].astype("<f4")
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = crossed / np.maximum(np.linalg.norm(crossed, axis=1, keepdims=True), 1e-20)
    rows = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    rows["normal"], rows["corners"] = unit, corners
    said = f"binary STL, mm, Z up; {metadata.software}".encode("ascii", "replace")
    file.write(said[:80].ljust(80) + struct.pack("<I", len(faces)) + rows.tobytes())


def write_3mf(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a 3MF in millimetres, Z up, with a colour per corner (3MF core 1.3, materials extension 1.2).

    Args: See ``write_obj``.
    """
    places, faces, tints = _parts(artifact)
    palette, which = np.unique(_bytes(tints), axis=0, return_inverse=True)
    which = which.reshape(-1)
    corner = which[faces]
    body = "".join(_rows('<vertex x="{:.5f}" y="{:.5f}" z="{:.5f}"/>', _on_bed(places)))
    triangles = "".join(
        _rows(
            '<triangle v1="{}" v2="{}" v3="{}" pid="1" p1="{}" p2="{}" p3="{}"/>', np.hstack([faces, corner])
        )
    )
    said = "".join(
        f'<metadata name="{name}">{_xml(text)}</metadata>'
        for name, text in (("Application", metadata.software), ("gen:recipe", metadata.recipe))
        if text
    )
    model = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<model unit="millimeter" xml:lang="en-US"'
        ' xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"'
        ' xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02"'
        ' xmlns:gen="urn:gen-toolkit:3mf:1">'
        f'{said}<resources><m:colorgroup id="1">'
        + "".join(_rows('<m:color color="#{:02X}{:02X}{:02X}FF"/>', palette))
        + '</m:colorgroup><object id="2" type="model" name="shape"><mesh><vertices>'
        + f"{body}</vertices><triangles>{triangles}</triangles></mesh></object></resources>"
        + '<build><item objectid="2"/></build></model>'
    )
    types = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
        "</Types>"
    )
    relations = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Target="/3D/3dmodel.model" Id="rel0"'
        ' Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in (
            ("[Content_Types].xml", types),
            ("_rels/.rels", relations),
            ("3D/3dmodel.model", model),
        ):
            # A fixed date, so that the same artifact gives the same bytes.
            packed.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def write_xyz(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write points as lines ``x y z nx ny nz r g b``, colours from 0 to 255; comments start with ``#``.

    Args: See ``write_glb``; points are sampled on a mesh.
    """
    points, facing, tints = sampled(artifact)
    lines = [f"# {line}" for line in _comments(metadata)]
    rows = np.hstack([points, facing, _bytes(tints)])
    lines += _rows("{:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f} {:.0f} {:.0f} {:.0f}", rows)
    file.write(("\n".join(lines) + "\n").encode())


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
        arrays["vertices"], arrays["faces"], arrays["colours"] = _parts(artifact)
    for name, text in _entries(metadata).items():
        arrays[f"metadata.{name}"] = np.array(text)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, values in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, values, allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)


def sampled(artifact: Artifact) -> tuple[Array, Array, Array]:
    """Points (N, 3), normals (N, 3) and sRGB colours (N, 3): its own, or as many as a mesh says."""
    if artifact.kind == "points":
        points = artifact.arrays["points"]
        upright = np.tile(np.array([0, 1, 0], np.float32), (len(points), 1))
        colours = artifact.arrays.get("colours", np.full_like(points, cloud.GREY))
        return points, artifact.arrays.get("normals", upright), colours[:, :3]
    count = artifact.attributes.get("points", POINTS)
    assert isinstance(count, int)
    return surface.points_on(*_parts(artifact), count)


def linear(colours: Array) -> Array:
    """sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def encoded(light: Array) -> Array:
    """Linear light in [0, 1] to sRGB, the inverse of ``linear``."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def read_glb(file: BinaryIO) -> Artifact:
    """Read a binary glTF: all of its scene as one mesh, or its points.

    Raises:
        UsageError: Something else, damaged, or claiming more than it holds.
    """
    content = file.read()
    _glb_document(content)
    return _read(content, "glb")


def read_ply(file: BinaryIO) -> Artifact:
    """Read a PLY, text or binary: a mesh, or points where it has no faces.

    Raises:
        UsageError: Something else or damaged.
    """
    return _read(file.read(), "ply")


def read_obj(file: BinaryIO) -> Artifact:
    """Read an OBJ with its colours of vertices; materials and pictures beside it are not looked for.

    Raises:
        UsageError: Something else or damaged.
    """
    # For every material, trimesh would make a mesh of its own, with an open edge to the next.
    return _read(_MATERIAL_LINES.sub(b"", file.read()), "obj")


def read_stl(file: BinaryIO) -> Artifact:
    """Read an STL, text or binary, Z up; corners in one place become one vertex.

    What lies on the bed of a printer comes into the middle of the box.

    Raises:
        UsageError: Something else or damaged.
    """
    return _off_bed(_read(file.read(), "stl", merge=True))


def read_3mf(file: BinaryIO) -> Artifact:
    """Read a 3MF, into the middle of the box as an STL; its colours are not read.

    Raises:
        UsageError: Something else, damaged, or more than ``MAX_UNPACKED`` when unpacked.
    """
    content = file.read()
    _unpacked_size(content)
    return _off_bed(_read(content, "3mf"))


def read_xyz(file: BinaryIO) -> Artifact:
    """Read lines of 3, 6 or 9 numbers: places, then normals, then colours from 0 to 255.

    Raises:
        UsageError: Something else, or normals that are longer than 1, as colours are in their place.
    """
    try:
        text = file.read().decode()
        lines = [line.split() for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
        rows = np.array(lines, dtype=np.float32)
    except ValueError:
        raise UsageError("it does not hold rows of 3, 6 or 9 numbers") from None
    if rows.ndim != 2 or rows.shape[1] not in (3, 6, 9):
        raise UsageError("it does not hold rows of 3, 6 or 9 numbers")
    found = [rows[:, i : i + 3] for i in range(0, rows.shape[1], 3)]
    if len(found) > 1 and (np.linalg.norm(found[1], axis=1) > 1.01).any():
        raise UsageError("its normals are longer than 1", "a line is x y z nx ny nz r g b")
    return _points(found[0], *found[1:2], **({"colours": found[2] / 255} if len(found) > 2 else {}))


def read_npz(file: BinaryIO) -> Artifact:
    """Read what ``write_npz`` writes, or Point-E's point clouds.

    Raises:
        UsageError: Something else, damaged, or more than ``MAX_UNPACKED`` when unpacked.
    """
    arrays = _arrays(file.read())
    if "vertices" in arrays and "faces" in arrays:
        colours = arrays.get("colours")
        return _mesh(arrays["vertices"], arrays["faces"], colours)
    if "coords" not in arrays:
        raise UsageError("it holds neither coords nor vertices and faces")
    extra: dict[str, NDArray[Any]] = {}
    if all(name in arrays for name in "RGB"):
        extra["colours"] = np.stack([arrays[name] for name in "RGB"], -1)
    return _points(arrays["coords"], arrays.get("normals"), **extra)


def read_glb_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries in the extras of a GLB's asset."""
    asset = _glb_document(file.read()).get("asset")
    extras = asset.get("extras") if isinstance(asset, dict) else None
    if not isinstance(extras, dict):
        return {}
    return _limited({str(key): text for key, text in extras.items() if isinstance(text, str)})


def read_ply_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe in the comments of a PLY's header."""
    head, end, _ = file.read(4 * MAX_BYTES).partition(b"end_header")
    return _commented(head.decode(errors="replace") if end else "", "comment ")


def read_text_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe in the comments of an OBJ or XYZ."""
    return _commented(file.read(4 * MAX_BYTES).decode(errors="replace"), "# ")


def read_3mf_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe in the metadata of a 3MF."""
    from xml.etree import ElementTree

    content = file.read()
    _unpacked_size(content)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if "3D/3dmodel.model" not in packed.namelist():
            return {}
        model = packed.read("3D/3dmodel.model")
    start, end = model.find(b'<metadata name="gen:recipe">'), model.find(b"<resources")
    if start < 0 or end < start:
        return {}
    try:
        # What starts at an element has no place for entities, so it cannot grow while it is parsed.
        text = ElementTree.fromstring(model[start:end].split(b"</metadata>")[0] + b"</metadata>").text
    except ElementTree.ParseError:
        return {}
    return _limited({"gen": text or ""})


def read_npz_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries of an npz that ``write_npz`` wrote."""
    arrays = _arrays(file.read())
    named = {
        name.removeprefix("metadata."): str(text) for name, text in arrays.items() if name[:9] == "metadata."
    }
    return _limited(named)


def _parts(artifact: Artifact) -> tuple[Array, NDArray[np.int64], Array]:
    vertices, faces = artifact.arrays["vertices"], artifact.arrays["faces"].astype(np.int64)
    colours = artifact.arrays.get("colours", np.full_like(vertices, cloud.GREY))
    return vertices, faces, colours[:, :3]


def _on_bed(places: Array) -> Array:
    """Places as printers want them: millimetres, Z up, the front towards -Y, and the lowest ones at 0."""
    turned = np.stack([places[:, 0], -places[:, 2], places[:, 1]], -1) * MILLIMETRES
    return turned - turned.min(0)


def _off_bed(artifact: Artifact) -> Artifact:
    """A mesh in millimetres, Z up, as one that is Y up around the middle of the unit box."""
    x, y, z = artifact.arrays["vertices"].T / np.float32(MILLIMETRES)
    turned = np.stack([x, z, -y], -1)
    middle = (turned.min(0) + turned.max(0)) / 2
    return Artifact("mesh", {**artifact.arrays, "vertices": turned - middle})


def _rows(pattern: str, table: NDArray[Any]) -> list[str]:
    return [pattern.format(*row) for row in table.tolist()]


def _bytes(colours: Array) -> NDArray[np.uint8]:
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)


def _entries(metadata: Metadata) -> dict[str, str]:
    named = {
        "gen": metadata.recipe,
        "parameters": metadata.parameters,
        "Software": metadata.software,
        "digitalSourceType": metadata.source_type,
    }
    return {name: text for name, text in named.items() if text}


def _if(name: str, value: object) -> dict[str, object]:
    return {name: value} if value else {}


def _comments(metadata: Metadata) -> list[str]:
    """One line for each entry that has no line breaks, in ASCII, as readers of text formats expect."""
    lines = []
    for name, text in _entries(metadata).items():
        if name == "gen":
            said = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
            # The words that end the header of a PLY, wherever they stand.
            said = said.replace("end_header", r"end\u005fheader")
            lines.append(f"gen {said}")
        elif name != "parameters":
            lines.append(f"{name} {text}")
    return lines


def _commented(text: str, start: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith(start):
            name, _, rest = line[len(start) :].partition(" ")
            if name in ("gen", "Software", "digitalSourceType"):
                found.setdefault(name, rest.strip())
    return _limited(found)


def _limited(entries: dict[str, str]) -> dict[str, str]:
    for key, text in entries.items():
        if len(text) > MAX_BYTES:
            raise UsageError(f"its text entry {key[:40]!r} exceeds {MAX_BYTES} bytes")
    return entries


def _xml(text: str) -> str:
    # Control characters and U+FFFE are characters of JSON, where they can be escaped, but not of XML.
    return escape(text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff"), quote=False)


def _glb_document(content: bytes) -> dict[str, Any]:
    """The JSON of a GLB whose claims do not exceed what it holds.

    Raises:
        UsageError: Something else, or false claims.
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
        sizes = [
            accessor["count"] * _COUNTS[accessor["type"]] * _WIDTHS[accessor["componentType"]]
            for accessor in document.get("accessors", [])
        ]
        for size in sizes:
            if not 0 <= size <= len(content):
                raise UsageError(f"it claims {size} bytes of numbers and holds {len(content)} bytes")
        named = sum(sizes)
        for one in _primitives(document):
            used = [*one["attributes"].values(), *([one["indices"]] if "indices" in one else [])]
            named += sum(sizes[index] for index in used)
        _bearable(named)
        for item in [*document.get("buffers", []), *document.get("images", [])]:
            if "uri" in item and not str(item["uri"]).startswith("data:"):
                raise UsageError("it refers to another file, which is not read")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UsageError("its description is damaged") from None
    if not isinstance(document, dict):
        raise UsageError("its description is damaged")
    return document


def _primitives(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for mesh in document.get("meshes", []) for one in mesh["primitives"]]


def _bearable(size: int) -> None:
    if size > MAX_UNPACKED:
        raise UsageError(f"it stands for more than {MAX_UNPACKED >> 20} MiB of numbers")


def _unpacked_size(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            total = sum(item.file_size for item in packed.infolist())
    except zipfile.BadZipFile:
        raise UsageError("it is not a whole zip archive") from None
    if total > MAX_UNPACKED:
        raise UsageError(f"it unpacks to more than {MAX_UNPACKED >> 20} MiB")


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    _unpacked_size(content)
    found: dict[str, NDArray[Any]] = {}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as packed:
            for name in packed.files:
                found[name] = packed[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise UsageError(f"it is damaged: {' '.join(str(error).split())[:120]}") from None
    return found


def _read(content: bytes, kind: str, *, merge: bool = False) -> Artifact:
    import trimesh

    if not content:
        raise UsageError("it is empty")
    try:
        scene = trimesh.load_scene(io.BytesIO(content), file_type=kind, process=merge)
        # Where a shape is named many times, all of them have to fit into memory.
        placed = [(scene.geometry[name], at) for at, name in map(scene.graph.get, scene.graph.nodes_geometry)]
        _bearable(sum(8 * (one.vertices.size + np.size(getattr(one, "faces", ()))) for one, _ in placed))
        meshes = [(one, at) for one, at in placed if isinstance(one, trimesh.Trimesh) and len(one.faces)]
        clouds = [(one, at) for one, at in placed if isinstance(one, trimesh.PointCloud)]
        if meshes:
            vertices, faces, tints, first = [], [], [], 0
            for one, at in meshes:
                vertices.append(trimesh.transform_points(one.vertices, at))
                mirrored = np.linalg.det(at[:3, :3]) < 0
                faces.append((one.faces[:, ::-1] if mirrored else one.faces) + first)
                tints.append(_tints(one.visual, len(one.vertices), light=kind == "glb"))
                first += len(one.vertices)
            colours = None
            if any(tint is not None for tint in tints):
                colours = np.concatenate(
                    [
                        np.full(places.shape, cloud.GREY, np.float32) if tint is None else tint
                        for tint, places in zip(tints, vertices, strict=True)
                    ]
                )
            return _mesh(np.concatenate(vertices), np.concatenate(faces), colours)
        for cluster, at in clouds:
            extra = {}
            if cluster.colors is not None and len(cluster.colors) == len(cluster.vertices):
                tint = _unit(cluster.colors)
                extra["colours"] = encoded(tint) if kind == "glb" else tint
            normals = _glb_normals(content, at) if kind == "glb" else _ply_normals(cluster)
            return _points(trimesh.transform_points(cluster.vertices, at), normals, **extra)
    except (GenError, MemoryError):
        raise
    except Exception as error:
        raise UsageError(f"it is damaged: {' '.join(str(error).split())[:120]}") from None
    raise UsageError("it holds no surface and no points")


def _tints(visual: Any, count: int, *, light: bool) -> Array | None:
    """sRGB colours (V, 3) of the vertices; None where there are none.

    In glTF, colours of vertices and the factor of a material are linear light and texels are sRGB; what there
    is of them is multiplied as light (glTF 2.0, section 3.9.2).
    """
    from trimesh.visual.color import uv_to_color

    if visual.kind is None:
        return None
    if visual.kind != "texture":
        tints = _unit(visual.vertex_colors)
        return encoded(tints) if light else tints
    material = visual.material
    texels = uv_to_color(visual.uv, getattr(material, "baseColorTexture", None))
    factors = [visual.vertex_attributes.get("color"), getattr(material, "baseColorFactor", None)]
    found = [_unit(factor) for factor in factors if factor is not None]
    if texels is not None:
        found.append(linear(_unit(texels)))
    return encoded(np.broadcast_to(np.prod(np.broadcast_arrays(*found), 0), (count, 3))) if found else None


def _unit(colours: NDArray[Any]) -> Array:
    """Red, green and blue in [0, 1] of colours (..., 3 or 4), which may be whole numbers of any width."""
    full = np.iinfo(colours.dtype).max if colours.dtype.kind in "iu" else 1
    return colours[..., :3].astype(np.float32) / np.float32(full)


def _glb_normals(content: bytes, at: NDArray[np.float64]) -> NDArray[Any] | None:
    """Normals (N, 3) of the only points of a GLB, which trimesh leaves out; None where there are none."""
    document = _glb_document(content)
    clouds = [one for one in _primitives(document) if one.get("mode") == 0]
    if len(clouds) != 1 or "NORMAL" not in clouds[0]["attributes"]:
        return None
    accessor = document["accessors"][clouds[0]["attributes"]["NORMAL"]]
    view = document["bufferViews"][accessor["bufferView"]]
    if accessor["componentType"] != 5126 or "uri" in document["buffers"][view["buffer"]]:
        return None
    start = 28 + struct.unpack_from("<I", content, 12)[0]
    start += view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    steps = (view.get("byteStride", 12), 4)
    facing = np.ndarray((accessor["count"], 3), "<f4", content, start, steps) @ np.linalg.inv(at[:3, :3])
    return facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)


def _ply_normals(one: Any) -> NDArray[Any] | None:
    rows = one.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    if rows is None:
        return None
    try:
        return np.stack([np.asarray(rows[name]).reshape(-1) for name in ("nx", "ny", "nz")], -1)
    except (KeyError, ValueError, IndexError):
        return None


def _mesh(vertices: NDArray[Any], faces: NDArray[Any], colours: NDArray[Any] | None) -> Artifact:
    arrays = {"vertices": _floats(vertices), "faces": np.asarray(faces)}
    if arrays["faces"].dtype.kind not in "iu":
        raise UsageError("its faces are not whole numbers")
    arrays["faces"] = arrays["faces"].astype(np.int64)
    if colours is not None:
        arrays["colours"] = np.clip(_floats(colours), 0, 1)
    return Artifact("mesh", arrays)


def _points(points: NDArray[Any], normals: NDArray[Any] | None = None, **more: NDArray[Any]) -> Artifact:
    """Points, moved and shrunk into the unit box where they reach out of it."""
    arrays = {"points": _floats(points)}
    if not np.isfinite(arrays["points"]).all():
        raise UsageError("it holds numbers that are not finite")
    try:
        arrays["points"] = cloud.fitted(arrays["points"])
    except ValueError as error:
        raise UsageError(str(error)) from None
    if normals is not None:
        arrays["normals"] = np.clip(_floats(normals), -1, 1)
    if "colours" in more:
        arrays["colours"] = np.clip(_floats(more["colours"]), 0, 1)
    return Artifact("points", arrays)


def _floats(values: NDArray[Any]) -> Array:
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "fiu":
            raise ValueError(found.dtype)
        return np.ascontiguousarray(found, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise UsageError(f"it holds {error}, not numbers") from None
