"""Converters of clips: cameras over pictures, single pictures, sounds, subtitles, and clips after clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gen import formats
from gen.artifact import Artifact
from gen.conversion import convert, route
from gen.errors import UsageError
from gen.plugin.host import Host
from gen_video.subtitles import Cue, cues_of, formatted, parse

HOST = Host.discover()


def by(name: str, source: Artifact, **params: Any) -> Artifact:
    spec = next(spec for spec in HOST.converters() if spec.name == name)
    return convert(source, (spec,), params, HOST)


def clip(value: float, frames: int = 8, *, sound: float | None = None, rate: int = 800) -> Artifact:
    arrays = {"frames": np.full((frames, 16, 16, 3), value, np.float32)}
    attributes: dict[str, int | str] = {"fps": "8"}
    if sound is not None:
        arrays["samples"] = np.full((1, frames * rate // 8), sound, np.float32)
        attributes["sample_rate"] = rate
    return Artifact("video", arrays, attributes)


def ramp(height: int, width: int) -> Artifact:
    """A picture whose red grows to the right and green downwards, each the place of the pixel's middle."""
    x, y = (np.arange(side, dtype=np.float32) + 0.5 for side in (width, height))
    pixels = np.zeros((height, width, 3), np.float32)
    pixels[..., 0], pixels[..., 1] = x / width, (y / height)[:, None]
    return Artifact("image", {"pixels": pixels})


def test_the_way_from_a_picture_to_a_clip_is_a_camera_over_it() -> None:
    assert [spec.name for spec in route(HOST.converters(), "image", "video")] == ["pan-zoom"]


@pytest.mark.parametrize(
    ("move", "first", "last"),
    [
        ("in", (0.0, 1.0, 0.0, 1.0), (0.25, 0.75, 0.25, 0.75)),
        ("out", (0.25, 0.75, 0.25, 0.75), (0.0, 1.0, 0.0, 1.0)),
        ("right", (0.0, 0.5, 0.25, 0.75), (0.5, 1.0, 0.25, 0.75)),
        ("left", (0.5, 1.0, 0.25, 0.75), (0.0, 0.5, 0.25, 0.75)),
        ("down", (0.25, 0.75, 0.0, 0.5), (0.25, 0.75, 0.5, 1.0)),
        ("up", (0.25, 0.75, 0.5, 1.0), (0.25, 0.75, 0.0, 0.5)),
    ],
)
def test_the_camera_sees_what_it_should(move: str, first: tuple[float, ...], last: tuple[float, ...]) -> None:
    frames = by("pan-zoom", ramp(64, 64), move=move, zoom=2.0, seconds=1, fps="8").arrays["frames"]
    assert frames.shape == (8, 64, 64, 3)
    for picture, (left, right, top, bottom) in ((frames[0], first), (frames[-1], last)):
        middle = ((left + right) / 2, (top + bottom) / 2)
        assert picture[..., :2].mean((0, 1)) == pytest.approx(middle, abs=0.01)
        # Halfway between the middles of the pixels at both ends.
        assert picture[32, 60, 0] - picture[32, 4, 0] == pytest.approx((right - left) * 56 / 64, abs=0.01)


def test_an_odd_picture_becomes_an_even_clip_of_the_wanted_shape() -> None:
    assert by("pan-zoom", ramp(33, 65), seconds=0.5).arrays["frames"].shape == (12, 32, 64, 3)
    wide = by("pan-zoom", ramp(64, 64), seconds=0.5, width=64, height=32, zoom=1.0).arrays["frames"]
    assert wide[0, 0, 32, 1] == pytest.approx(0.25, abs=0.02), "the middle half is seen"


def test_a_picture_of_a_clip_and_a_time_after_its_end() -> None:
    frames = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 3), np.float32)
    video = Artifact("video", {"frames": frames}, {"fps": "8"})
    assert (by("frame", video, at=0.5).arrays["pixels"] == frames[4]).all()
    with pytest.raises(UsageError, match=r"no picture at 1 s: it lasts 1 s"):
        by("frame", video, at=1.0)


def test_sound_comes_out_and_goes_in() -> None:
    with pytest.raises(UsageError, match="no sound"):
        by("sound-of-video", clip(0))
    sound = Artifact("audio", {"samples": np.full((1, 300), 0.5, np.float32)}, {"sample_rate": 800})
    video = by("soundtrack", clip(0), sound=sound, start=0.25)
    samples = by("sound-of-video", video).arrays["samples"][0]
    assert len(samples) == 800
    assert not samples[:200].any()
    assert (samples[200:500] == 0.5).all()
    assert not samples[500:].any()
    with pytest.raises(UsageError, match="converter soundtrack needs sound"):
        by("soundtrack", clip(0))


def test_joined_clips_fade_and_keep_picture_and_sound_in_step() -> None:
    one = by("subtitle", clip(0.0, sound=0.5), text="One")
    two = by("subtitle", clip(1.0, sound=0.0, rate=400), text="Two", start=0.25)
    film = by("join", one, next=two, fade=0.5)
    shades = film.arrays["frames"][:, 0, 0, 0]
    assert shades.tolist() == pytest.approx([0] * 4 + [0.2, 0.4, 0.6, 0.8] + [1] * 4)
    samples = film.arrays["samples"][0]
    assert len(samples) == 1200, "twelve frames at 8 per second"
    assert (samples[:400] == 0.5).all()
    assert samples[600] == pytest.approx(0.5 * np.sqrt(0.5), abs=0.01), "equal power"
    assert not samples[800:].any()
    assert cues_of(film) == (Cue(0, 1000, "One"), Cue(750, 1500, "Two"))


def test_clips_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"16 × 16 at 8 fps and 16 × 16 at 4 fps"):
        by("join", clip(0), next=Artifact("video", clip(0).arrays, {"fps": "4"}))
    with pytest.raises(UsageError, match=r"a fade of 2 s is longer than a clip of 1 s"):
        by("join", clip(0), next=clip(1), fade=2.0)


@pytest.mark.parametrize("ending", ["mp4", "webm", "zip"])
def test_subtitles_come_back_from_files(tmp_path: Path, ending: str) -> None:
    video = by("subtitle", clip(0.5, sound=0.1, rate=8000), text="Ünder <1> & over\nsecond", end=0.5)
    video = by("subtitle", video, text="End", start=0.75)
    path = tmp_path / f"clip.{ending}"
    video.save(path)
    again = formats.read(path, HOST.formats("video"), kind="video")
    assert cues_of(again) == (Cue(0, 500, "Ünder <1> & over\nsecond"), Cue(750, 1000, "End"))
    assert Fraction(str(again.attributes["fps"])) == 8


def test_webvtt_of_others_is_read() -> None:
    text = (
        "WEBVTT elsewhere\r\n\r\nNOTE nothing\r\n\r\n1\r\n01:00:00.500 --> 01:00:02.000 align:start\r\n"
        "<v Ann>Hi &amp; bye\r\n"
    )
    assert parse(text) == (Cue(3_600_500, 3_602_000, "Hi & bye"),)
    assert parse(formatted(parse(text))) == parse(text)
    for wrong in ("1\n00:00 --> 00:01\nx", "WEBVTT\n\n0:0 --> later\nx"):
        with pytest.raises(UsageError):
            parse(wrong)


@pytest.mark.parametrize(
    "params", [{"text": " "}, {"text": "x", "start": 1.0}, {"text": "x", "start": 0.5, "end": 0.5}]
)
def test_a_subtitle_that_nobody_would_see_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the subtitle"):
        by("subtitle", clip(0), **params)
