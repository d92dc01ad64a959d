"""The primitives of a glTF 2.0 scene, described so that trimesh hands over all of their numbers as stored.

trimesh 5.2 takes normalised and sparse numbers as they are stored, rounds colours to 8 bits, passes over
fans, morph targets, instances, skins and normals of points, takes the first coordinates for each texture, and
leaves out what hangs below a camera.
"""

from __future__ import annotations

import base64
import warnings
from dataclasses import dataclass
from typing import Any

from gen.errors import GenWarning, UsageError
from gen_mesh.files.limits import bearable

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
_WIDTHS = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_PLACING = ("matrix", "translation", "rotation", "scale")
_LINES = {1, 2, 3}


@dataclass(frozen=True, eq=False)
class Use:
    """A primitive at a node of the scene, the weights of its morph targets, and what places its instances."""

    node: dict[str, Any]
    primitive: dict[str, Any]
    weights: list[float]
    instancing: dict[str, int]

    def accessors(self, document: dict[str, Any]) -> set[int]:
        """All accessors that have a say."""
        used = {*self.primitive["attributes"].values(), *self.instancing.values()}
        used |= {self.primitive["indices"]} if "indices" in self.primitive else set()
        for target in self.primitive.get("targets", []):
            used |= set(target.values())
        if "skin" in self.node:
            skin = document["skins"][self.node["skin"]]
            used |= {skin["inverseBindMatrices"]} if "inverseBindMatrices" in skin else set()
        return used


def separated(document: dict[str, Any], held: int) -> tuple[list[Use], dict[str, Any]]:
    """The primitives of a scene, and a description in which each is a mesh of its own without triangles.

    In that description, mesh and node are named by their numbers. The mesh is at a node of its own below the
    one that has it, or at the top where it has a skin, as the joints alone place it (section 3.7.3.3). Its
    attributes are its accessors, ``_3`` the one of number 3, and ``_3_indices`` and ``_3_values`` what
    replaces some of that. Its material is its texture alone.

    Args:
        document: The JSON.
        held: Bytes of the binary chunk of the GLB.

    Raises:
        UsageError: In need of an extension or a file that is not read, or claiming too much.
    """
    for name in document.get("extensionsRequired", []):
        if name not in _KNOWN and not str(name).startswith("KHR_materials_"):
            raise UsageError(
                f"it requires the extension {name}, which is not read", "export it without that extension"
            )
    total = _check_views(document, held)
    accessors = [dict(accessor) for accessor in document.get("accessors", [])]
    parts = {index: {f"_{index}": index} for index in range(len(accessors))}
    for index, sparse in [(i, one["sparse"]) for i, one in enumerate(accessors) if "sparse" in one]:
        for name, more in (("indices", {"type": "SCALAR"}), ("values", {})):
            parts[index][f"_{index}_{name}"] = len(accessors)
            accessors.append({**accessors[index], **more, **sparse[name], "count": sparse["count"]})
    sizes = [_size(index, accessor) for index, accessor in enumerate(accessors)]
    # trimesh reads all accessors, also those that no primitive names.
    bearable(sum(sizes) - total)
    none = len(accessors)
    accessors.append({"componentType": 5125, "count": 0, "type": "SCALAR"})
    given, roots, within = _scene(document)
    nodes = [
        {
            "name": str(index),
            "children": list(node.get("children", [])),
            **{name: node[name] for name in _PLACING if name in node},
        }
        for index, node in enumerate(given)
    ]
    meshes: list[dict[str, Any]] = []
    uses: list[Use] = []
    size = 0
    for index, use in _uses(document, given, within):
        count = max((accessors[number]["count"] for number in use.instancing.values()), default=1)
        named = use.accessors(document)
        # What places the instances is there once.
        size += sum(sizes[number] for number in named - set(use.instancing.values())) * max(count, 1)
        bearable(size)
        _check_compression(document, use.primitive)
        attributes = {"POSITION": use.primitive["attributes"]["POSITION"]}
        for number in named:
            attributes |= parts[number]
        primitive = {"attributes": attributes, "indices": none}
        primitive |= {"material": use.primitive["material"]} if "material" in use.primitive else {}
        (roots if "skin" in use.node else nodes[index]["children"]).append(len(nodes))
        nodes.append({"name": str(len(nodes)), "mesh": len(meshes)})
        meshes.append({"name": str(len(meshes)), "primitives": [primitive]})
        uses.append(use)
    return uses, {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": [_texture_alone(material) for material in document.get("materials", [])],
        "textures": [{"source": picture(texture)} for texture in document.get("textures", [])],
        "images": document.get("images", []),
        "accessors": accessors,
        **{name: document.get(name, []) for name in ("bufferViews", "buffers")},
    }


