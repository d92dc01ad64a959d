"""Families: many, whole, inside the box, closed, described by what is true of them."""

import random
from collections import Counter

import numpy as np
import pytest

from gen_mesh import grids, surface
from gen_mesh.training.data import shapes
from gen_mesh.training.data.builder import FAMILIES, PALETTE


def test_there_are_many_families() -> None:
    assert len(FAMILIES) >= 40
    names = [name for family in FAMILIES.values() for name in family.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("part", range(4))
def test_every_family_is_a_closed_shape_within_the_box(part: int) -> None:
    rng = random.Random(part)
    for name in sorted(FAMILIES)[part::4]:
        shape = shapes.make(name, rng.choice(sorted(PALETTE)), rng)
        distance, colours = shape.grid()
        rim = [
            distance[0],
            distance[-1],
            distance[:, 0],
            distance[:, -1],
            distance[..., 0],
            distance[..., -1],
        ]
        assert min(side.min() for side in rim) > 0, name
        assert colours.min() >= 0
        assert colours.max() <= 1
        mesh = surface.extract(*grids.unstacked(grids.stacked(distance, colours)), 0.0, None)
        assert surface.closed(mesh.faces), name
        longest = np.ptp(mesh.vertices, axis=0).max()
        # Parts that are cut away again count for the size, so a shape may be smaller than its word says.
        assert (
            0.5 * shapes.EXTENT[shape.facts["size"]] < longest < shapes.EXTENT[shape.facts["size"]] + 0.03
        ), name


def test_shapes_follow_their_seed_and_their_wishes() -> None:
    one, same = (shapes.make("mug", "red", random.Random(3)).grid() for _ in range(2))
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[1], same[1])
    wanted = {"legs": "3", "size": "", "height": "tall", "outline": "round"}
    table = shapes.make("table", "green", random.Random(0), wanted)
    text = shapes.canonical(table)
    assert all(word in text for word in ("green", "tall", "round", "table", "three legs")), text


def test_legs_are_there() -> None:
    """A cut through the legs of a table meets as many pieces as the caption says."""
    from scipy import ndimage

    for legs in ("3", "4"):
        wanted = {"legs": legs, "size": "", "height": "", "outline": "", "top colour": ""}
        distance, _ = shapes.make("table", "red", random.Random(1), wanted).grid()
        rows = np.flatnonzero((distance < 0).any((0, 2)))
        level = rows[0] + (rows[-1] - rows[0]) // 3
        assert ndimage.label(distance[:, level] < 0)[1] == int(legs)


def test_training_never_sees_what_is_held_out() -> None:
    rng = random.Random(0)
    for _ in range(300):
        shape = shapes.draw(rng)
        assert not shapes.held_out(shape.family, shape.colour)
        for name, value in shape.facts.items():
            assert not value or not shapes.held_out(shape.family, f"{name}={value}")
    share = np.mean([shapes.held_out(f, c) for f in FAMILIES for c in PALETTE])
    assert 0.04 < share < 0.14


def test_the_hardest_families_are_drawn_more_often_and_of_one_size_where_wanted() -> None:
    rng = random.Random(2)
    drawn = [shapes.draw(rng, {"size": ""}) for _ in range(600)]
    count = Counter(shape.family for shape in drawn)
    assert count["mug"] > 2 * 600 / len(FAMILIES)
    assert set(shapes.WEIGHTS) <= FAMILIES.keys()
    assert {shape.facts["size"] for shape in drawn} == {""}


def test_captions_name_every_proportion_so_that_a_bare_name_means_the_usual_make() -> None:
    rng = random.Random(4)
    flat = shapes.make("cube", "red", rng, {"size": "", "proportions": "flat"})
    assert all("flat" in shapes.caption(flat, rng).split() for _ in range(50))


def test_captions_say_only_what_is_true() -> None:
    rng = random.Random(5)
    for _ in range(100):
        shape = shapes.draw(rng)
        said = set(shapes.caption(shape, rng).lower().replace(",", "").split())
        names = {word for name in FAMILIES[shape.family].names for word in name.split()}
        known = {
            *shape.adjectives,
            shape.colour,
            "a",
            "an",
            "with",
            "and",
            shape.facts.get("glyph", "").lower(),
        }
        features = {word for phrase in shape.features for word in phrase.lower().split()}
        assert said <= names | known | features
    assert shapes.canonical(shapes.make("elephant", "orange", rng, {"size": "", "trunk": "down"})) == (
        "an orange elephant"
    )
