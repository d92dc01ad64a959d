"""Surfaces are closed and face outwards; points on them are even; points become the grid they came from."""

import tracemalloc

import numpy as np
import pytest
import trimesh

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen_mesh import cloud, grids, surface
from gen_mesh.grids import BAND, SIZE
from gen_mesh.training.data import fields
from gen_mesh.training.data.fields import Part


def ball(radius: float = 0.35, *more: Part) -> tuple[np.ndarray, np.ndarray]:
    solid = fields.ellipsoid((radius,) * 3)
    distance, colours = fields.evaluate(
        [Part(solid, (0, 0, 0), None, (1, 0.5, 0)), *more], 1, (0, 0, 0), SIZE, BAND
    )
    return np.clip(distance, -BAND, BAND), colours


def as_trimesh(mesh: surface.Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def test_a_ball_has_the_area_volume_and_normals_of_a_ball() -> None:
    mesh = surface.extract(*ball(), 0.0, None)
    read = as_trimesh(mesh)
    assert read.is_volume  # watertight, consistently wound, facing outwards
    assert read.volume == pytest.approx(4 / 3 * np.pi * 0.35**3, rel=0.01)
    assert read.area == pytest.approx(4 * np.pi * 0.35**2, rel=0.01)
    facing = surface.normals(mesh.vertices, mesh.faces)
    outwards = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert ((facing * outwards).sum(1) > 0.98).all()
    np.testing.assert_allclose(mesh.colours, np.tile([1, 0.5, 0], (len(mesh.vertices), 1)), atol=1e-5)


def test_floaters_and_hollows_go() -> None:
    speck = Part(fields.ellipsoid((0.03,) * 3), (0.45, 0.45, 0.45), None, (0, 0, 1))
    hollow = Part(fields.ellipsoid((0.1,) * 3), (0, 0, 0), None, (0, 0, 1), "cut")
    mesh = surface.extract(*ball(0.3, speck, hollow), 0.0, None)
    assert as_trimesh(mesh).body_count == 1
    assert as_trimesh(mesh).volume == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.02)


def test_decimation_keeps_surfaces_closed() -> None:
    mesh = surface.extract(*ball(), 0.0, 500)
    assert 300 < len(mesh.faces) <= 500
    assert as_trimesh(mesh).is_volume
    assert surface.closed(mesh.faces)
    assert as_trimesh(mesh).volume == pytest.approx(4 / 3 * np.pi * 0.35**3, rel=0.05)


def test_an_open_or_doubled_surface_is_reported() -> None:
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    assert surface.closed(faces)
    assert not surface.closed(faces[:3])
    assert not surface.closed(faces[:, [0, 2, 1]][:1].repeat(4, 0))
    assert not surface.closed(np.vstack([faces[:3], faces[3:, ::-1]]))


def test_nothing_inside_is_said() -> None:
    empty = np.ones((8, 8, 8), np.float32)
    for smoothing in (0.0, 1.0):
        with pytest.raises(GenError, match=r"no inside$"):
            surface.isosurface(empty, smoothing, None)
    small = empty.copy()
    small[3:5, 3:5, 3:5] = -0.1
    surface.isosurface(small, 0.0, None)
    with pytest.raises(GenError, match=r"no inside \(use less smoothing\)"):
        surface.isosurface(small, 1.0, None)


def test_points_are_even_repeatable_and_on_the_surface() -> None:
    mesh = surface.extract(*ball(), 0.0, None)
    points, facing, colours = surface.points_on(mesh.vertices, mesh.faces, mesh.colours, 1024)
    again = surface.points_on(mesh.vertices, mesh.faces, mesh.colours, 1024)[0]
    np.testing.assert_array_equal(points, again)
    assert points.shape == facing.shape == colours.shape == (1024, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.35, atol=0.004)
    from scipy.spatial import cKDTree

    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    drawn = np.random.default_rng(0).standard_normal((1024, 3))
    drawn *= 0.35 / np.linalg.norm(drawn, axis=1, keepdims=True)
    random = cKDTree(drawn).query(drawn, k=2)[0][:, 1]
    assert nearest.mean() > 1.4 * random.mean()
    assert np.quantile(nearest, 0.05) > 3 * np.quantile(random, 0.05)


def test_a_surface_upon_itself_takes_no_more_memory() -> None:
    vertices = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]], np.float32)
    faces = np.tile([[0, 1, 2]], (5000, 1))
    tracemalloc.start()
    points, _, _ = surface.points_on(vertices, faces, np.zeros_like(vertices), 1000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert points.shape == (1000, 3)
    assert most < 20e6  # every pair of 4000 points: hundreds


def test_points_become_the_grid_they_came_from() -> None:
    distance, colours = ball()
    mesh = surface.extract(distance, colours, 0.0, None)
    artifact = Artifact("mesh", {"vertices": mesh.vertices, "faces": mesh.faces, "colours": mesh.colours})
    again, tints = cloud.grid(*cloud.oriented(artifact), SIZE, BAND)
    near = np.abs(distance) < 0.8 * BAND
    np.testing.assert_allclose(again[near], distance[near], atol=0.004)
    assert ((again < 0) == (distance < 0)).mean() > 0.999
    np.testing.assert_allclose(tints[near], colours[near], atol=1e-5)


@pytest.mark.parametrize("kind", ["points", "mesh"])
@pytest.mark.parametrize("std", [0.01, 0.02, 0.04])
def test_stated_noise_is_averaged_out_of_points_and_vertices(kind: str, std: float) -> None:
    mesh = surface.extract(*ball(), 0.0, None)
    rng = np.random.default_rng(0)
    if kind == "mesh":
        true, rest = mesh.vertices, {"faces": mesh.faces}
    else:
        true, normals, _ = surface.points_on(mesh.vertices, mesh.faces, mesh.colours, 6000)
        rest = {"normals": normals}
    noisy = (true + std * rng.standard_normal(true.shape)).astype(np.float32)
    given = Artifact(kind, {"vertices" if kind == "mesh" else "points": noisy, **rest})

    def spread(points: np.ndarray) -> float:
        return float(np.linalg.norm(points, axis=1).std())

    before, after = (spread(cloud.oriented(given, stated)[0]) for stated in (0.0, std))
    assert after < 0.5 * before


def test_corners_of_a_coarse_mesh_stay_where_they_are() -> None:
    box = trimesh.creation.box((0.6, 0.6, 0.6))
    corners = box.vertices.astype(np.float32)
    np.testing.assert_array_equal(cloud.evened(corners, box.faces, 0.01), corners)


def test_what_reaches_out_of_the_box_is_fitted() -> None:
    points = np.array([[0, 0, 0], [10, 2, 4]], np.float32)
    fitted = cloud.fitted(points)
    np.testing.assert_allclose(np.ptp(fitted, axis=0) / np.ptp(points, axis=0), cloud.LONGEST / 10, rtol=1e-5)
    np.testing.assert_allclose(fitted.sum(0), 0, atol=1e-6)
    np.testing.assert_array_equal(cloud.fitted(fitted), fitted)
    with pytest.raises(UsageError, match="no size"):
        cloud.fitted(np.full((3, 3), 7, np.float32))


def test_stacks_go_back() -> None:
    distance, colours = ball()
    again, tints = grids.unstacked(grids.stacked(distance, colours))
    near = np.abs(distance) < BAND
    np.testing.assert_allclose(again, distance, atol=1e-7)
    np.testing.assert_allclose(tints[near], colours[near], atol=1e-6)
