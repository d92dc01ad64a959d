"""The scene of a glTF 2.0 as one artifact: what the numbers mean that trimesh reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_mesh import cloud
from gen_mesh.files import artifacts
from gen_mesh.files.colours import encoded, linear
from gen_mesh.files.gltf_primitives import Use, base_colour, picture, separated
from gen_mesh.files.limits import bearable
from gen_mesh.files.polygons import strip

Doubles = NDArray[np.float64]
MAX_PIXELS = 1 << 26
_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6
_CLAMP, _MIRROR = 33071, 33648


@dataclass(frozen=True, eq=False)
class _Part:
    """A shape in the scene: places (V, 3), faces (F, 3), none of points, and what else there is."""

    places: Doubles
    faces: NDArray[np.int64]
    normals: Doubles | None
    light: Doubles | None


def artifact(document: dict[str, Any], glb: Callable[[dict[str, Any]], bytes], held: int) -> Artifact:
    """All surfaces of the scene as one mesh, in the pose and shape of its nodes; where there are none, its
    points. Lines are left out, with a warning.

    Args:
        document: The JSON.
        glb: Makes a GLB with another description and the same binary chunk.
        held: Bytes of that chunk.

    Raises:
        UsageError: Damaged, or in need of an extension or a file that is not read.
    """
    try:
        found = _parts(document, glb, held)
    except (UsageError, MemoryError):
        raise
    except Exception:
        # trimesh fails in as many ways as a description can contradict itself.
        raise UsageError("its description is damaged") from None
    surfaces = [part for part in found if len(part.faces)]
    chosen = surfaces or [part for part in found if len(part.places)]
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
        faces = [part.faces + start for part, start in zip(surfaces, first, strict=False)]
        return artifacts.mesh(places, np.concatenate(faces), colours)
    normals = [part.normals for part in chosen if part.normals is not None]
    return artifacts.points(places, np.concatenate(normals) if len(normals) == len(chosen) else None, colours)


def _parts(document: dict[str, Any], glb: Callable[[dict[str, Any]], bytes], held: int) -> list[_Part]:
    import trimesh

    uses, simple = separated(document, held)
    if not uses:
        return []
    scene = trimesh.load_scene(io.BytesIO(glb(simple)), file_type="glb", process=False)
    worlds = _worlds(simple, scene.graph)
    found = []
    for index, node in enumerate(simple["nodes"]):
        if "mesh" not in node:
            continue
        use, shape = uses[node["mesh"]], scene.geometry[str(node["mesh"])]
        numbers = _Numbers(document, shape.vertex_attributes)
        part = _part(numbers, use, shape)
        if "skin" in use.node and "JOINTS_0" in use.primitive["attributes"]:
            part = _Part(_skinned(numbers, use, worlds, part.places), part.faces, None, part.light)
        found += [_moved(part, worlds[str(index)] @ instance) for instance in _instances(numbers, use)]
    return found


def _worlds(simple: dict[str, Any], graph: Any) -> dict[str, Doubles]:
    """Matrices (4, 4) from the space of each node to that of the scene, by its name.

    Step by step: for many steps at once, trimesh 5.2 takes a time that grows with the cube of their number.
    """
    found = {graph.base_frame: np.eye(4)}
    waiting = [(graph.base_frame, root) for root in simple["scenes"][0]["nodes"]]
    while waiting:
        above, index = waiting.pop()
        found[str(index)] = found[above] @ graph.get(str(index), above)[0]
        waiting += [(str(index), child) for child in simple["nodes"][index].get("children", [])]
    return found


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The accessors of a primitive, stored as ``gltf_primitives.separated`` says."""

    document: dict[str, Any]
    held: dict[str, NDArray[Any]]

    def stored(self, index: int) -> NDArray[Any]:
        """The numbers (N, C) or (N, R, C) of an accessor, with those that replace some (section 3.6.2.3)."""
        found = self.held[f"_{index}"]
        if f"_{index}_indices" in self.held:
            found = found.copy()
            found[self.held[f"_{index}_indices"][:, 0]] = self.held[f"_{index}_values"]
        return found

    def values(self, index: int, *, fractions: bool = False) -> Doubles:
        """The same as floats: normalised ones, or all integers, as fractions (section 3.11)."""
        stored = self.stored(index)
        if stored.dtype.kind == "f" or not (fractions or self.document["accessors"][index].get("normalized")):
            return stored.astype(np.float64)
        return np.maximum(stored.astype(np.float64) / np.iinfo(stored.dtype).max, -1)

    def morphed(self, use: Use, name: str) -> Doubles:
        """An attribute (V, 3) with its morph targets by their weights."""
        values = self.values(use.primitive["attributes"][name])
        for target, weight in zip(use.primitive.get("targets", []), use.weights, strict=False):
            if name in target and weight:
                values = values + weight * self.values(target[name])
        return values


def _part(numbers: _Numbers, use: Use, shape: Any) -> _Part:
    """A primitive in the space of its node."""
    mode, attributes = use.primitive.get("mode", _TRIANGLES), use.primitive["attributes"]
    places = numbers.morphed(use, "POSITION")
    light = _light(numbers, use, shape, len(places))
    corners = np.arange(len(places))
    if "indices" in use.primitive:
        stored = numbers.stored(use.primitive["indices"])
        if stored.dtype.kind != "u":
            raise UsageError("the indices of a primitive are no whole numbers")
        corners = stored.reshape(-1).astype(np.int64)
    if len(corners) and corners.max() >= len(places):
        raise UsageError(f"a primitive names vertex {corners.max()} of {len(places)}")
    if mode == _POINTS:
        normals = numbers.morphed(use, "NORMAL")[corners] if "NORMAL" in attributes else None
        none = np.zeros((0, 3), np.int64)
        return _Part(places[corners], none, normals, None if light is None else light[corners])
    return _Part(places, _triangles(corners, mode), None, light)


