"""Frames, seconds and rates: what they ask for, and what contradicts."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen.errors import UsageError
from gen_video.files.timing import Timing, parse_fps, timing

RATES = st.sampled_from([Fraction(1, 3), Fraction(8), Fraction(24), Fraction(30000, 1001), Fraction(60)])


@pytest.mark.parametrize(
    ("params", "frames", "fps"),
    [
        ({}, 16, "8"),
        ({"frames": 40}, 40, "8"),
        ({"seconds": 3.0}, 24, "8"),
        ({"fps": "24"}, 48, "24"),
        ({"seconds": 0.5, "fps": "29.97"}, 15, "2997/100"),
        ({"frames": 10, "seconds": 5.0}, 10, "2"),
        ({"frames": 48, "seconds": 2.0, "fps": "24"}, 48, "24"),
        ({"frames": 4, "fps": "1/3"}, 4, "1/3"),
        # What containers can say: numerator and denominator are 32 bits wide in them.
        ({"frames": 121, "seconds": 3.14159265}, 121, "98176/2549"),
    ],
)
def test_two_of_three_say_everything(params: dict[str, object], frames: int, fps: str) -> None:
    assert timing(params) == Timing(frames, Fraction(fps))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fps": "0"}, "^0 frames per second: from 0.1 to 120 are possible"),
        ({"fps": "0.05"}, "^0.05 frames per second: from 0.1 to 120 are possible"),
        ({"fps": "1" * 12}, "from 0.1 to 120"),
        ({"frames": 10, "seconds": 0.01}, "^1000 frames per second: from 0.1 to 120"),
        ({"seconds": 0.01}, "0.01 seconds are less than a frame at 8 frames per second: one takes 0.125"),
        ({"seconds": 0.01, "fps": "24", "frames": 1}, "leave one of them out"),
        ({"fps": "nan"}, "not a number"),
        ({"fps": "24/0"}, "not a number"),
        ({"fps": "fast"}, "not a number"),
        ({"fps": "1" * 400}, "not a number"),
        ({"fps": "1e999999999"}, "not a number"),
        ({"fps": "-24"}, "not a number"),
        ({"fps": "1000"}, "from 0.1 to 120"),
        ({"seconds": -1.0}, "above 0"),
        ({"seconds": 36000.0}, "36000 seconds|288000 frames"),
        ({"frames": 0}, "0 frames"),
        ({"frames": 10, "seconds": 2.0, "fps": "24"}, "leave one of them out"),
        ({"frames": 1800, "fps": "1"}, "at most 60"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(params: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        timing(params)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("fps", ["8", "16", "24", "29.97", "30", "60"])
def test_two_seconds_are_drawn_at_once(fps: str) -> None:
    assert timing({"seconds": 2.0, "fps": fps}).drawn == 16


def test_a_rate_is_exact() -> None:
    assert parse_fps("30000/1001") == Fraction(30000, 1001)
    assert parse_fps(" 29.97 ") == Fraction(2997, 100)
    assert parse_fps("119.88011988") == Fraction("119.88011988").limit_denominator(1_000_000)
    # As a clip of 1800 frames in a GIF may have it.
    assert parse_fps("1800000/60001") == Fraction(1800000, 60001)


@given(st.integers(1, 300), RATES)
def test_a_clip_begins_and_ends_on_drawn_frames_and_goes_on_evenly(frames: int, fps: Fraction) -> None:
    asked = Timing(frames, fps)
    positions = asked.positions
    assert len(positions) == frames
    assert positions[0] == 0
    assert positions[-1] == asked.last < asked.drawn
    assert asked.drawn >= 16
    assert len({b - a for a, b in pairwise(positions)}) <= 1
    # What is drawn takes as long as what is delivered, but for the rounding of its end.
    assert abs(Fraction(asked.last, 8) - (frames - 1) / fps) <= Fraction(1, 8)


@given(st.integers(1, 300), RATES)
def test_the_frames_of_a_loop_are_spread_over_all_of_it(frames: int, fps: Fraction) -> None:
    asked = Timing(frames, fps, loop=True)
    step = Fraction(asked.drawn, frames)
    assert abs(asked.last - asked.positions[-1]) <= Fraction(1, 2)
    assert asked.positions == tuple(index * step for index in range(frames))
    assert asked.positions[-1] + step == asked.drawn
