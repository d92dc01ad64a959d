"""The primitives keep what a signed distance promises, and the grid is what the primitives say."""

import math
import random

import numpy as np
import pytest

from gen_mesh.training.data import fields, shapes
from gen_mesh.training.data.builder import PALETTE, Builder
from gen_mesh.training.data.fields import Part, Solid

SOLIDS = {
    "box": fields.box((0.3, 0.2, 0.4), 0.05),
    "ball": fields.ellipsoid((0.4, 0.4, 0.4)),
    "egg": fields.ellipsoid((0.4, 0.2, 0.3)),
    "stick": fields.capsule((-0.3, -0.1, 0.0), (0.3, 0.1, 0.0), 0.1, 0.1),
    "ring": fields.torus(0.3, 0.1),
    "lathe": fields.lathe([(0, -0.4), (0.3, -0.4), (0.1, 0.2), (0, 0.2)], 0.02),
    "slab": fields.slab([(-0.4, -0.1), (0.3, -0.1), (0.1, 0.3)], 0.1, 0.02),
    "cube of planes": fields.polyhedron(np.vstack([np.eye(3), -np.eye(3)]), 0.3, (0.3, 0.3, 0.3)),
}


def points(seed: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = np.random.default_rng(seed).uniform(-0.5, 0.5, (3, count)).astype(np.float32)
    return places[0], places[1], places[2]


@pytest.mark.parametrize("name", SOLIDS)
def test_what_is_inside_lies_in_the_bounding_box(name: str) -> None:
    solid = SOLIDS[name]
    places = points(0)
    inside = solid.distance(*places) < 0
    for axis in range(3):
        assert (np.abs(places[axis][inside] - solid.middle[axis]) <= solid.reach[axis] + 1e-6).all()
    assert 0 < inside.mean() < 1


@pytest.mark.parametrize("name", [name for name in SOLIDS if name != "egg"])
def test_no_distance_grows_faster_than_the_way(name: str) -> None:
    """A signed distance, or a lower bound of one, is 1-Lipschitz."""
    solid = SOLIDS[name]
    a, b = points(1), points(2)
    way = np.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))
    assert (np.abs(solid.distance(*a) - solid.distance(*b)) <= way * (1 + 1e-4) + 1e-5).all()


def test_the_axis_of_a_turned_solid_lies_deep_inside() -> None:
    """A cylinder's axis is a radius away from its side: no surface runs along it."""
    cylinder = fields.lathe([(0, -0.4), (0.3, -0.4), (0.3, 0.4), (0, 0.4)])
    x = np.linspace(0, 0.3, 7, dtype=np.float32)
    np.testing.assert_allclose(cylinder.distance(x, 0 * x, 0 * x), x - 0.3, atol=1e-6)


def test_a_turned_part_is_the_solid_in_turned_coordinates() -> None:
    turn = fields.rotation((20, 50, -70))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    part = Part(SOLIDS["box"], (0.1, -0.2, 0.05), turn, (1, 0, 0))
    places = np.stack(points(3))
    own = (turn.T @ (places - np.array([[0.1], [-0.2], [0.05]]))).astype(np.float32)
    np.testing.assert_allclose(part.distance(*places), SOLIDS["box"].distance(*own), atol=1e-5)


def test_union_cut_and_paint() -> None:
    ball, red, blue = fields.ellipsoid((0.3, 0.3, 0.3)), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)

    def grid(*parts: Part) -> tuple[np.ndarray, np.ndarray]:
        return fields.evaluate(parts, 1.0, (0, 0, 0), 32, 0.1)

    one, other = Part(ball, (-0.1, 0, 0), None, red), Part(ball, (0.1, 0, 0), None, blue)
    a, b = grid(one)[0], grid(other)[0]
    near = np.minimum(np.abs(a), np.abs(b)) < 0.1
    both, colours = grid(one, other)
    np.testing.assert_allclose(both[near], np.minimum(a, b)[near], atol=1e-6)
    assert colours[4, 16, 16, 0] == pytest.approx(1)
    assert colours[28, 16, 16, 2] == pytest.approx(1)
    cut, _ = grid(one, Part(ball, (0.1, 0, 0), None, blue, "cut"))
    np.testing.assert_allclose(cut[near], np.maximum(a, -b)[near], atol=1e-6)
    painted, colours = grid(one, Part(ball, (0.1, 0, 0), None, blue, "paint"))
    np.testing.assert_array_equal(painted, a)
    assert colours[20, 16, 16, 2] == pytest.approx(1)


def test_scale_and_shift_place_a_shape() -> None:
    solid: Solid = fields.ellipsoid((1.0, 1.0, 1.0))
    distance, _ = fields.evaluate([Part(solid, (0, 0, 0), None, (1, 1, 1))], 0.25, (0.1, 0.0, -0.1), 40, 0.1)
    middles = (np.arange(40) + 0.5) / 40 - 0.5
    x, y, z = np.meshgrid(middles - 0.1, middles, middles + 0.1, indexing="ij")
    exact = np.sqrt(x**2 + y**2 + z**2) - 0.25
    near = np.abs(exact) < 0.1
    np.testing.assert_allclose(distance[near], exact[near], atol=1e-5)


def test_an_attribute_has_only_its_values() -> None:
    builder = Builder(random.Random(0), PALETTE["red"], {"legs": "9"})
    with pytest.raises(ValueError, match="legs is one of"):
        shapes.FAMILIES["chair"].make(builder)


def test_a_stretched_ball_is_exact_at_its_surface() -> None:
    angles = np.linspace(0, math.pi, 50, dtype=np.float32)
    x, y = 0.4 * np.cos(angles), 0.2 * np.sin(angles)
    np.testing.assert_allclose(SOLIDS["egg"].distance(x, y, np.zeros_like(x)), 0, atol=1e-6)