def _triangles(corners: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """Triangles (F, 3) of the corners (N,) of a list, strip or fan."""
    if mode == _STRIP:
        return strip(corners)
    if mode == _FAN and len(corners) > 2:
        return np.stack([np.full(len(corners) - 2, corners[0]), corners[1:-1], corners[2:]], -1)
    return corners[: len(corners) // 3 * 3].reshape(-1, 3)


def _light(numbers: _Numbers, use: Use, shape: Any, count: int) -> Doubles | None:
    """Linear light (V, 3): colours of vertices, the factor of the material and texels, multiplied (section
    3.9.2). Without a material and colours of vertices: None."""
    light, found = np.ones((count, 3)), False
    if "COLOR_0" in use.primitive["attributes"]:
        light, found = numbers.values(use.primitive["attributes"]["COLOR_0"], fractions=True)[:, :3], True
    if "material" in use.primitive:
        factor, texture = base_colour(numbers.document["materials"][use.primitive["material"]])
        light, found = light * np.array(factor[:3], np.float64), True
        if texture is not None:
            texels = _texels(numbers, use, texture, shape.visual.material.baseColorTexture)
            light = light if texels is None else light * texels
    return light if found else None


def _texels(numbers: _Numbers, use: Use, texture: dict[str, Any], image: Any) -> Doubles | None:
    """Linear light (V, 3) of a texture at the vertices; None where these have no coordinates in it."""
    from trimesh.visual.color import uv_to_color

    moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
    name = f"TEXCOORD_{moved.get('texCoord', texture.get('texCoord', 0))}"
    described = numbers.document["textures"][texture["index"]]
    if name not in use.primitive["attributes"] or picture(described) is None:
        return None
    places = numbers.values(use.primitive["attributes"][name])
    if moved:
        angle, scale = moved.get("rotation", 0.0), np.array(moved.get("scale", (1, 1)), np.float64)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        places = (places * scale) @ turn.T + np.array(moved.get("offset", (0, 0)), np.float64)
    sampler = numbers.document["samplers"][described["sampler"]] if "sampler" in described else {}
    x = _wrapped(places[:, 0], sampler.get("wrapS"))
    y = _wrapped(places[:, 1], sampler.get("wrapT"))
    if image is not None and image.width * image.height > MAX_PIXELS:
        raise UsageError(f"one of its pictures has more than {MAX_PIXELS >> 20} megapixels")
    try:
        texels = uv_to_color(np.stack([x, 1 - y], -1), image)
    except (OSError, ValueError, SyntaxError):
        texels = None
    if texels is None:
        raise UsageError("one of its pictures cannot be read")
    return linear((texels[:, :3] / 255).astype(np.float32)).astype(np.float64)


def _wrapped(places: Doubles, wrap: object) -> Doubles:
    """Coordinates in [0, 1]."""
    places = np.nan_to_num(places)
    if wrap == _CLAMP:
        return np.clip(places, 0, 1)
    if wrap == _MIRROR:
        return 1 - np.abs(places % 2 - 1)
    return places % 1


def _instances(numbers: _Numbers, use: Use) -> list[Doubles]:
    """Matrices (4, 4) that place the instances (EXT_mesh_gpu_instancing) in the space of the node."""
    from trimesh import transformations

    columns = {name: numbers.values(index) for name, index in use.instancing.items() if name[0] != "_"}
    if not columns:
        return [np.eye(4)]
    count = max(len(column) for column in columns.values())
    bearable(count * 1024)
    found = []
    for row in range(count):
        x, y, z, w = columns["ROTATION"][row] if "ROTATION" in columns else (0, 0, 0, 1)
        scale = columns["SCALE"][row] if "SCALE" in columns else np.ones(3)
        offset = columns["TRANSLATION"][row] if "TRANSLATION" in columns else np.zeros(3)
        matrix = np.array(transformations.quaternion_matrix((w, x, y, z))) @ np.diag([*scale, 1])
        matrix[:3, 3] = offset
        found.append(matrix)
    return found


def _skinned(numbers: _Numbers, use: Use, worlds: dict[str, Doubles], places: Doubles) -> Doubles:
    """Places (V, 3) in the scene, moved by the joints as they stand (glTF 2.0, section 3.7.3)."""
    skin, attributes = numbers.document["skins"][use.node["skin"]], use.primitive["attributes"]
    joints = np.stack([worlds.get(str(joint), np.eye(4)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        joints = joints @ numbers.values(skin["inverseBindMatrices"])[: len(joints)].transpose(0, 2, 1)
    found, total = np.zeros_like(places), np.zeros((len(places), 1))
    for name in (name for name in attributes if name.startswith("JOINTS_")):
        chosen = numbers.stored(attributes[name])
        shares = numbers.values(attributes[name.replace("JOINTS", "WEIGHTS")])
        for joint, share in zip(chosen.T, shares.T, strict=True):
            moved = (joints[joint][:, :3, :3] @ places[..., None])[..., 0] + joints[joint][:, :3, 3]
            found += share[:, None] * moved
            total += share[:, None]
    return np.where(total > 0, found / np.where(total > 0, total, 1), places)


def _moved(part: _Part, matrix: Doubles) -> _Part:
    from trimesh import transform_points

    # Faces of what is mirrored turn over (section 3.7.4).
    faces = part.faces[:, :: -1 if np.linalg.det(matrix[:3, :3]) < 0 else 1]
    normals = None if part.normals is None else part.normals @ np.linalg.pinv(matrix[:3, :3])
    return _Part(transform_points(part.places, matrix), faces, normals, part.light)
