"""The metrics give what theory says of cases that are known exactly."""

import numpy as np
import pytest
import trimesh

from gen_mesh.training import measures


def test_distances_of_moved_clouds() -> None:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (60, 3)).astype(np.float32)
    moved = points + np.float32(1e-4)
    way = 1e-4 * np.sqrt(3)
    assert measures.chamfer(points, points) == 0
    assert measures.chamfer(points, moved) == pytest.approx(2 * way**2, rel=0.02)
    assert measures.earth_movers(points, moved[::-1]) == pytest.approx(way, rel=0.02)
    far = points + np.float32([5, 0, 0])
    assert measures.earth_movers(points, far) == pytest.approx(5, rel=1e-3)  # a shift is the best plan


def test_sets_that_are_alike_and_sets_that_are_not() -> None:
    rng = np.random.default_rng(0)

    def measured(shift: float) -> dict[str, float]:
        a, b = rng.standard_normal((100, 4)), rng.standard_normal((100, 4)) + shift
        gap = lambda x, y: np.linalg.norm(x[:, None] - y[None], axis=-1)  # noqa: E731
        return measures.set_measures(gap(a, a), gap(a, b), gap(b, b))

    alike, apart = measured(0), measured(50)
    assert alike["1-nna"] == pytest.approx(0.5, abs=0.1)
    assert apart["1-nna"] == 1
    assert alike["coverage"] > apart["coverage"]
    assert alike["mmd"] < apart["mmd"]


def test_handles_are_the_genus() -> None:
    ball, ring = trimesh.creation.icosphere(2), trimesh.creation.torus(1.0, 0.3)
    assert measures.handles(ball.faces) == 0
    assert measures.handles(ring.faces) == 1
    assert measures.handles(trimesh.util.concatenate([ball, ring, ring, ball]).faces) == 2


def test_legs_and_aspect() -> None:
    inside = np.zeros((20, 20, 20), bool)
    inside[2:18, 14:16, 2:18] = True
    for x, z in ((3, 3), (3, 15), (15, 9)):
        inside[x : x + 2, 2:14, z : z + 2] = True
    assert measures.legs(inside) == 3
    assert measures.aspect(np.array([[0, 0, 0], [1, 3, 2]], np.float32)) == 1.5
