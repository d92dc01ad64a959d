"""Files open in independent readers, keep their recipe and content, and bad ones are one line."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from gen import formats
from gen.artifact import Artifact
from gen.errors import UsageError
from gen.plugin import FormatSpec
from gen.plugin.host import Host
from gen.recipe import ModelReference, Recipe
from gen_mesh import files, grids, plugin, surface
from gen_mesh.files import colours, limits, pictures, render
from gen_mesh.grids import BAND, SIZE
from gen_mesh.training.data import fields
from gen_mesh.training.data.fields import Part

SHAPES = ("glb", "ply", "obj", "stl", "3mf", "xyz", "npz")
SPECS = {spec.name: spec for spec in plugin.gen_formats()}
RECIPE = Recipe(
    modality="mesh",
    prompt='a "red" mug\nwith é and 杯',
    seed=7,
    steps=4,
    guidance=3.0,
    solver="dpmpp_2m",
    grid="uniform",
    model=ModelReference(name="shapes", sha256="0" * 64, licence="Apache-2.0"),
)


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A lying egg, red on the left and dark blue on the right, higher than deep."""
    egg = Part(fields.ellipsoid((0.4, 0.3, 0.2)), (0, 0, 0), None, (0.9, 0.1, 0.1))
    dark = Part(fields.box((0.3, 0.5, 0.5)), (0.3, 0, 0), None, (0.05, 0.1, 0.4), "paint")
    grid = fields.evaluate([egg, dark], 1, (0, 0, 0), SIZE, BAND)
    mesh = surface.extract(*grids.unstacked(grids.stacked(*grid)), 0.5, 3000)
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces, "colours": mesh.colours}
    return Artifact("mesh", arrays, {"points": 1500}, RECIPE)


def as_points(artifact: Artifact) -> Artifact:
    points = dict(zip(("points", "normals", "colours"), files.sampled(artifact), strict=True))
    return Artifact("points", points, {}, RECIPE)


