"""What is measured is what the names of the metrics say."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from gen.artifact import Artifact
from gen.evaluation import Trial
from gen_mesh.training import classifier, evaluate
from gen_mesh.training.data import fields, shapes
from gen_mesh.training.data.fields import Part
from gen_mesh.training.data.shapes import Shape


def said(shape: Shape) -> list[str]:
    return [f"{name}={value}" for name, value in shape.facts.items() if value]


def test_the_splits_are_what_training_sees_and_what_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "GROUP", 25)
    for split in evaluate.SPLITS:
        drawn = evaluate._drawn(split, "prompts")
        assert len(drawn) == 25
        for shape in drawn:
            colour = shapes.held_out(shape.family, shape.colour)
            attribute = any(shapes.held_out(shape.family, what) for what in said(shape))
            assert (colour, attribute) == ("colours" in split, "attributes" in split)
        others = {shapes.canonical(shape) for shape in evaluate._drawn(split, "others")}
        assert sum(shapes.canonical(shape) in others for shape in drawn) < 5


def test_real_shapes_pass_and_other_colours_do_not() -> None:
    """The tyres of a car are black, however it is painted."""
    blue, again, black = (
        evaluate._mesh(shapes.make("car", colour, random.Random(seed), {"size": ""}))
        for colour, seed in (("blue", 0), ("blue", 1), ("black", 0))
    )
    assert evaluate._has_colour(again, blue, "blue")
    assert not evaluate._has_colour(blue, black, "black")


def test_real_shapes_are_as_near_to_others_as_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two independent sets of real shapes cannot be told apart; a set and its copy would be."""
    monkeypatch.setattr(evaluate, "GROUP", 24)
    monkeypatch.setattr(evaluate, "CLOUD", 64)
    drawn = [evaluate._drawn("seen", part) for part in ("prompts", "others")]
    real, others = ([evaluate._mesh(shape) for shape in part] for part in drawn)
    told = evaluate._sets(evaluate.Sample(drawn[0], real, real, real, others))
    assert 25 < float(told["1-NNA, of real shapes"].split()[0]) < 75
    # Even of the same surface, other points are drawn.
    assert float(told["chamfer to the real one x 1000, median, of real shapes"]) > 0


def test_what_is_held_out_of_a_shape_is_told_apart() -> None:
    rng, plain = random.Random(0), {"size": "", "height": "", "proportions": ""}
    facts = [("rabbit", {}), ("rabbit", {"size": "small"}), ("jar", {"proportions": "wide"})]
    facts.append(("rocket", {"size": "big", "height": "tall"}))
    drawn = [shapes.make(family, "red", rng, {**plain, **given}) for family, given in facts]
    assert [evaluate._hidden(shape) for shape in drawn] == ["", "size", "proportions", "proportions"]


@pytest.mark.slow
def test_prompts_that_count_say_nothing_else() -> None:
    wanted = evaluate.stating(("mug",), "handle", ("none", "two", "big"), 6)
    assert [shape.facts["handle"] for shape in wanted] == ["none", "two", "big"] * 2
    assert shapes.canonical(wanted[0]) == "a black mug with no handle"
    counted = [evaluate._handles(evaluate._mesh(shape)) for shape in wanted]
    assert np.mean([a == b for a, b in zip(counted, [0, 2, 1] * 2, strict=True)]) > 0.5
    tables = evaluate.stating(("table", "stool"), "legs", ("3", "4"), 4)
    assert [evaluate._legs(evaluate._mesh(shape)) for shape in tables] == [3, 3, 4, 4]


def test_a_hole_in_a_wall_is_counted() -> None:
    """A bowl is whole, and not with a hole through its bottom; nothing is said of it but its colour."""
    bowl = evaluate._plain("bowl", "red")
    assert shapes.canonical(bowl) == "a red bowl"
    assert evaluate._handles(evaluate._mesh(bowl)) == 0
    drill = fields.box((0.06, 1.0, 0.06), 0.0)
    holed = replace(
        bowl, parts=(*bowl.parts, Part(drill, (0.0, 0.0, 0.0), None, bowl.parts[0].colour, "cut"))
    )
    assert evaluate._handles(evaluate._mesh(holed)) == 1


@pytest.mark.slow
def test_an_evaluation_tells_all_splits_and_real_shapes_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("GROUP", 1), ("COUNTED", 1), ("CLOUD", 32)):
        monkeypatch.setattr(evaluate, name, value)
    names = classifier.names()
    monkeypatch.setattr(classifier, "judge", lambda _: classifier.Classifier(len(names)).eval())
    stool = evaluate._mesh(shapes.make("stool", "red", random.Random(0), {"legs": "3"}))

    def draw(prompts: Sequence[str], seeds: Sequence[int], **_: object) -> Iterator[Artifact]:
        assert len(prompts) == len(seeds)
        return iter([stool] * len(prompts))

    trial = Trial(model=None, draw=draw, samples=None, report=lambda _: None)  # type: ignore[arg-type]
    told = evaluate.evaluate(trial)
    groups = [f"{of}, {split}" for split in evaluate.SPLITS for of in ("combinations", "surfaces", "sets")]
    assert list(told) == ["natural prompts", "development prompts", *groups, "counted"]
    counted = told["counted"]
    assert isinstance(counted, dict)
    assert counted["legs of tables and stools"].startswith("100.0 % of 1")
    assert counted["legs of tables and stools, of real shapes"].startswith("100.0 % of 1")
    assert counted["walls whole without thickening"].startswith("100.0 % of 1")
    assert counted["walls whole without thickening, of real shapes"].startswith("100.0 % of 1")
    assert counted["tall is taller than without a word"].startswith("0.0 % of 1")
