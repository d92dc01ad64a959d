"""GLB of other programs: numbers, primitives, nodes and colours as glTF 2.0 defines them."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest

from gen.artifact import Artifact
from gen.errors import GenWarning, UsageError
from gen_mesh import files
from gen_mesh.files import colours

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4")
TWO = np.array([0, 1, 2, 0, 2, 3], "<u2")
WIDTHS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
CODES = {kind: code for code, kind in WIDTHS.items()}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class Scene:
    """Collects arrays and gives a GLB."""

    def __init__(self) -> None:
        self.blob = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, **more: object) -> int:
        self.blob += b"\0" * (-len(self.blob) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(content), **more})
        self.blob += content
        return len(self.views) - 1

    def add(self, values: np.ndarray, **more: object) -> int:
        width = 1 if values.ndim == 1 else values.shape[1]
        code = next(code for code, kind in WIDTHS.items() if np.dtype(kind) == values.dtype)
        held = {"componentType": code, "count": len(values), "type": SHAPES[width], **more}
        self.accessors.append({"bufferView": self.view(values.tobytes()), **held})
        return len(self.accessors) - 1

    def primitive(self, places: int | None = None, indices: np.ndarray | None = TWO, **more: Any) -> dict:
        attributes = {
            "POSITION": self.add(SQUARE) if places is None else places,
            **more.pop("attributes", {}),
        }
        index = {} if indices is None else {"indices": self.add(indices)}
        return {"attributes": attributes, **index, **more}

    def glb(self, *primitives: dict, **more: Any) -> bytes:
        document = {
            "asset": {"version": "2.0"},
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": list(primitives)}],
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": len(self.blob)}],
            **more,
        }
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        blob = self.blob + b"\0" * (-len(self.blob) % 4)
        head = struct.pack("<IIIII", 0x46546C67, 2, 28 + len(text) + len(blob), len(text), 0x4E4F534A)
        return head + text + struct.pack("<II", len(blob), 0x4E4942) + blob


def read(content: bytes) -> Artifact:
    return files.read_glb(io.BytesIO(content))


@pytest.mark.parametrize("kind", ["<i1", "<u1", "<i2", "<u2"])
@pytest.mark.parametrize("normalised", [True, False])
def test_quantised_places(kind: str, normalised: bool) -> None:
    """Section 3.11: normalised integers are fractions of the largest; KHR_mesh_quantization allows both."""
    top = np.iinfo(kind).max
    scene = Scene()
    rows = np.zeros((4, 4), kind)
    rows[:, :3] = SQUARE * (top if normalised else 7)
    # Rows of places are filled up to multiples of four bytes.
    view = scene.view(rows.tobytes(), byteStride=rows.strides[0])
    held = {"bufferView": view, "componentType": CODES[kind], "count": 4, "type": "VEC3"}
    scene.accessors.append({**held, "normalized": normalised})
    quantised = {"extensionsRequired": ["KHR_mesh_quantization"]}
    found = read(scene.glb(scene.primitive(0), **quantised)).arrays["vertices"]
    np.testing.assert_allclose(found, SQUARE * (1 if normalised else 7), atol=1e-6)


def test_the_lowest_signed_number_is_minus_one() -> None:
    scene = Scene()
    rows = np.array([[-128, 0, 0], [127, 0, 0], [0, 127, 0]], "<i1")
    places = scene.add(rows, normalized=True)
    found = read(scene.glb(scene.primitive(places, np.arange(3, dtype="<u1")))).arrays["vertices"]
    np.testing.assert_allclose(found, [[-1, 0, 0], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("kind", ["<u1", "<u2", "<f4"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_every_type_are_linear_light(kind: str, channels: int) -> None:
    top = 1 if kind == "<f4" else np.iinfo(kind).max
    scene = Scene()
    light = np.full((4, channels), 0.2140 * top).astype(kind)  # 0.2140 of linear light is 0.5 in sRGB
    tint = scene.add(light, normalized=kind != "<f4")
    found = read(scene.glb(scene.primitive(attributes={"COLOR_0": tint}))).arrays["colours"]
    np.testing.assert_allclose(found, np.full((4, 3), 0.5), atol=0.004)


@pytest.mark.parametrize("based", [True, False])
def test_sparse_numbers_replace_those_of_the_base_or_zeros(based: bool) -> None:
    scene = Scene()
    rows, values = scene.view(np.array([1, 2], "<u1").tobytes()), np.array([[3, 0, 0], [3, 4, 0]], "<f4")
    sparse = {
        "count": 2,
        "indices": {"bufferView": rows, "componentType": 5121},
        "values": {"bufferView": scene.view(values.tobytes())},
    }
    base = {"bufferView": scene.view(SQUARE.tobytes())} if based else {}
    scene.accessors.append({**base, "componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse})
    triangle = np.array([0, 1, 2], "<u2")
    found = read(scene.glb(scene.primitive(0, triangle))).arrays["vertices"]
    np.testing.assert_allclose(found, [[0, 0, 0], [3, 0, 0], [3, 4, 0]])
    both = read(scene.glb(scene.primitive(0, TWO))).arrays["vertices"]
    np.testing.assert_allclose(both[3], SQUARE[3] if based else [0, 0, 0])


@pytest.mark.parametrize(
    ("mode", "indices", "faces"),
    [
        (5, [0, 1, 3, 2], [[0, 1, 3], [1, 2, 3]]),
        (5, [0, 0, 0, 1, 3, 2], [[0, 1, 3], [1, 2, 3]]),
        (6, [0, 1, 2, 3], [[0, 1, 2], [0, 2, 3]]),
    ],
)
def test_strips_and_fans(mode: int, indices: list[int], faces: list[list[int]]) -> None:
    scene = Scene()
    one = scene.primitive(indices=np.array(indices, "<u2"), mode=mode)
    found = read(scene.glb(one)).arrays
    corners = {tuple(np.roll(face, -int(np.argmin(face)))) for face in found["faces"].tolist()}
    wanted = {tuple(np.roll(face, -int(np.argmin(face)))) for face in faces}
    assert corners == wanted
    a, b, c = (found["vertices"][found["faces"][:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_lines_are_left_out_with_a_warning() -> None:
    scene = Scene()
    lines = [scene.primitive(indices=np.array([0, 1], "<u2"), mode=mode) for mode in (1, 2, 3)]
    with pytest.warns(GenWarning, match=r"primitives of lines are left out \(3\)"):
        found = read(scene.glb(*lines, scene.primitive()))
    assert len(found.arrays["faces"]) == 2
    with pytest.warns(GenWarning), pytest.raises(UsageError, match="no surface"):
        read(scene.glb(lines[0]))


def test_all_surfaces_and_all_points_are_put_together() -> None:
    scene = Scene()
    first, second = scene.primitive(), scene.primitive(scene.add(SQUARE + np.float32(3)))
    found = read(scene.glb(first, second)).arrays
    assert found["vertices"].shape == (8, 3)
    assert found["faces"].tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]
    scene = Scene()
    facing = scene.add(np.tile(np.array([0, 0, 127, 0], "<i1"), (4, 1))[:, :3].copy(), normalized=True)
    clouds = [
        scene.primitive(scene.add(SQUARE * np.float32(scale)), None, mode=0, attributes={"NORMAL": facing})
        for scale in (0.1, 0.2, 0.3)
    ]
    found = read(scene.glb(*clouds)).arrays
    np.testing.assert_allclose(
        found["points"], np.concatenate([SQUARE * s for s in (0.1, 0.2, 0.3)]), rtol=1e-6
    )
    np.testing.assert_allclose(found["normals"], np.tile([0, 0, 1], (12, 1)))


def test_nodes_place_instances_and_mirror() -> None:
    """A node with a negative determinant turns the winding (section 3.7.4)."""
    half = np.sqrt(0.5)
    nodes = [
        {"children": [1, 2, 3], "translation": [10, 0, 0]},
        {"mesh": 0, "scale": [2, 2, 2]},
        {"mesh": 0, "rotation": [0, half, 0, half], "translation": [0, 5, 0]},
        {"mesh": 0, "matrix": [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 7, 1]},
    ]
    scene = Scene()
    found = read(scene.glb(scene.primitive(), nodes=nodes)).arrays
    places, faces = found["vertices"], found["faces"]
    np.testing.assert_allclose(places[2], [12, 2, 0])
    np.testing.assert_allclose(places[6], [10, 6, -1], atol=1e-6)  # a quarter around y takes x to -z
    np.testing.assert_allclose(places[10], [9, 1, 7])
    a, b, c = (places[faces[:, i]] for i in range(3))
    np.testing.assert_allclose(np.cross(b - a, c - a)[4:], np.tile([0, 0, 1], (2, 1)), atol=1e-6)


def test_long_chains_of_nodes_take_no_longer_than_short_ones() -> None:
    scene = Scene()
    one = scene.primitive()
    nodes = [{"translation": [1, 0, 0], "children": [i + 1]} for i in range(1000)]
    found = read(scene.glb(one, nodes=[*nodes, {"mesh": 0}])).arrays["vertices"]
    np.testing.assert_allclose(found, SQUARE + np.array([1000, 0, 0]))


def test_instances_of_the_extension() -> None:
    scene = Scene()
    one = scene.primitive()
    offsets = scene.add(np.array([[0, 0, 0], [0, 0, 5], [0, 0, 9]], "<f4"))
    extension = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": offsets}}}
    found = read(scene.glb(one, nodes=[{"mesh": 0, "extensions": extension}])).arrays["vertices"]
    assert found[::4, 2].tolist() == [0, 5, 9]


def test_many_instances_of_a_small_shape_are_read() -> None:
    scene = Scene()
    one = scene.primitive()
    offsets = scene.add(np.arange(30_000, dtype="<f4").reshape(-1, 3))
    extension = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": offsets}}}
    found = read(scene.glb(one, nodes=[{"mesh": 0, "extensions": extension}])).arrays["vertices"]
    assert found[::4, 0].tolist() == list(range(0, 30_000, 3))


def test_joints_and_morph_targets_give_the_shape_as_it_stands() -> None:
    scene = Scene()
    up = scene.add(np.tile(np.array([0, 0, 1], "<f4"), (4, 1)))
    one = scene.primitive(targets=[{"POSITION": up}])
    found = read(scene.glb(one, nodes=[{"mesh": 0, "weights": [0.5]}])).arrays["vertices"]
    np.testing.assert_allclose(found[:, 2], 0.5)
    scene = Scene()
    joints = scene.add(np.array([[0, 1, 0, 0]] * 4, "<u1"))
    shares = scene.add(np.array([[1, 0, 0, 0]] * 3 + [[0, 1, 0, 0]], "<f4"))
    inverse = np.tile(np.eye(4, dtype="<f4"), (2, 1, 1))
    inverse[:, 3, 0] = -1  # column-major: moves by -1 along x
    binding = scene.add(inverse.reshape(2, 16))
    one = scene.primitive(attributes={"JOINTS_0": joints, "WEIGHTS_0": shares})
    nodes = [
        {"children": [1, 2, 3]},
        {"mesh": 0, "skin": 0, "translation": [100, 0, 0]},  # has no say
        {"translation": [1, 0, 0]},
        {"translation": [1, 0, 4]},
    ]
    skins = [{"joints": [2, 3], "inverseBindMatrices": binding}]
    found = read(scene.glb(one, nodes=nodes, skins=skins)).arrays["vertices"]
    np.testing.assert_allclose(found, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 4]])


def picture(pixels: np.ndarray) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def test_a_colour_is_that_of_the_vertex_times_factor_times_texel() -> None:
    """Section 3.9.2: factors and colours of vertices are linear, texels sRGB; v grows downwards."""
    scene = Scene()
    texels = np.array([[[255, 0, 0], [0, 0, 255]], [[0, 255, 0], [255, 255, 255]]], np.uint8)
    image = scene.view(picture(np.kron(texels, np.ones((8, 8, 1), np.uint8))))
    corners = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]], "<f4")
    attributes = {
        "TEXCOORD_1": scene.add(corners + np.float32(3)),
        "COLOR_0": scene.add(np.full((4, 3), 0.5, "<f4")),
    }
    base = {"baseColorFactor": [1, 1, 0.5, 1], "baseColorTexture": {"index": 0, "texCoord": 1}}
    more = {
        "materials": [{"pbrMetallicRoughness": base}],
        "textures": [{"source": 0}],
        "images": [{"bufferView": image, "mimeType": "image/png"}],
    }
    found = read(scene.glb(scene.primitive(attributes=attributes, material=0), **more)).arrays["colours"]
    light = np.array([[0.5, 0, 0], [0, 0, 0.25], [0.5, 0.5, 0.25], [0, 0.5, 0]])
    np.testing.assert_allclose(found, colours.encoded(light), atol=0.01)


@pytest.mark.parametrize(
    ("wrap", "at", "red"),
    [(10497, 1.25, True), (33071, 1.25, False), (33648, 1.25, False), (33648, 1.75, True)],
)
def test_textures_repeat_end_or_mirror(wrap: int, at: float, red: bool) -> None:
    scene = Scene()
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4, 0], pixels[:, 4:, 2] = 255, 255  # red on the left, blue on the right
    image = scene.view(picture(pixels))
    attributes = {"TEXCOORD_0": scene.add(np.full((4, 2), at, "<f4"))}
    more = {
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"wrapS": wrap, "wrapT": wrap}],
        "images": [{"bufferView": image}],
    }
    found = read(scene.glb(scene.primitive(attributes=attributes, material=0), **more)).arrays["colours"]
    np.testing.assert_allclose(found, np.tile([1, 0, 0] if red else [0, 0, 1], (4, 1)), atol=0.01)


def test_a_transform_of_the_texture_is_heeded() -> None:
    scene = Scene()
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :, 0], pixels[4:, :, 2] = 255, 255  # red above, blue below
    image = scene.view(picture(pixels))
    attributes = {"TEXCOORD_0": scene.add(np.full((4, 2), 0.25, "<f4"))}
    moved = {"KHR_texture_transform": {"offset": [0, 0.5]}}
    more = {
        "extensionsRequired": ["KHR_texture_transform"],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "extensions": moved}}}],
        "textures": [{"source": 0}],
        "images": [{"bufferView": image}],
    }
    found = read(scene.glb(scene.primitive(attributes=attributes, material=0), **more)).arrays["colours"]
    np.testing.assert_allclose(found, np.tile([0, 0, 1], (4, 1)), atol=0.01)


@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression", "ACME_shape"]
)
def test_an_extension_that_is_required_and_not_known_is_named(name: str) -> None:
    scene = Scene()
    with pytest.raises(UsageError, match=name):
        read(scene.glb(scene.primitive(), extensionsRequired=[name]))
    assert read(scene.glb(scene.primitive(), extensionsUsed=[name])).kind == "mesh"


def test_compressed_data_without_the_word_that_they_are_required() -> None:
    scene = Scene()
    scene.accessors.append({"componentType": 5126, "count": 4, "type": "VEC3"})
    packed = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    with pytest.raises(UsageError, match="KHR_draco_mesh_compression"):
        read(scene.glb(scene.primitive(0, extensions=packed)))


def broken(change: dict[str, Any]) -> bytes:
    scene = Scene()
    return scene.glb(scene.primitive(), **change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nodes": [{"children": [0], "mesh": 0}]}, "several parents"),
        ({"scenes": [{"nodes": [7]}]}, "damaged"),
        ({"nodes": [{"mesh": 9}]}, "damaged"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 9999}] * 2}, "claims 9999 bytes"),
        ({"buffers": [{"byteLength": 1, "uri": "data:base64"}]}, "within its description"),
        ({"accessors": [{"count": -1}]}, "count -1"),
    ],
)
def test_descriptions_that_contradict_themselves(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read(broken(change))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("many", ["bufferViews", "accessors"])
def test_numbers_that_are_named_many_times_are_not_copied(many: str) -> None:
    scene = Scene()
    one = scene.primitive(scene.add(np.zeros((100_000, 3), "<f4")))
    named = {"bufferViews": scene.views, "accessors": scene.accessors}[many]
    named += [named[0]] * 1000
    with pytest.raises(UsageError, match="stands for more than 512 MiB"):
        read(scene.glb(one))


def test_an_index_beyond_the_vertices() -> None:
    scene = Scene()
    with pytest.raises(UsageError, match="names vertex 4 of 4"):
        read(scene.glb(scene.primitive(indices=np.array([0, 1, 4], "<u2"))))
