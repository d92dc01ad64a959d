"""The scene of a glTF 2.0 as one artifact: nodes, primitives, skins and colours.

trimesh 5.2 takes normalised and sparse numbers as they are stored, colours of 16 bits as if they had 8,
and compressed data as zeros, and leaves fans, skins and morph targets out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import GenWarning, UsageError
from gen_mesh import cloud
from gen_mesh.files import artifacts
from gen_mesh.files.colours import encoded
from gen_mesh.files.gltf_numbers import Numbers, data_of
from gen_mesh.files.gltf_textures import base_colour
from gen_mesh.files.limits import bearable
from gen_mesh.files.polygons import fan, strip

Doubles = NDArray[np.float64]
_MATERIALS = "KHR_materials_"
_KNOWN = {
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "KHR_lights_punctual",
    "KHR_animation_pointer",
    "KHR_xmp_json_ld",
    "EXT_mesh_gpu_instancing",
    "EXT_texture_webp",
    "EXT_lights_image_based",
}
"""Extensions that are heeded or have no say in shape and colour; so have all of materials."""
_LINES = {1, 2, 3}
_TRIANGLES = {4: lambda indices: indices[: len(indices) // 3 * 3].reshape(-1, 3), 5: strip, 6: fan}


@dataclass(frozen=True, eq=False)
class _Part:
    """One primitive in the scene: places (V, 3), faces (F, 3) or none of points, and what else there is."""

    places: Doubles
    faces: NDArray[np.int64] | None
    normals: Doubles | None
    light: Doubles | None


@dataclass(frozen=True, eq=False)
class _Scene:
    document: dict[str, Any]
    numbers: Numbers
    worlds: dict[int, Doubles] = field(default_factory=dict)
    """From the space of a node to that of the scene, (4, 4), for columns."""


def artifact(document: dict[str, Any], blob: bytes) -> Artifact:
    """All surfaces of the scene as one mesh, in the pose and shape of its nodes; where there are none, its
    points. Lines are left out, with a warning.

    Args:
        document: The JSON.
        blob: The binary chunk of a GLB.

    Raises:
        UsageError: Damaged, or in need of an extension or a file that is not read.
    """
    try:
        return _artifact(document, blob)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        raise UsageError("its description is damaged") from None


def _artifact(document: dict[str, Any], blob: bytes) -> Artifact:
    for name in document.get("extensionsRequired", []):
        if name not in _KNOWN and not str(name).startswith(_MATERIALS):
            raise UsageError(
                f"it requires the extension {name}, which is not read", "export it without that extension"
            )
    for buffer in document.get("buffers", []):
        if "uri" in buffer:
            data_of(buffer["uri"])
    if not document.get("nodes"):
        # Without nodes and scenes a file is a library of meshes (section 3.5.1): all of them are taken.
        nodes = [{"mesh": index} for index in range(len(document.get("meshes", [])))]
        document = {name: held for name, held in document.items() if name != "scenes"} | {"nodes": nodes}
    scene = _Scene(document, Numbers(document, blob))
    _place_nodes(scene)
    _bearable(scene)
    found = list(_parts(scene))
    surfaces = [part for part in found if part.faces is not None and len(part.faces)]
    clouds = [part for part in found if part.faces is None and len(part.places)]
    chosen = surfaces or clouds
    if not chosen:
        raise UsageError("it holds no surface and no points")
    places = np.concatenate([part.places for part in chosen])
    colours = None
    if any(part.light is not None for part in chosen):
        colours = np.concatenate(
            [
                np.full(part.places.shape, cloud.GREY) if part.light is None else encoded(part.light)
                for part in chosen
            ]
        )
    if surfaces:
        first = np.cumsum([0, *(len(part.places) for part in surfaces)])
        faces = [
            part.faces + start for part, start in zip(surfaces, first, strict=False) if part.faces is not None
        ]
        return artifacts.mesh(places, np.concatenate(faces), colours)
    normals = [part.normals for part in clouds if part.normals is not None]
    return artifacts.points(places, np.concatenate(normals) if len(normals) == len(clouds) else None, colours)


def _place_nodes(scene: _Scene) -> None:
    nodes = scene.document.get("nodes", [])
    if "scenes" in scene.document:
        roots = scene.document["scenes"][scene.document.get("scene", 0)].get("nodes", [])
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [index for index in range(len(nodes)) if index not in children]
    waiting = [(index, np.eye(4)) for index in roots]
    while waiting:
        index, above = waiting.pop()
        if index in scene.worlds:
            raise UsageError(f"its node {index} has several parents")
        scene.worlds[index] = world = above @ _local(nodes[index])
        waiting += [(child, world) for child in nodes[index].get("children", [])]


def _local(node: dict[str, Any]) -> Doubles:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    return _composed(
        np.array([node.get("translation", (0, 0, 0))], np.float64),
        np.array([node.get("rotation", (0, 0, 0, 1))], np.float64),
        np.array([node.get("scale", (1, 1, 1))], np.float64),
    )[0]


def _composed(translations: Doubles, rotations: Doubles, scales: Doubles) -> Doubles:
    """Matrices (N, 4, 4) of translations (N, 3), quaternions x y z w (N, 4) and scales (N, 3)."""
    lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
    x, y, z, w = (rotations / np.where(lengths > 0, lengths, 1)).T
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    ).transpose(2, 0, 1)
    found = np.tile(np.eye(4), (len(translations), 1, 1))
    found[:, :3, :3] = turn * scales[:, None]
    found[:, :3, 3] = translations
    return found


def _instances(scene: _Scene, index: int) -> Doubles:
    """Matrices (N, 4, 4) at which the mesh of a node stands."""
    node, world = scene.document["nodes"][index], scene.worlds[index]
    if "skin" in node:
        # The joints alone place what has a skin (glTF 2.0, section 3.7.3.3).
        return np.eye(4)[None]
    named = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes")
    if not named:
        return world[None]
    columns = {name: scene.numbers.values(number) for name, number in named.items()}
    count = max(len(column) for column in columns.values())
    bearable(count * world.nbytes)
    return world @ _composed(
        columns.get("TRANSLATION", np.zeros((count, 3))),
        columns.get("ROTATION", np.tile((0.0, 0.0, 0.0, 1.0), (count, 1))),
        columns.get("SCALE", np.ones((count, 3))),
    )


def _bearable(scene: _Scene) -> None:
    """Where a shape is named many times, all of them have to fit into memory."""
    size, counted = 0, {}
    for index in scene.worlds:
        node = scene.document["nodes"][index]
        if "mesh" not in node:
            continue
        number = node["mesh"]
        if number not in counted:
            counted[number] = sum(
                _claim(scene, one) for one in scene.document["meshes"][number]["primitives"]
            )
        size += counted[number] * len(_instances(scene, index))
        bearable(size)


def _claim(scene: _Scene, primitive: dict[str, Any]) -> int:
    used = [*primitive["attributes"].values(), *([primitive["indices"]] if "indices" in primitive else [])]
    return sum(scene.numbers.size(index) for index in used)


def _parts(scene: _Scene) -> Iterator[_Part]:
    lines = 0
    for index in sorted(scene.worlds):
        node = scene.document["nodes"][index]
        if "mesh" not in node:
            continue
        mesh = scene.document["meshes"][node["mesh"]]
        weights = node.get("weights", mesh.get("weights", []))
        for primitive in mesh["primitives"]:
            mode = primitive.get("mode", 4)
            if mode in _LINES:
                lines += 1
                continue
            if mode != 0 and mode not in _TRIANGLES:
                raise UsageError(f"it holds a primitive of the unknown mode {mode!r}")
            part = _part(scene, node, primitive, mode, weights)
            yield from (_moved(part, matrix) for matrix in _instances(scene, index))
    if lines:
        warnings.warn(f"its primitives of lines are left out ({lines})", GenWarning, stacklevel=2)


def _part(
    scene: _Scene, node: dict[str, Any], primitive: dict[str, Any], mode: int, weights: list[float]
) -> _Part:
    """A primitive in the space of its node, or in that of the scene where it has a skin."""
    numbers, attributes = scene.numbers, primitive["attributes"]
    if any("bufferView" not in scene.document["accessors"][number] for number in attributes.values()):
        for name in primitive.get("extensions", {}):
            if "compression" in name:
                raise UsageError(
                    f"it needs the extension {name}, which is not read", "export it without compression"
                )
    if "POSITION" not in attributes:
        return _Part(np.zeros((0, 3)), None, None, None)
    places = _with_targets(numbers, primitive, "POSITION", weights)
    normals = _with_targets(numbers, primitive, "NORMAL", weights) if "NORMAL" in attributes else None
    light = base_colour(scene.document, numbers, primitive)
    if "skin" in node and "JOINTS_0" in attributes:
        places = _skinned(scene, node, attributes, places)
    indices = numbers.whole(primitive["indices"]) if "indices" in primitive else np.arange(len(places))
    if len(indices) and not 0 <= indices.min() <= indices.max() < len(places):
        raise UsageError(f"a primitive names vertex {indices.max()} of {len(places)}")
    if mode:
        return _Part(places, _TRIANGLES[mode](indices), None, light)
    return _Part(
        places[indices],
        None,
        None if normals is None else normals[indices],
        None if light is None else light[indices],
    )


def _with_targets(numbers: Numbers, primitive: dict[str, Any], name: str, weights: list[float]) -> Doubles:
    """An attribute (V, 3) with its morph targets by their weights."""
    values = numbers.values(primitive["attributes"][name])
    for target, weight in zip(primitive.get("targets", []), weights, strict=False):
        if name in target and weight:
            values = values + weight * numbers.values(target[name])
    return values


def _skinned(scene: _Scene, node: dict[str, Any], attributes: dict[str, int], places: Doubles) -> Doubles:
    """Places (V, 3) in the scene, moved by the joints as they stand (glTF 2.0, section 3.7.3)."""
    skin = scene.document["skins"][node["skin"]]
    joints = np.stack([scene.worlds.get(joint, np.eye(4)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        columns = scene.numbers.values(skin["inverseBindMatrices"]).reshape(-1, 4, 4)
        joints = joints @ columns[: len(joints)].transpose(0, 2, 1)
    found, total = np.zeros_like(places), np.zeros((len(places), 1))
    number = 0
    while f"JOINTS_{number}" in attributes:
        chosen = scene.numbers.whole(attributes[f"JOINTS_{number}"])
        shares = scene.numbers.values(attributes[f"WEIGHTS_{number}"])
        for joint, share in zip(chosen.T, shares.T, strict=True):
            matrices = joints[joint]
            moved = (matrices[:, :3, :3] @ places[..., None])[..., 0] + matrices[:, :3, 3]
            found += share[:, None] * moved
            total += share[:, None]
        number += 1
    return np.where(total > 0, found / np.where(total > 0, total, 1), places)


def _moved(part: _Part, matrix: Doubles) -> _Part:
    linear = matrix[:3, :3]
    places = part.places @ linear.T + matrix[:3, 3]
    # Faces of what is mirrored turn over (glTF 2.0, section 3.7.4).
    mirrored = part.faces is not None and np.linalg.det(linear) < 0
    faces = part.faces[:, ::-1] if mirrored and part.faces is not None else part.faces
    normals = part.normals
    if normals is not None:
        # The matrix of cofactors: the inverse transposed, up to a factor, also where there is no inverse.
        normals = normals @ np.stack([np.cross(linear[(i + 1) % 3], linear[(i + 2) % 3]) for i in range(3)]).T
        if np.linalg.det(linear) < 0:
            normals = -normals
    return _Part(places, faces, normals, part.light)