@pytest.mark.parametrize("name", SHAPES)
def test_files_are_the_same_each_time_and_keep_the_recipe(
    name: str, artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / f"it.{name}"
    formats.write(artifact, path, SPECS.values())
    assert path.read_bytes() == formats.encode(artifact, SPECS[name])
    if name in ("stl", "xyz"):  # without a place for it
        assert formats.read_recipe(path, SPECS.values()) is None
        assert path.read_bytes()[:5] != b"solid"
    else:
        assert formats.read_recipe(path, SPECS.values()) == RECIPE
    silent = formats.encode(artifact, SPECS[name], metadata="none")
    assert b"mug" not in silent


@pytest.mark.parametrize("name", ["glb", "ply", "obj", "stl", "3mf", "npz"])
def test_what_is_written_is_read(name: str, artifact: Artifact) -> None:
    content = formats.encode(artifact, SPECS[name])
    reader: Callable[[io.BytesIO], Artifact] = getattr(files, f"read_{name}")
    again = reader(io.BytesIO(content))
    assert again.kind == "mesh"
    assert len(again.arrays["faces"]) == len(artifact.arrays["faces"])
    mine, other = (trimesh.Trimesh(a.arrays["vertices"], a.arrays["faces"]) for a in (artifact, again))
    assert other.volume == pytest.approx(mine.volume, rel=1e-3)
    np.testing.assert_allclose(other.extents, mine.extents, atol=1e-4)
    if name not in ("stl", "3mf"):
        np.testing.assert_allclose(again.arrays["vertices"], artifact.arrays["vertices"], atol=1e-5)
        np.testing.assert_allclose(again.arrays["colours"], artifact.arrays["colours"], atol=0.005)
    if name == "3mf":  # vertices between colours may stand for several
        tints = [one.arrays["colours"][one.arrays["faces"]].mean((0, 1)) for one in (artifact, again)]
        np.testing.assert_allclose(*tints, atol=0.005)


def test_an_independent_reader_sees_a_closed_coloured_shape_upright(artifact: Artifact) -> None:
    for name in ("glb", "ply", "obj", "stl", "3mf"):
        content = formats.encode(artifact, SPECS[name])
        read = trimesh.load_scene(io.BytesIO(content), file_type=name, process=name == "stl").to_mesh()
        assert read.is_volume, name
        if name in ("stl", "3mf"):  # Z is up, the bed at 0
            np.testing.assert_allclose(read.bounds, [[0, 0, 0], [80, 40, 60]], atol=2)
            assert read.bounds[0] == pytest.approx(0, abs=1e-4)
        else:
            np.testing.assert_allclose(read.extents, [0.8, 0.6, 0.4], atol=0.02)


def test_what_is_printed_shows_its_front_to_the_front_of_the_bed() -> None:
    nose = np.array([[0, 0, 0.5], [-0.1, 0, 0], [0.1, 0, 0], [0, 0.3, 0]], np.float32)
    faces = np.array([[0, 2, 3], [0, 3, 1], [0, 1, 2], [1, 3, 2]])
    mesh = Artifact("mesh", {"vertices": nose, "faces": faces})
    for name in ("stl", "3mf"):
        content = formats.encode(mesh, SPECS[name])
        read = trimesh.load_scene(io.BytesIO(content), file_type=name, process=name == "stl").to_mesh()
        assert read.volume > 0
        tip = read.vertices[read.vertices[:, 1].argmin()]
        np.testing.assert_allclose(tip, [10, 0, 0], atol=1e-3)
        np.testing.assert_allclose(read.extents, [20, 50, 30], atol=1e-3)
        again = getattr(files, f"read_{name}")(io.BytesIO(content)).arrays["vertices"]
        np.testing.assert_allclose(again[again[:, 2].argmax()], [0, -0.15, 0.25], atol=1e-5)


@pytest.mark.parametrize("name", ["obj", "ply"])
def test_trimesh_opens_one_closed_coloured_mesh(name: str, artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / f"an egg.{name}"
    formats.write(artifact, path, SPECS.values())
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    [mesh] = trimesh.load_scene(path).geometry.values()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert len(mesh.vertices) == len(artifact.arrays["vertices"])
    red = mesh.visual.vertex_colors[mesh.vertices[:, 0] < -0.1, :3].mean(0) / 255
    assert red[0] > 0.75
    assert red[1:].max() < 0.2


def test_trimesh_opens_xyz_with_its_colours(artifact: Artifact) -> None:
    content = formats.encode(artifact, SPECS["xyz"])
    cloud = trimesh.load(io.BytesIO(content), file_type="xyz")
    points, _, tints = files.sampled(artifact)
    np.testing.assert_allclose(cloud.vertices, points, atol=1e-6)
    np.testing.assert_allclose(cloud.colors[:, :3] / 255, tints, atol=0.003)


def test_glb_has_linear_colours_normals_and_a_material(artifact: Artifact) -> None:
    content = formats.encode(artifact, SPECS["glb"])
    total, length = struct.unpack_from("<8xI", content)[0], struct.unpack_from("<12xI", content)[0]
    assert total == len(content)
    document = json.loads(content[20 : 20 + length])
    blob = content[28 + length :]

    def values(index: int) -> np.ndarray:
        view = document["bufferViews"][document["accessors"][index]["bufferView"]]
        return np.frombuffer(blob, "<f4", view["byteLength"] // 4, view["byteOffset"]).reshape(-1, 3)

    primitive = document["meshes"][0]["primitives"][0]
    light = values(primitive["attributes"]["COLOR_0"])
    srgb = artifact.arrays["colours"]
    np.testing.assert_allclose(light, ((srgb + 0.055) / 1.055) ** 2.4, atol=2e-3)
    np.testing.assert_allclose(colours.encoded(light), srgb, atol=1e-5)
    facing = values(primitive["attributes"]["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(facing, axis=1), 1, atol=1e-5)
    assert ((facing * artifact.arrays["vertices"]).sum(1) > 0).all()
    position = document["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_allclose(position["min"], artifact.arrays["vertices"].min(0))
    material = document["materials"][primitive["material"]]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 0
    assert json.loads(document["asset"]["extras"]["gen"])["seed"] == 7


@pytest.mark.parametrize("name", ["glb", "ply", "xyz", "npz"])
def test_points_alone_on_request(name: str, artifact: Artifact) -> None:
    content = formats.encode(as_points(artifact), SPECS[name])
    again = getattr(files, f"read_{name}")(io.BytesIO(content))
    assert again.kind == "points"
    assert again.arrays["points"].shape == (1500, 3)
    assert again.arrays["colours"].shape == (1500, 3)
    assert ((again.arrays["normals"] * again.arrays["points"]).sum(1) > 0).all()
    left = again.arrays["points"][:, 0] < -0.1
    assert (again.arrays["colours"][left, 0] > 0.8).all()
    assert (again.arrays["colours"][~left, 0].min()) < 0.2


@pytest.mark.parametrize("name", ["obj", "stl", "3mf"])
def test_formats_of_surfaces_refuse_points(name: str, artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="holds mesh, not points"):
        formats.encode(as_points(artifact), SPECS[name])


def test_3mf_has_a_colour_for_every_corner(artifact: Artifact) -> None:
    content = formats.encode(artifact, SPECS["3mf"])
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.testzip() is None
        text = packed.read("3D/3dmodel.model").decode()
    assert 'unit="millimeter"' in text
    corners = text.count("<triangle ")
    assert corners == len(artifact.arrays["faces"]) == text.count(' p3="')


def test_pictures_turn_and_open_elsewhere(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    import av
    from PIL import Image

    for name, value in (("GIF_FRAMES", 5), ("MP4_FRAMES", 6), ("MOVING", 96)):
        monkeypatch.setattr(pictures, name, value)

    still = Image.open(io.BytesIO(formats.encode(artifact, SPECS["png"])))
    assert still.size == (512, 512)
    assert json.loads(still.info["gen"])["seed"] == 7
    pixels = np.asarray(still.convert("RGB")).astype(int)
    red = (pixels[..., 0] > 120) & (pixels[..., 1] < 90)
    dark = pixels.sum(-1) < 250
    assert 0 < np.nonzero(red)[1].mean() < np.nonzero(dark)[1].mean()  # red is on the left
    moving = Image.open(io.BytesIO(formats.encode(artifact, SPECS["gif"])))
    assert (moving.n_frames, moving.info["loop"], moving.info["duration"]) == (5, 0, 80)
    content = formats.encode(artifact, SPECS["mp4"])
    assert content == formats.encode(artifact, SPECS["mp4"])
    with av.open(io.BytesIO(content)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert json.loads(film.metadata["comment"])["seed"] == 7
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 6
    assert content.index(b"moov") < content.index(b"mdat")


def test_points_are_pictured_and_found_by_their_kind(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Artifact] = []
    points, sampled = as_points(artifact), files.sampled
    monkeypatch.setattr(pictures, "GIF_FRAMES", 5)
    monkeypatch.setattr(files, "sampled", lambda one: drawn.append(one) or sampled(one))
    assert {spec.name for spec in Host.discover().formats("points")} >= {"glb", "ply", "xyz", "npz", "png"}
    for name in ("png", "gif"):
        assert points.save(tmp_path / f"it.{name}").bytes > 1000
    assert len(drawn) == 2  # once for each file, not for each frame


def test_no_view_of_a_box_leaves_the_picture() -> None:
    cube = trimesh.creation.box((1, 1, 1))
    arrays = cube.vertices.astype(np.float32), cube.faces, np.full((8, 3), (0.8, 0.1, 0.1), np.float32)
    facing = arrays[0] / np.linalg.norm(arrays[0], axis=1, keepdims=True)
    clear = (render.BACKGROUND * 255).round()
    for turn in range(0, 90, 15):
        for elevation in (0.0, 22.0, 40.0):
            whole = render.picture(*arrays, facing, 64, turn, elevation)
            rim = np.concatenate([whole[0], whole[-1], whole[:, 0], whole[:, -1]])
            assert (rim == clear).all()
            assert (whole != clear).any(2).mean() > 0.15


def test_words_that_end_a_header_do_not(artifact: Artifact) -> None:
    recipe = replace(RECIPE, prompt="end_header\nend_header")
    content = formats.encode(replace(artifact, recipe=recipe), SPECS["ply"])
    assert content.count(b"end_header") == 1
    assert Recipe.from_json(files.read_ply_metadata(io.BytesIO(content))["gen"]) == recipe
    assert files.read_ply(io.BytesIO(content)).arrays["vertices"].shape == artifact.arrays["vertices"].shape


def test_colours_of_foreign_glb() -> None:
    """A texture is sRGB, a factor is light, both are multiplied as light, and a mesh without is grey."""
    from PIL import Image
    from trimesh.visual.material import PBRMaterial

    def square(x: float, **material: object) -> trimesh.Trimesh:
        vertices = np.array([[x, 0, 0], [x + 0.05, 0, 0], [x, 0.1, 0]])
        mesh = trimesh.Trimesh(vertices, [[0, 1, 2]], process=False)
        if material:
            uv = np.full((3, 2), 0.5)
            mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=PBRMaterial(**material))
        return mesh

    picture = Image.new("RGB", (4, 4), (128, 64, 200))
    half = [0.5, 0.5, 0.5, 1.0]
    squares = [
        square(0, baseColorTexture=picture),
        square(0.1, baseColorFactor=half),
        square(0.2, baseColorTexture=picture, baseColorFactor=half),
        square(0.3),
    ]
    read = files.read_glb(io.BytesIO(trimesh.Scene(squares).export(file_type="glb"))).arrays
    texel = np.array([128, 64, 200]) / 255
    dimmed = colours.encoded(colours.linear(texel) / 2)
    for i, wanted in enumerate((texel, [0.735] * 3, dimmed, [0.6] * 3)):
        found = read["colours"][np.rint(read["vertices"][:, 0] * 10 - 0.1) == i]
        np.testing.assert_allclose(found, [wanted] * 3, atol=0.01)


@pytest.mark.parametrize("name", ["glb", "3mf"])
def test_shapes_that_are_named_many_times_are_not_put_together(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ball = trimesh.creation.icosphere(2)
    scene = trimesh.Scene({"ball": ball})
    for number in range(200):
        scene.graph.update(f"ball {number}", geometry="ball")
    content = scene.export(file_type=name)
    monkeypatch.setattr(limits, "MAX_UNPACKED", 1 << 20)
    with pytest.raises(UsageError, match="stands for more than 1 MiB"):
        getattr(files, f"read_{name}")(io.BytesIO(content))


def glb(document: object, blob: bytes = b"", total: int | None = None) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    whole = 28 + len(text) + len(blob) if total is None else total
    head = struct.pack("<III", 0x46546C67, 2, whole)
    return (
        head
        + struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(blob), 0x4E4942)
        + blob
    )


HUGE = {"asset": {"version": "2.0"}, "accessors": [{"count": 10**9, "type": "VEC3", "componentType": 5126}]}
MANY = {
    "asset": {"version": "2.0"},
    "accessors": [{"count": 10_000, "type": "VEC3", "componentType": 5126}],
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}] * 5_000}],
}
ELSEWHERE = {"asset": {"version": "2.0"}, "buffers": [{"uri": "/etc/passwd", "byteLength": 4}]}
BAD = {
    "empty.glb": (b"", "not a binary glTF"),
    "four-gigabytes.glb": (glb({"asset": {}}, total=2**32 - 1), "claims 4294967295 bytes"),
    "huge.glb": (glb(HUGE), "stands for more than 512 MiB"),
    "many.glb": (glb(MANY), "stands for more than 512 MiB"),
    "elsewhere.glb": (glb(ELSEWHERE), "another file"),
    "damaged.glb": (glb(["no"]), "damaged"),
    "nothing.glb": (glb({"asset": {"version": "2.0"}}), "no surface"),
    "empty.ply": (b"", "empty"),
    "text.ply": (b"hello", "no PLY"),
    "short.ply": (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1000000\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\n\0\0",
        "claims 1000000 of 'vertex' and ends before them",
    ),
    "nan.xyz": (b"nan 0 0\n1 2 3\n", "not finite"),
    "words.xyz": (b"a b c\n", "3, 6 or 9"),
    "three.xyz": (b"0 0 0 255 0 -9\n1 2 3 0 255 0\n", "neither normals of length 1 nor colours"),
    "four.xyz": (b"1 2 3 4\n", "3, 6 or 9"),
    "one-place.xyz": (b"9 9 9\n9 9 9\n", "no size"),
    "none.obj": (b"f 1 2 3\n", "names vertex 1 of 0"),
    "short.stl": (b"\0" * 84, "no surface"),
    "text.3mf": (b"PK nothing", "not a whole zip"),
    "text.npz": (b"PK nothing", "not a whole zip"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_reported_in_one_line(name: str, tmp_path: Path) -> None:
    content, said = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        formats.read(path, SPECS.values(), kind="mesh")
    assert "\n" not in caught.value.message


def test_archives_that_grow_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNPACKED", 1 << 20)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("coords.npy", bytes(limits.MAX_UNPACKED + 1))
    for suffix in ("npz", "3mf"):
        path = tmp_path / f"bomb.{suffix}"
        path.write_bytes(content.getvalue())
        with pytest.raises(UsageError, match="unpacks to more than 1 MiB"):
            formats.read(path, SPECS.values(), kind="mesh")


@pytest.mark.parametrize("name", SHAPES)
def test_truncated_files_are_reported_in_one_line(name: str, artifact: Artifact, tmp_path: Path) -> None:
    content = formats.encode(artifact, SPECS[name])
    path = tmp_path / f"half.{name}"
    path.write_bytes(content[: len(content) // 2])
    if name in ("obj", "xyz"):  # lines of text: half of them may be a smaller shape
        pytest.skip("text has no length")
    with pytest.raises(UsageError) as caught:
        formats.read(path, SPECS.values(), kind="mesh")
    assert "\n" not in caught.value.message


def test_specs_name_what_exists() -> None:
    spec: FormatSpec
    for spec in plugin.gen_formats():
        for reference in (spec.writer, spec.reader, spec.metadata_reader):
            if reference:
                module, _, attribute = reference.partition(":")
                assert hasattr(__import__(module, fromlist=[attribute]), attribute)
