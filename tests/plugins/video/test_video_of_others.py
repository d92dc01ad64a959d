"""Clips as cameras and other programs write them: turned, uneven in time, with pixels that are not square."""

import io
import os
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from gen.errors import UsageError
from gen_video.files import containers
from gen_video.files.even_rate import evenly

HEIGHT, WIDTH = 32, 48
SOUND_RATE = 48_000


def pictures(count: int) -> np.ndarray:
    """Frames whose upper left quarter is red and whose lower half tells their number by its grey."""
    frames = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    frames[:, : HEIGHT // 2, : WIDTH // 2, 0] = 255
    for index in range(count):
        frames[index, HEIGHT // 2 :] = 20 * index
    return frames


def numbers(frames: np.ndarray) -> list[int]:
    """Which picture each frame shows."""
    return [round(float(frame[-8:].mean()) * 255 / 20) for frame in frames]


def muxed(
    tmp_path,
    fmt: str = "mp4",
    times: list[int] | None = None,
    *,
    unit: Fraction = Fraction(1, 25),
    last: int = 1,
    aspect: Fraction | None = None,
    click: float | None = None,
    sound_start: float = 0,
    pixels: str = "yuv420p",
) -> bytes:
    """A clip of ten pictures, shown at given multiples of a unit of time, with a click in its sound."""
    times = list(range(10)) if times is None else times
    path = tmp_path / f"made.{fmt}"
    codec = "libx264" if fmt == "mp4" else "libvpx-vp9"
    with av.open(str(path), "w", format=fmt) as out:
        video = out.add_stream(codec, rate=1 / unit, options={"crf": "10", "bf": "0"})
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, pixels
        video.codec_context.time_base = unit
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        codec = "aac" if fmt == "mp4" else "libopus"
        sound = out.add_stream(codec, rate=SOUND_RATE, layout="mono") if click else None
        packets = []
        for time, frame in zip(times, pictures(len(times)), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)
            picture.pts, picture.time_base = time, unit
            packets += video.encode(picture)
        packets += video.encode(None)
        for packet, end in zip(packets, [*times[1:], times[-1] + last], strict=True):
            packet.duration = end - packet.pts
            out.mux(packet)
        if sound is not None:
            samples = np.zeros((1, SOUND_RATE), np.float32)
            samples[:, round((click - sound_start) * SOUND_RATE)] = 0.9
            whole = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            whole.sample_rate, whole.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
            whole.pts = round(sound_start * SOUND_RATE)
            context = sound.codec_context
            frame = context.frame_size or 960
            cut = av.AudioResampler(context.format.name, "mono", SOUND_RATE, frame_size=frame)
            for piece in [*cut.resample(whole), *cut.resample(None), None]:
                out.mux(sound.encode(piece))
    content = path.read_bytes()
    os.unlink(path)
    return content


def read(content: bytes):
    return containers.read(io.BytesIO(content))


def rate_of(clip) -> Fraction:
    return Fraction(str(clip.attributes["fps"]))


UNEVEN = {
    "pauses": [0, 1, 2, 3, 4, 9, 14, 19, 24, 29],
    "dropped frames": [0, 1, 3, 4, 5, 6, 8, 9, 10, 11],
    "two rates": [0, 2, 4, 6, 8, 11, 14, 17, 20, 23],
    "a long end": list(range(10)),
}


@pytest.mark.parametrize("fmt", ["mp4", "webm"])
@pytest.mark.parametrize("pattern", UNEVEN)
@pytest.mark.parametrize("start", [0, 3])
def test_every_picture_comes_in_its_time_and_stays_as_long(tmp_path, fmt, pattern, start) -> None:
    times = [time + start for time in UNEVEN[pattern]]
    last = 6 if pattern == "a long end" and fmt == "mp4" else 1
    clip = read(muxed(tmp_path, fmt, times, last=last))
    frames, rate = clip.arrays["frames"], rate_of(clip)
    shown = numbers(frames)
    for number, time in enumerate(UNEVEN[pattern]):
        assert shown.index(number) / rate == pytest.approx(time / 25, abs=0.011)
    assert len(frames) / rate == pytest.approx((UNEVEN[pattern][-1] + last) / 25, abs=0.02)


def test_an_even_clip_keeps_its_frames_and_rate(tmp_path) -> None:
    for fmt in ("mp4", "webm"):
        clip = read(muxed(tmp_path, fmt, unit=Fraction(1001, 30000)))
        assert (len(clip.arrays["frames"]), rate_of(clip)) == (10, Fraction(30000, 1001))


@pytest.mark.parametrize(
    ("milliseconds", "repeats", "rate"),
    [
        ([33, 34, 33, 33, 34, 33], [1] * 6, 30),
        ([40, 40, 200, 40], [1, 1, 5, 1], 25),
        ([40, 60, 40, 60], [2, 3, 2, 3], 50),
        ([1, 1000], [0, 120], Fraction(120_000, 1001)),
        ([500], [1], 2),
    ],
)
def test_an_even_rate_for_uneven_times(milliseconds, repeats, rate) -> None:
    found, at = evenly([Fraction(time, 1000) for time in milliseconds], Fraction(1, 1000))
    assert found == repeats
    assert at == pytest.approx(rate, rel=1e-3)
    assert sum(found) / at == Fraction(sum(milliseconds), 1000)


MATRICES = {
    # What a matrix a, b, c, d does to rows and columns.
    (1, 0, 0, 1): lambda picture: picture,
    (0, 1, -1, 0): lambda picture: np.rot90(picture, -1),
    (-1, 0, 0, -1): lambda picture: np.rot90(picture, 2),
    (0, -1, 1, 0): lambda picture: np.rot90(picture, 1),
    (-1, 0, 0, 1): lambda picture: picture[:, ::-1],
    (1, 0, 0, -1): lambda picture: picture[::-1],
    (0, 1, 1, 0): lambda picture: picture.swapaxes(0, 1),
    (0, -1, -1, 0): lambda picture: np.rot90(picture, 2).swapaxes(0, 1),
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_clips_are_turned_and_mirrored_as_they_say(tmp_path, matrix) -> None:
    content = bytearray(muxed(tmp_path))
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (number << 16 for number in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    frames = read(bytes(content)).arrays["frames"]
    expected = MATRICES[matrix](pictures(1)[0]) / 255
    assert frames.shape[1:] == expected.shape
    assert np.abs(frames[0] - expected).mean() < 0.05


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (32, 64)), (Fraction(1, 2), (64, 48)), (Fraction(1), (32, 48))]
)
def test_pixels_become_square(tmp_path, aspect, size) -> None:
    frames = read(muxed(tmp_path, aspect=aspect)).arrays["frames"]
    assert frames.shape[1:3] == size
    red = frames[0, ..., 0] - frames[0, ..., 1] > 0.5
    assert red[: size[0] // 2 - 4, : size[1] // 2 - 4].all()
    assert not red[:, size[1] // 2 + 4 :].any()


@pytest.mark.parametrize("fmt", ["mp4", "webm"])
@pytest.mark.parametrize(
    ("first", "sound_start", "click"),
    [(0, 0, 0.2), (0, 0.2, 0.4), (5, 0, 0.4), (5, 0.4, 0.5), (5, 0.2, 0.45)],
)
def test_sound_stays_with_the_pictures(tmp_path, fmt, first, sound_start, click) -> None:
    times = [first + index for index in range(10)]
    clip = read(muxed(tmp_path, fmt, times, click=click, sound_start=sound_start))
    samples = clip.arrays["samples"]
    heard = float(np.abs(samples[0]).argmax()) / int(clip.attributes["sample_rate"])
    assert heard == pytest.approx(click - first / 25, abs=0.012)
    assert numbers(clip.arrays["frames"]) == list(range(10))


def test_an_edit_list_is_heeded(tmp_path) -> None:
    content = bytearray(muxed(tmp_path))
    at = content.index(b"elst") + 4
    _, count, duration, start, _ = struct.unpack(">IIIII", content[at : at + 20])
    assert (count, start) == (1, 0)
    track = content.index(b"mdhd")
    scale = struct.unpack(">I", content[track + 16 : track + 20])[0]
    # From the fourth picture on, for four pictures.
    content[at + 8 : at + 16] = struct.pack(">II", duration * 4 // 10, scale * 3 // 25)
    clip = read(bytes(content))
    assert numbers(clip.arrays["frames"])[:4] == [3, 4, 5, 6]
    assert rate_of(clip) == 25


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p", "yuv422p"])
def test_other_kinds_of_pixels(tmp_path, pixels) -> None:
    frames = read(muxed(tmp_path, pixels=pixels)).arrays["frames"]
    assert np.abs(frames - pictures(10) / 255).mean() < 0.05


def test_what_is_cut_short_is_refused(tmp_path) -> None:
    for fmt in ("mp4", "webm"):
        content = muxed(tmp_path, fmt)
        for size in (len(content) - 1, len(content) // 2, 300):
            with pytest.raises(UsageError) as caught:
                read(content[:size])
            assert str(caught.value).startswith("it "), caught.value
            assert "Errno" not in str(caught.value)


def test_a_webm_of_unknown_length_is_read(tmp_path) -> None:
    content = bytearray(muxed(tmp_path, "webm"))
    at = content.index(b"\x18\x53\x80\x67") + 4
    content[at : at + 8] = b"\x01" + b"\xff" * 7
    assert len(read(bytes(content)).arrays["frames"]) == 10
