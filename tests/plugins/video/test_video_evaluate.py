"""What the metrics say of clips whose properties are known."""

import math

import numpy as np
import pytest
import torch

from gen_video.training import evaluate, judges
from gen_video.training.data import things
from gen_video.training.data.clips import Actor, Clip
from gen_video.training.data.render import Renderer


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(things.load())


@pytest.mark.parametrize(("motion", "angle"), [("right", 0), ("down", 90), ("left", 180), ("up", -90)])
@pytest.mark.parametrize(("speed", "pixels"), [("slow", 2), ("normal", 4)])
def test_the_velocity_of_the_centroid(
    renderer: Renderer, motion: str, angle: int, speed: str, pixels: int
) -> None:
    clip = Clip((Actor(100, motion, speed, size=40),))
    found = evaluate._velocity(judges.outlines(renderer.render([clip])[0], torch.ones(3, 1, 1)))
    meant = pixels * np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    assert np.abs(found - meant).max() < 0.05


def test_a_still_background_is_still_and_a_noisy_one_is_not(renderer: Renderer) -> None:
    clip = Clip((Actor(3, "bounce"),))
    real, ground = renderer.render([clip])[0], torch.ones(3, 128, 128)
    assert evaluate._still(real, real, ground) == (0.0, 0.0)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0)) * 0.1
    deviation, _ = evaluate._still(real + noise, real, ground)
    assert deviation == pytest.approx(12.75, rel=0.05)


def test_psnr_is_that_of_values_from_0_to_1() -> None:
    a = torch.zeros(3, 8, 8)
    assert evaluate._psnr(a, a + 0.2) == pytest.approx(20, abs=1e-4)


def test_crops_hold_the_thing_wherever_it_is(renderer: Renderer) -> None:
    white = torch.ones(3, 1, 1)
    crops = []
    for x, y in ((-25, 0), (25, 10), (0, -20)):
        frames = renderer.render([Clip((Actor(3, size=48, x=x, y=y),))])[0][:1]
        crops.append(judges.crops(frames, judges.outlines(frames, white)))
    assert torch.cat(crops).shape == (3, 3, 32, 32)
    assert (crops[0] - crops[1]).abs().mean() < 0.05
    assert (crops[0] - crops[2]).abs().mean() < 0.05
    empty = torch.ones(2, 3, 128, 128)
    assert len(judges.crops(empty, judges.outlines(empty, white))) == 0
