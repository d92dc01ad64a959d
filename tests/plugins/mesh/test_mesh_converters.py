"""Converters of shapes: from pictures, to pictures and turntables, to points and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gen.artifact import Artifact
from gen.conversion import convert
from gen.errors import UsageError
from gen.plugin.host import Host
from gen_mesh import surface

HOST = Host.discover()


def by(name: str, source: Artifact, **params: Any) -> Artifact:
    spec = next(spec for spec in HOST.converters() if spec.name == name)
    return convert(source, (spec,), params, HOST)


def disc(side: int = 64, *, alpha: bool = False) -> Artifact:
    """A red disc of half the width on blue, or on nothing."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    inside = np.hypot(x, y) < side / 4
    pixels = np.where(inside[..., None], [0.9, 0.1, 0.1], [0.1, 0.1, 0.9])
    if alpha:
        pixels = np.concatenate([pixels, inside[..., None]], -1)
    return Artifact("image", {"pixels": pixels.astype(np.float32)})


def volume(mesh: Artifact) -> float:
    a, b, c = (mesh.arrays["vertices"][mesh.arrays["faces"][:, i]].astype(float) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("alpha", [False, True])
def test_a_disc_becomes_a_ball_of_its_colour(alpha: bool) -> None:
    mesh = by("inflate", disc(alpha=alpha), depth=1.0)
    assert surface.closed(mesh.arrays["faces"].astype(np.int64))
    size = np.ptp(mesh.arrays["vertices"], axis=0)
    assert size == pytest.approx([0.92] * 3, abs=0.06)
    assert volume(mesh) == pytest.approx(np.pi / 6 * 0.92**3, rel=0.15)
    assert mesh.arrays["colours"].mean(0) == pytest.approx([0.9, 0.1, 0.1], abs=0.05), "no background"


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing stands out"):
        by("inflate", Artifact("image", {"pixels": np.full((32, 32, 3), 0.5, np.float32)}))


@pytest.mark.parametrize("shape", [(20, 20, 3), (10, 30, 1), (41, 8, 4)])
def test_a_relief_is_closed_and_rises_where_it_is_bright(shape: tuple[int, int, int]) -> None:
    pixels = np.zeros(shape, np.float32)
    pixels[:, shape[1] // 2 :] = 1
    if shape[2] == 4:
        pixels[..., 3] = 1
    mesh = by("relief", Artifact("image", {"pixels": pixels}), depth=0.2, detail=40)
    faces, vertices = mesh.arrays["faces"].astype(np.int64), mesh.arrays["vertices"]
    assert surface.closed(faces)
    assert volume(mesh) > 0, "its faces look outwards"
    assert np.abs(vertices).max() <= 0.5
    right, left = (
        vertices[side, 2].max()
        for side in (vertices[:, 0] > 0.05, vertices[:, 0] < -0.2 * (shape[1] > 8) - 0.05)
    )
    assert right - left > 0.1
    flipped = by("relief", Artifact("image", {"pixels": pixels}), depth=0.2, detail=40, invert=True)
    assert flipped.arrays["vertices"][flipped.arrays["vertices"][:, 0] < -0.05, 2].max() > left


def test_points_on_a_ball_lie_on_it_and_their_surface_is_the_ball() -> None:
    mesh = by("inflate", disc(), depth=1.0)
    points = by("sample", mesh, points=2000)
    assert points.arrays["points"].shape == points.arrays["normals"].shape == (2000, 3)
    again = by("surface", points, cells=32)
    assert surface.closed(again.arrays["faces"].astype(np.int64))
    assert volume(again) == pytest.approx(volume(mesh), rel=0.1)
    bare = Artifact("points", {"points": points.arrays["points"]})
    with pytest.raises(UsageError, match="no normals"):
        by("surface", bare)


@pytest.mark.parametrize("kind", ["mesh", "points"])
def test_pictures_and_turntables_without_a_display(kind: str) -> None:
    mesh = by("relief", disc(32), detail=16)
    shape, start = (mesh, "") if kind == "mesh" else (by("sample", mesh, points=500), "points-")
    picture = by(f"{start}picture", shape, side=64).arrays["pixels"]
    assert picture.shape == (64, 64, 3)
    film = by(f"{start}turntable", shape, side=64, seconds=1, fps=4)
    assert film.arrays["frames"].shape == (4, 64, 64, 3)
    assert film.attributes["fps"] == "4"
    assert (film.arrays["frames"][0] == picture).all(), "a turn begins at the picture"
    front, back = film.arrays["frames"][0], film.arrays["frames"][2]
    assert np.abs(front - back).max() > 0.2
