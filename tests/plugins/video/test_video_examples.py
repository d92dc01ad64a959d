"""What the denoiser learns from."""

import random

import numpy as np
import pytest
import torch

from gen_video.layers import POSE, unposed
from gen_video.training.data import clips, examples, things
from gen_video.training.data.examples import SHARES, Example
from gen_video.training.data.render import Renderer


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(things.load())


def drawn(renderer: Renderer, kind: str, count: int = 60) -> list[Example]:
    rng = random.Random(3)
    return [examples.draw(renderer, kind, rng) for _ in range(count)]


def poses(example: Example) -> list[tuple[np.ndarray, ...]]:
    """x, y, angle, wide, high and opacity of every actor."""
    return [
        unposed(example.motion[thing * POSE : (thing + 1) * POSE])
        for thing in range(len(example.clip.actors))
    ]


def test_the_shares_are_those_of_a_whole() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)


def test_what_is_told_is_the_clip(renderer: Renderer) -> None:
    for example in drawn(renderer, "told", 20):
        assert np.array_equal(example.motion, renderer.motion(example.clip))
        assert example.looks == renderer.looks(example.clip)


@pytest.mark.parametrize(("kind", "at"), [("first", 0), ("ends", -1)])
def test_a_given_frame_is_as_a_picture_is_taken_apart(renderer: Renderer, kind: str, at: int) -> None:
    mirrored = 0
    for example in drawn(renderer, kind):
        for x, y, angle, wide, high, opacity in poses(example):
            assert abs(angle[at]) < 1e-9
            assert wide[at] == pytest.approx(high[at])
            assert (opacity >= 0).all()
            assert np.abs([x, y]).max() <= 140
        # What is behind is where it was taken from.
        assert not example.motion[-2:, at].any()
        assert kind == "first" or not example.clip.camera
        mirrored += sum(look[2] for look in example.looks if isinstance(look, tuple))
    assert mirrored > 15


def test_pieces_go_on_where_others_end(renderer: Renderer) -> None:
    for example in drawn(renderer, "continued"):
        times = [np.arange(16) / 16 + start for start in (0, 0.75, 1.5, 2.25, 3)]
        times.append((np.arange(16) / 16 + 0.5) % 1)
        assert any(np.array_equal(example.motion, renderer.motion(example.clip, row)) for row in times)


@pytest.mark.parametrize(("kind", "strides"), [("told", 1), ("continued", 1), ("first", 0), ("ends", 0)])
def test_what_a_given_frame_shows_has_one_pose(renderer: Renderer, kind: str, strides: int) -> None:
    found = drawn(renderer, kind)
    walking = [
        example
        for example in found
        if len(example.clip.actors) == 1
        and example.clip.actors[0].thing in renderer.things.strides
        and example.clip.actors[0].motion in clips.WALKS
    ]
    assert len(walking) > 3
    for example in walking:
        first, second, _ = example.pictures
        opacity = np.abs(example.motion[[POSE - 1, 2 * POSE - 1]])
        assert second.any() == strides
        assert (example.looks[1] is not None) == strides
        assert opacity[1].any() == strides
        assert not opacity.all(0).any()
        if strides:
            assert not torch.equal(first, second)
            assert np.array_equal(*example.motion[: 2 * POSE].reshape(2, POSE, -1)[:, :-1])


def test_things_go_no_further_than_out_of_sight(renderer: Renderer) -> None:
    for example in drawn(renderer, "continued", 200):
        for x, y, *_ in poses(example):
            assert np.abs([x, y]).max() <= 140 + 1e-9
        assert np.isfinite(example.motion).all()
