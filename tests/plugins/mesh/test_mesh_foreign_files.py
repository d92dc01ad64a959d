"""PLY, OBJ, STL, 3MF, XYZ and npz of other programs."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from gen.artifact import Artifact
from gen.errors import GenWarning, UsageError
from gen_mesh import files
from gen_mesh.files import polygons

HOUSE = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 2, 0)]
MIXED = [(0, 1, 2, 3), (3, 2, 4)]
TYPES = {"uchar": "B", "ushort": "H", "float": "f", "double": "d", "int": "i"}


def read(name: str, content: bytes | str) -> Artifact:
    reader: Callable[[io.BytesIO], Artifact] = getattr(files, f"read_{name}")
    return reader(io.BytesIO(content.encode() if isinstance(content, str) else content))


def areas(artifact: Artifact) -> np.ndarray:
    places, faces = artifact.arrays["vertices"].astype(np.float64), artifact.arrays["faces"]
    a, b, c = (places[faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a) / 2


def ply(
    order: str,
    faces: list[tuple[int, ...]],
    tints: dict[str, tuple] | None = None,
    kind: str = "uchar",
    place: str = "float",
    of_faces: bool = False,
    end: str = "\n",
) -> bytes:
    """A house with colours of its vertices or faces, which ``tints`` gives by channel."""
    tints = tints or {}
    channels = [f"property {kind} {name}" for name in tints]
    head = [
        "ply",
        f"format {order} 1.0",
        "comment made elsewhere",
        f"element vertex {len(HOUSE)}",
        *(f"property {place} {name}" for name in "xyz"),
        *([] if of_faces else channels),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        *(channels if of_faces else []),
        "end_header",
    ]
    tails = list(zip(*tints.values(), strict=True))
    rows, loops = list(HOUSE), [(len(face), *face) for face in faces]
    vertex, codes = TYPES[place] * 3, TYPES[kind] * len(tints)
    if of_faces:
        loops = [loop + tail for loop, tail in zip(loops, tails, strict=True)]
    elif tails:
        rows, vertex = [row + tail for row, tail in zip(rows, tails, strict=True)], vertex + codes
    start = (end.join(head) + end).encode()
    if order == "ascii":
        return start + "".join(" ".join(map(str, row)) + end for row in [*rows, *loops]).encode()
    way = "<" if "little" in order else ">"
    content = b"".join(struct.pack(way + vertex, *row) for row in rows)
    for face, loop in zip(faces, loops, strict=True):
        content += struct.pack(f"{way}B{len(face)}i" + (codes if of_faces else ""), *loop)
    return start + content


ORDERS = ("ascii", "binary_little_endian", "binary_big_endian")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("place", ["float", "double"])
@pytest.mark.parametrize("faces", [MIXED, MIXED[::-1], MIXED[:1], MIXED[1:]])
def test_ply_of_polygons_of_any_sizes(order: str, end: str, place: str, faces: list[tuple[int, ...]]) -> None:
    found = read("ply", ply(order, faces, end=end, place=place))
    assert len(found.arrays["faces"]) == sum(len(face) - 2 for face in faces)
    assert areas(found)[:, 2].sum() == pytest.approx(sum({4: 1, 3: 0.5}[len(face)] for face in faces))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("kind", "full"), [("uchar", 255), ("ushort", 65535), ("float", 1.0), ("int", 255)])
def test_ply_colours_of_every_type(order: str, kind: str, full: float) -> None:
    half = full if kind == "float" else full // 3
    tints = {"red": (full,) * 5, "green": (half,) * 5, "blue": (0,) * 5}
    found = read("ply", ply(order, MIXED, tints, kind)).arrays["colours"]
    np.testing.assert_allclose(found, np.tile([1, half / full, 0], (5, 1)), atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_ply_colours_of_faces_do_not_run_into_each_other(order: str) -> None:
    tints = {"red": (255, 0), "green": (0, 0), "blue": (0, 255)}
    found = read("ply", ply(order, MIXED, tints, of_faces=True)).arrays
    by_corner = found["colours"][found["faces"]]
    assert by_corner[:2].reshape(-1, 3).tolist() == [[1, 0, 0]] * 6
    assert by_corner[2].tolist() == [[0, 0, 1]] * 3
    assert len(found["vertices"]) == 4 + 3  # vertices within one colour stay shared


def test_ply_strips() -> None:
    text = (
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
        "0 0 0\n1 0 0\n0 1 0\n1 1 0\n8 0 1 2 3 -1 0 1 2\n"
    )
    found = read("ply", text)
    assert (areas(found)[:, 2] == 0.5).all()
    assert len(found.arrays["faces"]) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b"float x", b"\x05loat x"), r"unknown type '\\x05loat'"),
        ((b"element vertex 5", b"element vertex -5"), "'element vertex -5', which is not understood"),
        ((b"element vertex 5", b"element vertex 1000000000000"), "claims 1000000000000 of 'vertex'"),
        ((b"element face 2", b"element face 9"), "claims 9 of 'face'"),
        ((b"end_header", b"end-header"), "header has no end"),
        ((b" 1.0\n", b" 1.0\nproperty\n"), "'property', which is not understood"),
        ((b"4 0 1 2 3", b"4 0 1 2 9"), "names vertex 9"),
        ((b"4 0 1 2 3", b"4 0 1 2 -1"), "names vertex -1"),
        ((b"4 0 1 2 3", b"4 0 one 2 3"), "holds 'one' in place of a number"),
    ],
)
def test_ply_faults_are_named(change: tuple[bytes, bytes], said: str) -> None:
    content = ply("ascii", MIXED)
    assert content.count(change[0]) >= 1
    with pytest.raises(UsageError, match=said):
        read("ply", content.replace(*change, 1))


def test_polygons_that_are_not_convex_keep_their_area_and_side() -> None:
    rng = np.random.default_rng(0)
    for corners in (4, 5, 8, 30):
        angle = (
            np.sort(rng.uniform(0, 2 * np.pi, corners))
            if corners > 5
            else np.arange(corners) * 2 * np.pi / corners
        )
        radius = np.where(np.arange(corners) % 2 == 0, 1.0, 0.2)
        star = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(corners)], -1)
        whole = np.cross(star, np.roll(star, -1, axis=0)).sum(0) / 2
        for turn in (np.eye(3), np.eye(3)[[1, 2, 0]], np.eye(3)[[1, 0, 2]]):
            places, wanted = star @ turn, np.linalg.det(turn) * (whole @ turn)
            faces, owner = polygons.triangulated(places, np.arange(corners), np.array([corners]))
            a, b, c = (places[faces[:, i]] for i in range(3))
            parts = np.cross(b - a, c - a) / 2
            assert len(faces) == corners - 2 == len(owner)
            np.testing.assert_allclose(parts.sum(0), wanted, atol=1e-9)
            assert (parts @ wanted > -1e-9).all()


def test_corners_on_straight_sides_of_concave_polygons_stay() -> None:
    rough = [(0, 0), (3, 0), (3, 2), (2, 2), (2, 1), (1, 1), (1, 2), (0, 2)]
    ends = zip(rough, [*rough[1:], rough[0]], strict=True)
    corners = [(a + (c - a) * t, b + (d - b) * t, 0) for (a, b), (c, d) in ends for t in (0, 0.25, 0.5)]
    places, count = np.array(corners, np.float64), len(corners)
    faces, _ = polygons.triangulated(places, np.arange(count), np.array([count]))
    edges = {(face[i], face[(i + 1) % 3]) for face in faces.tolist() for i in range(3)}
    assert all((i, (i + 1) % count) in edges for i in range(count))
    a, b, c = (places[faces[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] / 2).sum() == pytest.approx(5)


def test_obj_relative_indices_count_from_where_they_stand() -> None:
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 9\nv 1 0 9\nv 0 1 9\nf -3/-1 -2/5 -1//2\nf 1 2 3\n"
    found = read("obj", text).arrays
    assert found["vertices"][found["faces"]].mean(1)[:, 2].tolist() == [0, 9, 0]


def test_obj_colours_to_255_or_to_1() -> None:
    for full in (255, 1):
        rows = "".join(f"v {x} {y} 0 {full} {full * 0.5} 0\n" for x, y in ((0, 0), (1, 0), (0, 1)))
        found = read("obj", rows + "f 1 2 3\n").arrays["colours"]
        np.testing.assert_allclose(found, np.tile([1, 0.5, 0], (3, 1)))
    some = read("obj", "v 0 0 0 1 0 0\nv 1 0 0\nv 0 1 0 1\nf 1 2 3\n").arrays["colours"]
    np.testing.assert_allclose(some, [[1, 0, 0], [0.6] * 3, [0.6] * 3])


@pytest.mark.parametrize("name", ["obj", "ply"])
def test_large_coordinates_lose_nothing(name: str) -> None:
    fine = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.123, 0.456, 0.789]])
    rows = [f"{500000 + x:.3f} {4500000 + y:.3f} {z:.3f}" for x, y, z in fine]
    if name == "obj":
        text = "".join(f"v {row}\n" for row in rows) + "f 1 2 3\nf 1 2 4\n"
    else:
        text = "ply\nformat ascii 1.0\nelement vertex 4\n" + "".join(f"property double {n}\n" for n in "xyz")
        text += "element face 2\nproperty list uchar int vertex_index\nend_header\n"
        text += "".join(f"{row}\n" for row in rows) + "3 0 1 2\n3 0 1 3\n"
    found = read(name, text).arrays["vertices"]
    np.testing.assert_allclose(found - found[0], fine, atol=1e-6)
    points = read("xyz", "".join(f"{row}\n" for row in rows)).arrays["points"]
    np.testing.assert_allclose((points - points[0]) / 0.96, fine, atol=1e-6)  # 0.96 is the longest side


def test_what_float32_holds_stays_where_it_is() -> None:
    found = read("obj", "v 5 0 0\nv 6 0 0\nv 5 1.1 0\nf 1 2 3\n").arrays["vertices"]
    np.testing.assert_allclose(found, [[5, 0, 0], [6, 0, 0], [5, 1.1, 0]])


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_obj_in_every_spelling(mark: bytes, end: str) -> None:
    lines = [
        "v 0 0 0 # corner",
        "v 1 \\",
        " 0 0",
        "\tv 1 1 0",
        "v 0 1 0",
        "g \xe9",
        "s off",
        "usemtl a",
        "f 1 2 \\",
        "3 4 # all",
    ]
    found = read("obj", mark + end.join(lines).encode("latin-1"))
    assert len(found.arrays["faces"]) == 2
    assert areas(found)[:, 2].sum() == pytest.approx(1)


def test_obj_in_utf16() -> None:
    found = read("obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".encode("utf-16"))
    assert len(found.arrays["faces"]) == 1


def test_obj_lines_are_left_out_with_a_warning() -> None:
    with pytest.warns(GenWarning, match=r"its lines are left out \(1\)"):
        read("obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nl 1 2 3\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "names vertex 4 of 3"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "names vertex 0 of 3"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -4 1 2\n", "names vertex -4 of 3"),
        ("v 0 0 x\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "'x' in place of a number"),
        ("v 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "2 numbers in place of 3"),
        ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "faces have no area"),
        ("v 0 0 0\nv 1 0 0\nv 0 1e400 0\nf 1 2 3\n", "not finite"),
        ("v 0 0 0\nv 1 0 0\nv 0 1e300 0\nf 1 2 3\n", "larger than float32"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf a b c\n", "'a' in place of a number"),
        ("# nothing\n", "no surface and no points"),
        ("v 0 0 0\nv 1 0 0\nvn 0 0 1\nvn 0 1\n", "normals do not have three numbers"),
    ],
)
def test_obj_faults_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read("obj", text)


TETRA = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], "<f4")
SIDES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def stl(head: bytes = b"made elsewhere", claimed: int = 4, behind: bytes = b"") -> bytes:
    rows = np.zeros(4, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    rows["corners"] = TETRA[SIDES]
    return head.ljust(80) + struct.pack("<I", claimed) + rows.tobytes() + behind


@pytest.mark.parametrize(
    "content",
    [
        stl(),
        stl(behind=b"\0\0"),
        stl(b"solid"),
        stl(b"solid facet normal"),
        stl(b"solid x", behind=b"\n" * 7),
    ],
)
def test_stl_with_bytes_behind_and_misleading_heads(content: bytes) -> None:
    found = read("stl", content).arrays
    assert found["faces"].shape == (4, 3)
    assert len(found["vertices"]) == 4
    np.testing.assert_allclose(np.ptp(found["vertices"], axis=0), 0.1, atol=1e-6)


@pytest.mark.parametrize("claimed", [0, 1, 5, 2**32 - 1])
def test_stl_with_a_wrong_count_is_read_as_far_as_it_goes(claimed: int) -> None:
    """As PrusaSlicer and its like do, which take the count from the size of the file."""
    with pytest.warns(GenWarning, match=f"claims {claimed} triangles; the 4"):
        assert read("stl", stl(claimed=claimed)).arrays["faces"].shape == (4, 3)


def test_stl_that_ends_within_a_triangle_is_refused() -> None:
    with pytest.raises(UsageError, match="claims 4 triangles and ends after 3"):
        read("stl", stl()[:-7])
    with pytest.raises(UsageError, match="within its header"):
        read("stl", b"\0" * 40)


@pytest.mark.parametrize("mark", ["", "\ufeff", "\n  "])
def test_stl_text(mark: str) -> None:
    facets = [
        "facet normal 0 0 0\n outer loop\n"
        + "".join(f"  VERTEX {x:e} {y} {z}\n" for x, y, z in TETRA[side].tolist())
        + " endloop\nendfacet\n"
        for side in SIDES
    ]
    found = read("stl", f"{mark}solid a b\n{''.join(facets)}endsolid\n").arrays
    assert found["faces"].shape == (4, 3)
    assert len(found["vertices"]) == 4
    with pytest.raises(UsageError, match="three"):
        read("stl", f"solid a\n{facets[0]}{facets[1].replace('VERTEX', 'verte', 1)}endsolid\n")


CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
OTHERS = {
    "m": "http://schemas.microsoft.com/3dmanufacturing/material/2015/02",
    "p": "http://schemas.microsoft.com/3dmanufacturing/production/2015/06",
    "b": "http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02",
}
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"


def solid(number: int, kind: str = "", triangles: str = "") -> str:
    points = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in TETRA.tolist())
    sides = triangles or "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in SIDES.tolist())
    mesh = f"<mesh><vertices>{points}</vertices><triangles>{sides}</triangles></mesh>"
    return f'<object id="{number}" {kind}>{mesh}</object>'


def model(resources: str, build: str, unit: str = "", more: str = "", declared: str = "") -> str:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in OTHERS.items())
    return (
        f'<?xml version="1.0"?>{declared}<model {unit} xmlns="{CORE}" {spaces} {more}>'
        f"<resources>{resources}</resources><build>{build}</build></model>"
    )


def threemf(text: str, name: str = "3D/3dmodel.model", related: bool = True, **parts: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        if related:
            link = f'<Relationship Target="/{name}" Id="r" Type="{MODEL}"/>'
            packed.writestr("_rels/.rels", f'<Relationships xmlns="{PACKAGE}">{link}</Relationships>')
        packed.writestr(name, text)
        for other, held in parts.items():
            packed.writestr(f"3D/{other}.model", held)
    return content.getvalue()


ITEM = '<item objectid="1"/>'


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        ("micron", 1e-6),
        ("millimeter", 1e-3),
        ("centimeter", 1e-2),
        ("inch", 0.0254),
        ("foot", 0.3048),
        ("meter", 1),
        ("", 1e-3),
    ],
)
def test_3mf_in_every_unit(unit: str, metres: float) -> None:
    said = f'unit="{unit}"' if unit else ""
    found = read("3mf", threemf(model(solid(1), ITEM, said))).arrays["vertices"]
    # A hundred millimetres are one; the shape has ten units.
    np.testing.assert_allclose(np.ptp(found, axis=0), 10 * metres / 0.1, rtol=1e-5)


@pytest.mark.parametrize("name", ["3D/3dmodel.model", "other/Part 1.model", "3D/MODEL.Model"])
@pytest.mark.parametrize("related", [True, False])
def test_3mf_with_any_names_of_parts(name: str, related: bool) -> None:
    content = threemf(model(solid(1), ITEM), name, related)
    assert read("3mf", content).arrays["faces"].shape == (4, 3)
    assert files.read_3mf_metadata(io.BytesIO(content)) == {}


def test_3mf_builds_components_and_items_where_their_transforms_say() -> None:
    """Rows of a transform are those of the matrix behind a row of coordinates (core specification, 3.3)."""
    pair = (
        '<object id="2"><components><component objectid="1"/>'
        '<component objectid="1" transform="-1 0 0 0 1 0 0 0 1 50 0 0"/></components></object>'
    )
    items = '<item objectid="2" transform="1 0 0 0 2 0 0 0 1 0 0 100"/><item objectid="1"/>'
    found = read("3mf", threemf(model(solid(1) + pair + solid(9), items)))
    assert found.arrays["faces"].shape == (12, 3)
    low, high = found.arrays["vertices"].min(0), found.arrays["vertices"].max(0)
    # 50 wide, 20 deep, 110 high, in hundreds of millimetres, Y up.
    np.testing.assert_allclose(high - low, [0.5, 1.1, 0.2], atol=1e-6)
    volumes = (
        np.linalg.det(found.arrays["vertices"].astype(np.float64)[found.arrays["faces"]]).reshape(3, 4).sum(1)
        / 6
    )
    np.testing.assert_allclose(volumes * 1e6, [2000 / 6, 2000 / 6, 1000 / 6], rtol=1e-3)


def test_3mf_with_objects_in_other_parts() -> None:
    far = '<object id="2"><components><component objectid="5" p:path="/3D/far.model"/></components></object>'
    text = model(far, '<item objectid="2"/>', more='requiredextensions="p"')
    assert read("3mf", threemf(text, far=model(solid(5), ""))).arrays["faces"].shape == (4, 3)
    with pytest.raises(UsageError, match=r"lacks its part '/3D/far.model'"):
        read("3mf", threemf(text))


def test_3mf_colours() -> None:
    group = '<m:colorgroup id="7"><m:color color="#FF0000FF"/><m:color color="#0000FF"/></m:colorgroup>'
    base = '<basematerials id="8"><base name="g" displaycolor="#00FF00"/></basematerials>'
    sides = (
        '<triangle v1="0" v2="2" v3="1" pid="7" p1="0" p2="1" p3="0"/>'
        '<triangle v1="0" v2="1" v3="3" pid="7" p1="1"/>'
        '<triangle v1="0" v2="3" v3="2"/><triangle v1="1" v2="2" v3="3"/>'
    )
    held = group + base + solid(1, 'pid="8" pindex="0"', sides)
    found = read("3mf", threemf(model(held, ITEM))).arrays
    red, green, blue = [1, 0, 0], [0, 1, 0], [0, 0, 1]
    wanted = [[red, blue, red], [blue] * 3, [green] * 3, [green] * 3]
    assert found["colours"][found["faces"]].tolist() == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (model(solid(1), ITEM, 'unit="ell"'), "unit is 'ell'"),
        (model(solid(1), ITEM, more='requiredextensions="p b"'), "beamlattice"),
        (model(solid(1), '<item objectid="4"/>'), "names the object '4'"),
        (
            model('<object id="1"><components><component objectid="1"/></components></object>', ITEM),
            "object 1 holds itself",
        ),
        (model(solid(1).replace('v1="0"', 'v1="9"'), ITEM), "names a vertex that it does not hold"),
        (model(solid(1).replace('x="0.0"', 'x="wide"'), ITEM), "lacks a number"),
        (model(solid(1).replace('x="0.0"', ""), ITEM), "lacks a number"),
        (model(solid(1), ITEM)[:-40], "damaged in line 1"),
        (
            model(solid(1), ITEM, declared='<!DOCTYPE model [<!ENTITY world SYSTEM "file:///etc/passwd">]>'),
            "document type, which 3MF forbids",
        ),
        (model("", ""), "no surface"),
    ],
)
def test_3mf_faults_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read("3mf", threemf(text))


def test_3mf_whose_archive_points_before_its_start() -> None:
    content = threemf(model(solid(1), ITEM))
    with pytest.raises(UsageError, match="damaged"):
        read("3mf", content[:3] + content[4:])


def test_3mf_shapes_within_shapes_are_counted_before_they_are_built() -> None:
    doubled = "".join(
        f'<object id="{n}"><components><component objectid="{n - 1}"/><component objectid="{n - 1}"/>'
        "</components></object>"
        for n in range(2, 60)
    )
    with pytest.raises(UsageError, match="stands for more than 512 MiB"):
        read("3mf", threemf(model(solid(1) + doubled, '<item objectid="59"/>')))


def test_3mf_parts_are_read_no_further_than_their_first_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    plain = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        content = plain(self, n)
        taken.append(len(content))
        return content

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    head = model("", "")[:-50]
    for bomb in ("<<" + "a" * (1 << 25), head + "<object id='" + "1" * (1 << 25)):
        taken.clear()
        with pytest.raises(UsageError, match="damaged"):
            read("3mf", threemf(bomb))
        assert sum(taken) < 1 << 23


XYZ = np.array([[0, 0, 0], [0.1, 0.2, 0.3], [-0.4, 0, 0.25]])


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";", ", ", " ; "])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_xyz_in_every_spelling(separator: str, mark: str, end: str) -> None:
    lines = ["# scanned", "// elsewhere", "", *(separator.join(map(str, row)) for row in XYZ), "  # end"]
    found = read("xyz", mark + end.join(lines)).arrays
    assert set(found) == {"points"}
    np.testing.assert_allclose(found["points"], XYZ, atol=1e-7)


def test_xyz_with_decimal_commas() -> None:
    text = "\n".join(";".join(str(value).replace(".", ",") for value in row) for row in XYZ.astype(float))
    np.testing.assert_allclose(read("xyz", text).arrays["points"], XYZ, atol=1e-7)


FACING = np.array([[0, 0, 1], [0.6, -0.8, 0], [0, 1, 0]])
TINTS = np.array([[1, 0, 0], [0.2, 0.4, 0.6], [0, 0, 0]])


@pytest.mark.parametrize("full", [1, 255, 65535])
@pytest.mark.parametrize("order", ["c", "n", "cn", "nc"])
def test_xyz_columns_are_known_by_their_values(full: int, order: str) -> None:
    columns = {"c": TINTS * full, "n": FACING}
    table = np.hstack([XYZ, *(columns[name] for name in order)])
    found = read("xyz", "\n".join(" ".join(map(str, row)) for row in table)).arrays
    assert set(found) == {
        "points",
        *(["colours"] if "c" in order else []),
        *(["normals"] if "n" in order else []),
    }
    if "c" in order:
        np.testing.assert_allclose(found["colours"], TINTS, atol=1e-6)
    if "n" in order:
        np.testing.assert_allclose(found["normals"], FACING, atol=1e-6)


def test_xyz_whose_first_line_names_the_columns_or_counts_the_others() -> None:
    rows = [" ".join(map(str, row)) for row in np.hstack([TINTS * 255, XYZ, np.ones((3, 1))])]
    found = read("xyz", "\n".join(["Red Green Blue X Y Z intensity", *rows])).arrays
    np.testing.assert_allclose(found["points"], XYZ, atol=1e-7)
    np.testing.assert_allclose(found["colours"], TINTS, atol=1e-6)
    counted = read("xyz", "\n".join(["3", *(" ".join(map(str, row)) for row in XYZ)])).arrays
    assert len(counted["points"]) == 3


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def header(text: str) -> bytes:
    content = io.BytesIO()
    line = text.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("coords.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npz(coords=np.zeros((0, 3))), "no surface and no points"),
        (npz(coords=np.zeros(5)), r"shape \(5,\), not \(N, 3\)"),
        (npz(coords=np.array(["a"] * 3)), "not numbers"),
        (npz(vertices=TETRA, faces=SIDES.astype(float)), "not whole numbers"),
        (npz(vertices=TETRA, faces=SIDES + 1), "names vertex 4"),
        (npz(vertices=TETRA, faces=SIDES - 1), "names vertex -1"),
        (npz(coords=TETRA, R=np.zeros(4), G=np.zeros(4), B=np.zeros(3)), "different shapes"),
        (npz(coords=TETRA, normals=TETRA[:2]), "2 normals for 4 points"),
        (npz(coords=TETRA.astype(object)), "'coords' holds Python objects"),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (500000000000, 3)}"),
            "claims 12000000000000 bytes",
        ),
        (header("print('no')"), "'coords' is damaged"),
        (header("{'descr': '<f8'}"), "'coords' is damaged"),
    ],
)
def test_npz_faults_are_named(content: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read("npz", content)
    assert not any(word in caught.value.message for word in ("ast.", "0x", "zero-size", "allocate"))


def test_npz_keeps_bytes_as_colours() -> None:
    found = read("npz", npz(vertices=TETRA, faces=SIDES, colours=np.full((4, 3), 51, np.uint8)))
    np.testing.assert_allclose(found.arrays["colours"], 0.2)


def test_polygons_beyond_the_limit_become_fans(monkeypatch: pytest.MonkeyPatch) -> None:
    angle = np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.3)
    star = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], -1)
    least = []
    for most in (10, 9):
        monkeypatch.setattr(polygons, "MOST_CORNERS", most)
        faces, _ = polygons.triangulated(star, np.arange(10), np.array([10]))
        assert len(faces) == 8
        a, b, c = (star[faces[:, i]] for i in range(3))
        least.append(np.cross(b - a, c - a)[:, 2].min())
    assert [one > -1e-9 for one in least] == [True, False]