def base_colour(material: dict[str, Any]) -> tuple[list[float], dict[str, Any] | None]:
    """The factor and the texture of the base colour of a material."""
    older = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if older is not None:
        return older.get("diffuseFactor", [1, 1, 1, 1]), older.get("diffuseTexture")
    rough = material.get("pbrMetallicRoughness", {})
    return rough.get("baseColorFactor", [1, 1, 1, 1]), rough.get("baseColorTexture")


def picture(texture: dict[str, Any]) -> int | None:
    """The image of a texture."""
    source: int | None = texture.get("extensions", {}).get("EXT_texture_webp", texture).get("source")
    return source


def _texture_alone(material: dict[str, Any]) -> dict[str, Any]:
    texture = base_colour(material)[1]
    return {} if texture is None else {"pbrMetallicRoughness": {"baseColorTexture": texture}}


def _check_views(document: dict[str, Any], held: int) -> int:
    """Bytes of all buffers, of which trimesh copies each view."""
    for image in document.get("images", []):
        if "uri" in image:
            _content(image["uri"])
    buffers = document.get("buffers", [])
    lengths = [len(_content(buffer["uri"])) if "uri" in buffer else held for buffer in buffers]
    for index, view in enumerate(document.get("bufferViews", [])):
        start, length, most = view.get("byteOffset", 0), view["byteLength"], lengths[view["buffer"]]
        if not 0 <= start <= start + length <= most:
            raise UsageError(f"its buffer view {index} claims {start + length} bytes of {most}")
    total = sum(lengths)
    bearable(sum(view["byteLength"] for view in document.get("bufferViews", [])) - total)
    return total


def _content(uri: object) -> bytes:
    """The content of a ``data:`` URI; others name files, which are not read."""
    head, comma, text = str(uri).partition(",")
    if not head.startswith("data:"):
        raise UsageError("it refers to another file, which is not read")
    try:
        if not comma or not head.endswith(";base64"):
            raise ValueError(head)
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise UsageError("content within its description is damaged") from None


def _size(index: int, accessor: dict[str, Any]) -> int:
    count = accessor["count"]
    if not isinstance(count, int) or count < 0:
        raise UsageError(f"its accessor {index} has the count {count!r}")
    size = count * _COUNTS[accessor["type"]] * _WIDTHS[accessor["componentType"]]
    bearable(size)
    return size


def _scene(document: dict[str, Any]) -> tuple[list[dict[str, Any]], list[int], list[int]]:
    """All nodes, the ones at the top of the scene, and the ones within it, rising.

    Without nodes and scenes a file is a library of meshes (section 3.5.1): all of them are taken.
    """
    nodes = document.get("nodes", [])
    if "scenes" in document and nodes:
        roots = list(document["scenes"][document.get("scene", 0)].get("nodes", []))
    else:
        nodes = nodes or [{"mesh": index} for index in range(len(document.get("meshes", [])))]
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [index for index in range(len(nodes)) if index not in children]
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        index = waiting.pop()
        if index in found:
            raise UsageError(f"its node {index} has several parents")
        found.add(index)
        waiting += nodes[index].get("children", [])
    return nodes, roots, sorted(found)


def _uses(document: dict[str, Any], nodes: list[dict[str, Any]], within: list[int]) -> list[tuple[int, Use]]:
    """The primitives of surfaces and points, and the nodes that they are at."""
    found, lines = [], 0
    for index in (index for index in within if "mesh" in nodes[index]):
        node, mesh = nodes[index], document["meshes"][nodes[index]["mesh"]]
        instancing = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes", {})
        for primitive in mesh["primitives"]:
            mode = primitive.get("mode", 4)
            if mode in _LINES:
                lines += 1
            elif mode not in (0, 4, 5, 6):
                raise UsageError(f"it holds a primitive of the unknown mode {mode!r}")
            elif "POSITION" in primitive["attributes"]:
                weights = node.get("weights", mesh.get("weights", []))
                found.append((index, Use(node, primitive, weights, {} if "skin" in node else instancing)))
    if lines:
        warnings.warn(f"its primitives of lines are left out ({lines})", GenWarning, stacklevel=2)
    return found


def _check_compression(document: dict[str, Any], primitive: dict[str, Any]) -> None:
    if any("bufferView" not in document["accessors"][number] for number in primitive["attributes"].values()):
        for name in primitive.get("extensions", {}):
            if "compression" in name:
                raise UsageError(
                    f"it needs the extension {name}, which is not read", "export it without compression"
                )
