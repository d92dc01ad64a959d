"""Frames that are taken apart into layers, with a matte that tells the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gen.nn import Matte
from gen_video.layers import POSE, unposed
from gen_video.taking_apart import taken_apart, told_apart
from gen_video.training import matte as matte_training
from gen_video.training.data import things
from gen_video.training.data.backgrounds import Background
from gen_video.training.data.clips import Actor, Clip
from gen_video.training.data.render import TIMES, Renderer


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(things.load())


class Truth(Matte):
    """Knows what is in the frames of a clip."""

    def __init__(self, renderer: Renderer, clip: Clip) -> None:
        super().__init__()
        self.frames = renderer.render([clip])[0]
        self.over, self.behind = matte_training.truth(renderer, [clip], TIMES[None])

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        index = int((self.frames - pictures).abs().sum((1, 2, 3)).argmin())
        return self.over[index : index + 1, 3:], self.behind[index : index + 1]


GREEN = Background("green")


@pytest.mark.parametrize("actor", [
    Actor(3, "left"), Actor(8, "circle", size=40, phase=0.2), Actor(3, "grow"), Actor(3, "still", size=120),
])  # fmt: skip
def test_taken_apart_and_put_together_a_clip_is_the_same(renderer: Renderer, actor: Actor) -> None:
    truth = Truth(renderer, Clip((actor,), background=GREEN))
    found = taken_apart(truth, truth.frames)
    again = found.frames() * 2 - 1
    error = ((again - truth.frames) / 2).square().mean((1, 2, 3))
    assert -10 * error.log10().max() > 25
    assert (found.ground * 2 - 1 - truth.behind[0]).abs().max() < 0.01
    assert not found.things[1].any()


def test_the_numbers_are_those_of_the_thing(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((Actor(3, "right", "normal"),), background=GREEN))
    motion = taken_apart(truth, truth.frames).motion
    x, y, cos, sin, wide, high, opacity = motion[:POSE]
    # 64 pixels in a clip, and 20 to a unit.
    assert np.abs(np.diff(x) - 3.2 / 16).max() < 0.06
    assert np.abs(y - y[0]).max() < 0.02
    assert np.array_equal(cos, np.ones(16))
    assert np.array_equal(sin, np.zeros(16))
    assert np.array_equal(wide, high)
    assert np.ptp(wide) < 0.1
    assert np.array_equal(opacity, np.full(16, 2))
    assert not motion[2 * POSE - 1 :].any()


@pytest.mark.parametrize("motion", ["spin", "swing", "roll left", "shake"])
def test_what_has_turned_between_two_frames_is_seen_to_have(renderer: Renderer, motion: str) -> None:
    clip = Clip((Actor(3, motion, "slow", phase=0.3, size=50),), background=GREEN)
    truth = Truth(renderer, clip)
    found = taken_apart(truth, truth.frames[[0, -1]])
    cos, sin = renderer.motion(clip)[2:4]
    turned = (unposed(found.motion[:POSE])[2][0] - np.arctan2(sin, cos)[0] + np.arctan2(sin, cos)[-1]) / np.pi
    assert abs((turned + 1) % 2 - 1) < 0.03
    # The last frame shows it upright.
    assert unposed(found.motion[:POSE])[2][1] == 0
    error = ((found.frames() * 2 - 1 - truth.frames[[0, -1]]) / 2).square().mean((1, 2, 3))
    assert -10 * error.log10().max() > 25


def test_what_is_not_there_at_times_is_not_seen_then(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((Actor(3, "blink", "slow"),), background=GREEN))
    found = taken_apart(truth, truth.frames)
    assert found.motion[POSE - 1].tolist() == [2] * 8 + [0] * 8
    # Its looks are those of a frame in which it is.
    assert found.things[0, 3].max() > 0.99
    assert (found.frames()[8:] - found.ground).abs().max() < 1e-6


def test_what_the_edge_cuts_off_is_where_it_would_be(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((Actor(3, "left", size=84),), background=GREEN))
    boxes = truth.over[[0, -1], 3].amax(1) > 0.5
    assert boxes[0, -1]
    assert boxes[1, 0]
    motion = taken_apart(truth, truth.frames[[0, -1]]).motion
    x, y, _, wide, *_ = unposed(motion[:POSE])
    assert x[0] - x[1] == pytest.approx(60, abs=4)
    assert abs(y[0] - y[1]) < 2
    assert wide[0] == wide[1]


@pytest.mark.parametrize("motion", ["right", "left", "up", "down"])
def test_what_opposite_edges_cut_off_is_put_together(renderer: Renderer, motion: str) -> None:
    clip = Clip((Actor(3, motion, "fast"),), background=GREEN)
    truth = Truth(renderer, clip)
    found = told_apart(truth, truth.frames[[0, -1]])
    assert found.poses.all()
    error = ((found.layers.frames() * 2 - 1 - truth.frames[[0, -1]]) / 2).square().mean((1, 2, 3))
    assert -10 * error.log10().max() > 25
    # In the middle of the clip all of it is seen.
    moved = found.layers.motion.mean(1, keepdims=True)
    middle = replace(found.layers, motion=moved).frames()[0]
    [real] = renderer.layers(clip, np.array([7.5 / 16])).frames()
    assert -10 * (middle - real).square().mean().log10() > 22


def test_of_parts_that_do_not_go_together_the_larger_is_certain() -> None:
    frames = torch.ones(2, 4, 128, 128)
    frames[:, 3] = 0
    frames[0, :, 34:94, :20] = torch.tensor([1.0, -1.0, -1.0, 1.0])[:, None, None]
    frames[1, :, 34:94, 100:] = torch.tensor([-1.0, -1.0, 1.0, 1.0])[:, None, None]
    found = told_apart(Matte(), frames)
    assert found.poses.tolist() == [False, True]
    # It is as wide as high, and beyond the edge is what nobody knows.
    x, _, _, wide, *_ = unposed(found.layers.motion[:POSE, 1:])
    assert x[0] == pytest.approx(100 + 30 - 64)
    assert wide[0] == pytest.approx(1.06 * 60)
    assert found.looks.float().mean() == pytest.approx(0.5, abs=0.05)
    assert found.looks[:, :56].all()


def test_what_the_same_edge_cuts_off_is_certain(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((Actor(3, x=-60),), background=GREEN))
    found = told_apart(truth, truth.frames[[0, -1]])
    assert found.poses.all()
    assert not found.looks[:, :32].any()


def test_of_what_is_behind_each_frame_shows_a_part(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((Actor(3, "past right"),), background=GREEN))
    green = truth.behind[0]
    # Where something covers it, a matte can but guess.
    truth.behind = truth.behind.where(truth.over[:, 3:] < 0.5, -1.0)
    assert (taken_apart(truth, truth.frames[[4, 11]]).ground * 2 - 1 - green).abs().max() < 0.01


def test_where_nothing_stands_out_there_is_no_thing(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((), background=GREEN))
    found = taken_apart(truth, truth.frames[:3])
    assert found.motion.shape == (16, 3)
    assert not found.things.any()
    assert not found.motion[[POSE - 1, 2 * POSE - 1]].any()
    assert (found.frames() * 2 - 1 - truth.frames[:3]).abs().max() < 1e-6


def test_a_picture_is_a_clip_of_one_frame(renderer: Renderer) -> None:
    truth = Truth(renderer, Clip((Actor(3, "left"),), background=GREEN))
    found = taken_apart(truth, truth.frames[4:5])
    assert found.motion.shape == (16, 1)
    error = ((found.frames() * 2 - 1 - truth.frames[4:5]) / 2).square().mean()
    assert -10 * error.log10() > 25
