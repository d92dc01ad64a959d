"""What the metrics say of clips whose properties are known."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

import gen
from gen.artifact import Artifact
from gen.evaluation import Trial
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


def test_the_judge_of_motions_sees_that_a_disc_turns() -> None:
    rows, columns = torch.meshgrid(torch.arange(128) - 63.5, torch.arange(128) - 63.5, indexing="ij")
    disc = (rows.square() + columns.square()).sqrt() < 40
    frames = torch.ones(2, 3, 128, 128)
    frames[0][:, disc & (rows < 0)] = -1
    frames[0, 0][disc] = -1
    frames[1][:, disc & (columns < 0)] = -1
    frames[1, 0][disc] = -1
    first, second = judges.views(frames, torch.ones(3, 1, 1))
    assert torch.equal(first[3], second[3])
    assert (first[:3] - second[:3]).abs().mean() > 0.05
    # On another background the thing differs from it, and nothing else does.
    coloured = judges.views(torch.full((1, 3, 128, 128), -0.5), torch.full((3, 1, 1), -0.5))
    assert not coloured.any()


@pytest.mark.parametrize(
    ("motion", "speed", "named", "alike"),
    [
        ("past right", "slow", "right", True),
        ("left", "fast", "past left", True),
        ("right", "normal", "past right", False),
        ("right", "fast", "left", False),
        ("right", "fast", "roll right", False),
        ("shake", "normal", "still", False),
    ],
)
def test_a_motion_is_like_another_that_goes_there_as_fast(
    motion: str, speed: str, named: str, alike: bool
) -> None:
    assert evaluate._alike(Actor(0, motion, speed, phase=0.125), named) == alike


def test_the_ends_that_are_given_show_what_the_image_model_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    red = np.zeros((128, 128, 4), np.float32)
    red[30:50, 60:80] = [1, 0, 0, 1]
    monkeypatch.setattr(gen, "image", lambda names, **_: [Artifact("image", {"pixels": red})] * len(names))
    monkeypatch.setattr(judges, "name_motions", lambda _, seen: ["right"] * len(seen))
    given: list[np.ndarray] = []

    def draw(prompts: Sequence[str], seeds: Sequence[int], **params: Artifact) -> Iterator[Artifact]:
        assert len(prompts) == len(seeds) == 1
        ends = [params[name].arrays["pixels"] for name in ("first", "last")]
        given.extend(ends)
        yield Artifact("video", {"frames": np.stack([ends[0]] * 8 + [ends[1]] * 8)}, {"fps": "8"})

    trial = Trial(
        model=None,  # type: ignore[arg-type]
        draw=draw,
        samples=3,
        report=lambda _: None,
        groups=frozenset(["given pictures"]),
    )
    evaluation = evaluate._Evaluation(trial)
    evaluation.motion_judge = None  # type: ignore[assignment]
    shares = [str(value)[:6] for value in evaluation.run()["given pictures"].values()]  # type: ignore[attr-defined]
    # Of what goes left, right and up.
    assert shares == ["33.3 %"] * 4
    assert len(given) == 6
    red_is_at = [np.argwhere(frame[..., 1] < 0.5).mean(0) for frame in given]
    moved = [last - first for first, last in zip(red_is_at[::2], red_is_at[1::2], strict=True)]
    assert moved[0][1] < -20
    assert moved[1][1] > 20
    assert moved[2][0] < -20
    assert all((frame[[0, -1]].min(-1) > 0.99).all() for frame in given[:4])
    # As large as things are.
    assert np.ptp(np.argwhere(given[4][..., 1] < 0.5), 0).max() == pytest.approx(62, abs=2)
