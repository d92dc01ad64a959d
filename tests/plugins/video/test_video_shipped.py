"""The model that ships: it installs with the package, works at once, and makes what it is asked for."""

import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import pytest

import gen
from gen.artifact import Artifact
from gen.model import ModelFile
from gen_video.plugin import gen_models

[SPEC] = gen_models()
WEIGHTS = files("gen_video") / "weights" / "motion.safetensors"


@pytest.fixture(scope="module")
def motion():
    return gen.load("motion")


def track(artifact: Artifact) -> tuple[np.ndarray, np.ndarray]:
    """Where the middle of what is not white is, (T, 2) as x and y in pixels, and how much of it there is."""
    away = (1 - artifact.arrays["frames"].min(-1)) > 0.3
    area = away.sum((1, 2))
    axis = np.arange(away.shape[1]) + 0.5
    places = np.stack([away.sum(1) @ axis, away.sum(2) @ axis], 1) / np.maximum(area, 1)[:, None]
    return places, area


def test_the_file_is_the_one_declared_and_small_enough() -> None:
    data = WEIGHTS.read_bytes()
    assert len(data) == SPEC.size <= 16_000_000
    assert hashlib.sha256(data).hexdigest() == SPEC.sha256


def test_the_card_says_what_it_is_made_of() -> None:
    card = ModelFile(str(WEIGHTS)).card
    assert {"data", "data_licence", "licence", "training", "metrics", "held_out", "preset"} <= card.keys()
    page = (Path(__file__).parents[3] / "docs" / "models" / "motion.md").read_text()
    assert SPEC.sha256 in page


@pytest.mark.parametrize(
    ("prompt", "axis", "sign"),
    [
        ("a ball moves left", 0, -1),
        ("a heart moves right", 0, 1),
        ("a green apple rises", 1, -1),
        ("a donut falls", 1, 1),
    ],
)
def test_things_go_where_they_are_told_to(motion, prompt: str, axis: int, sign: int) -> None:
    places, area = track(motion(prompt, seed=3))
    seen = places[area > area.max() / 2]
    way = (seen[-1] - seen[0]) * sign
    assert way[axis] > 20
    assert abs(way[1 - axis]) < 12


@pytest.mark.slow
def test_what_beats_changes_its_size_and_what_moves_does_not(motion) -> None:
    beating, moving = (
        area[area > 0].std() / area.mean()
        for _, area in (
            track(motion(text, seed=1)) for text in ("a heart beats", "a heart moves right slowly")
        )
    )
    assert beating > 3 * moving


def widths(artifact: Artifact) -> np.ndarray:
    """Pixels from the left end of what is not white to its right end, (T,)."""
    away = ((1 - artifact.arrays["frames"].min(-1)) > 0.3).any(1)
    return np.array([np.ptp(np.flatnonzero(row)) if row.any() else 0 for row in away])


@pytest.mark.parametrize("prompt", ["a man walks right", "a woman running to the left"])
def test_people_take_strides(motion, prompt: str) -> None:
    # Arms and legs are apart in every other pose, which is seen for two frames.
    wide = widths(motion(prompt, seed=1)) > 30
    assert np.array_equal(wide, np.arange(16) // 2 % 2 == 0)
    # Between frames, one of them is seen, and not both.
    assert len({*widths(motion(prompt, seed=1, fps="24", frames=46)) // 8}) <= 3


def test_what_has_one_pose_or_is_given_keeps_it(motion) -> None:
    person = np.ascontiguousarray(motion("a man walks right", seed=1).arrays["frames"][0])
    for made in (
        motion("a rabbit runs right", seed=1),
        motion("a man walks right", seed=2, first=Artifact("image", {"pixels": person})),
    ):
        assert np.ptp(widths(made)[1:12]) < 5


def test_colours_are_those_asked_for(motion) -> None:
    frames = motion("a ball bounces on a blue background", seed=1).arrays["frames"]
    corner = frames[:, :12, :12].mean((1, 2))
    assert np.abs(corner - np.array([74, 128, 214]) / 255).max() < 0.12


def test_a_given_frame_is_kept_and_the_others_follow(motion) -> None:
    whole = motion("a ball moves right", seed=5).arrays["frames"]
    first, last = (Artifact("image", {"pixels": np.ascontiguousarray(whole[i])}) for i in (0, -1))
    made = motion("a ball moves right", seed=6, first=first, last=last).arrays["frames"]
    for given, frame in ((whole[0], made[0]), (whole[-1], made[-1])):
        assert np.array_equal(frame, given)
    steps = np.abs(np.diff(made, axis=0)).mean((1, 2, 3))
    assert steps.max() < 4 * np.median(steps)


def test_a_loop_has_no_seam(motion) -> None:
    frames = motion("a gear spins", seed=2, loop=True).arrays["frames"]
    steps = np.abs(frames - np.roll(frames, 1, 0)).mean((1, 2, 3))
    assert steps[0] < 2 * np.median(steps[1:])


def test_seed_and_prompt_decide(motion) -> None:
    one, same, other, prompt = (
        motion(text, seed=seed, steps=4).arrays["frames"]
        for text, seed in (
            ("a ball bounces", 1),
            ("a ball bounces", 1),
            ("a ball bounces", 2),
            ("a dog runs", 1),
        )
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, prompt)


def test_the_command_writes_a_clip(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("gen")), "video", "a rocket flies up", "-o", "rocket.mp4"]
    done = subprocess.run(
        [*command, "--seed", "7", "--seconds", "1", "--fps", "24", "--steps", "4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["rocket.mp4"]
    with av.open(str(tmp_path / "rocket.mp4")) as container:
        video = container.streams.video[0]
        assert (video.frames, video.average_rate, video.width) == (24, 24, 128)
    recipe = gen.formats.read_recipe(tmp_path / "rocket.mp4", gen.plugin.host.Host.discover().formats())
    assert (recipe.seed, recipe.model.sha256) == (7, SPEC.sha256)
