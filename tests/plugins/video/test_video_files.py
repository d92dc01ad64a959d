"""Clips in files: what comes back, what the container says, and what is refused."""

import io
import struct
import wave
import zipfile
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from gen import formats
from gen.artifact import Artifact
from gen.errors import UsageError
from gen.formats import encode
from gen.plugin.host import Host
from gen.recipe import ModelReference, Recipe
from gen_video.files import animations, containers, frame_archives, pixels
from gen_video.plugin import gen_formats

FORMATS = {spec.name: spec for spec in gen_formats()}
READABLE = ("mp4", "webm", "gif", "webp", "zip")
LOSSY = {"mp4": 26, "webm": 26, "gif": 26}
SOUNDING = ("mp4", "webm", "zip")


def recipe() -> Recipe:
    return Recipe(
        modality="video",
        prompt="a ball “bounces” 🏀",
        seed=7,
        steps=16,
        guidance=3.0,
        solver="dpmpp_2m",
        grid="uniform",
        model=ModelReference(name="motion", sha256="0123456789abcdef" * 4, licence="Apache-2.0"),
        params={"fps": "8"},
        versions={"gen": "1.2.3"},
        created="2026-01-02T03:04:05Z",
    )


def clip(frames=12, height=48, width=64, channels=3, fps="8", sound=0, rate=22050, said=True) -> Artifact:
    t, y, x = np.mgrid[0:frames, 0:height, 0:width].astype(np.float32)
    disc = (np.hypot(x - 12 - 3 * t, y - 24) < 9).astype(np.float32)
    arrays = {"frames": np.stack([0.2 + 0.5 * disc, x / width, 0.8 - 0.4 * disc], -1)}
    if channels == 4:
        arrays["frames"] = np.concatenate([arrays["frames"], (disc < 0.5)[..., None]], -1).astype(np.float32)
    if channels == 1:
        arrays["frames"] = arrays["frames"][..., :1]
    attributes = {"fps": fps}
    if sound:
        seconds = np.arange(round(frames / Fraction(fps) * rate)) / rate
        arrays["samples"] = np.tile(0.4 * np.sin(2 * np.pi * 440 * seconds), (sound, 1)).astype(np.float32)
        attributes["sample_rate"] = rate
    return Artifact("video", arrays, attributes, recipe() if said else None)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(((a - b) ** 2).mean() + 1e-12))


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("fps", ["8", "24", "1/3"])
def test_frames_rate_and_recipe_come_back(name: str, fps: str, tmp_path) -> None:
    path = tmp_path / f"clip.{name}"
    made = clip(fps=fps)
    formats.write(made, path, FORMATS.values())
    back = formats.read(path, FORMATS.values())
    assert back.arrays["frames"].shape == made.arrays["frames"].shape
    assert Fraction(str(back.attributes["fps"])) == Fraction(fps)
    assert psnr(back.arrays["frames"], made.arrays["frames"]) > LOSSY.get(name, 50)
    assert back.recipe == made.recipe
    assert formats.read_recipe(path, FORMATS.values()) == made.recipe


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sound", [0, 2])
def test_the_same_clip_gives_the_same_bytes(name: str, sound: int) -> None:
    made = clip(sound=sound if name in (*SOUNDING, "png", "jpeg") else 0)
    assert len({encode(made, FORMATS[name]) for _ in range(4)}) == 1


@pytest.mark.parametrize("name", ["mp4", "webm"])
@pytest.mark.parametrize("fps", ["30000/1001", "29.97"])
def test_fractions_of_a_rate_are_kept(name: str, fps: str) -> None:
    back = containers.read(io.BytesIO(encode(clip(fps=fps), FORMATS[name])))
    assert Fraction(str(back.attributes["fps"])) == Fraction(fps)


@pytest.mark.parametrize("name", SOUNDING)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_sound_is_as_long_as_the_pictures_and_in_tune(name: str, channels: int, rate: int) -> None:
    made = clip(frames=16, sound=channels, rate=rate)
    spec = FORMATS[name]
    reader = containers.read if name != "zip" else frame_archives.read_zip
    back = reader(io.BytesIO(encode(made, spec)))
    samples, got = back.arrays["samples"], int(back.attributes["sample_rate"])
    assert samples.shape[0] == channels
    assert samples.shape[1] / got == pytest.approx(2.0, abs=0.002)
    # Nothing is late: the tone is there from the start to the end, and has its pitch.
    for part in np.array_split(samples[0], 8):
        assert np.sqrt((part**2).mean()) == pytest.approx(0.4 / np.sqrt(2), rel=0.1)
    spectrum = np.abs(np.fft.rfft(samples[0]))
    assert spectrum.argmax() * got / samples.shape[1] == pytest.approx(440, abs=2)


def test_a_zip_keeps_every_sample_of_16_bits() -> None:
    samples = np.arange(-32768, 32768, dtype=np.float32)[None] / np.float32(32768)
    silent = clip(frames=16)
    made = replace(
        silent,
        arrays={**silent.arrays, "samples": samples},
        attributes={**silent.attributes, "sample_rate": 44_100},
    )
    back = frame_archives.read_zip(io.BytesIO(encode(made, FORMATS["zip"])))
    assert np.array_equal(back.arrays["samples"], samples)


def test_mp4_is_what_players_expect() -> None:
    content = encode(clip(sound=1), FORMATS["mp4"])
    boxes, at = [], 0
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        boxes.append(kind.decode())
        at += size
    assert boxes.index("moov") < boxes.index("mdat")
    with av.open(io.BytesIO(content)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        context = video.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.color_range == 1
        assert sound.codec_context.name == "aac"
        assert video.frames == 12
        assert float(container.duration / 1e6) == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize("name", ["mp4", "webm"])
@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 1, 0), (0.2, 0.3, 0.9), (1, 1, 1), (0, 0, 0)])
def test_colours_come_back(name: str, colour: tuple[float, ...]) -> None:
    frames = np.broadcast_to(np.array(colour, np.float32), (4, 32, 32, 3)).copy()
    back = containers.read(
        io.BytesIO(encode(Artifact("video", {"frames": frames}, {"fps": "8"}), FORMATS[name]))
    )
    assert np.abs(back.arrays["frames"] - frames).max() < 4 / 255


@pytest.mark.parametrize("name", ["webm", "webp", "zip", "gif"])
def test_alpha_comes_back(name: str) -> None:
    made = clip(channels=4)
    reader = {"webm": containers.read, "zip": frame_archives.read_zip}.get(name, animations.read)
    back = reader(io.BytesIO(encode(made, FORMATS[name]))).arrays["frames"]
    assert back.shape == made.arrays["frames"].shape
    assert np.abs(back[..., 3] - made.arrays["frames"][..., 3]).mean() < 0.02


@pytest.mark.parametrize("name", ["mp4", "jpeg"])
def test_alpha_is_refused_where_there_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="cannot hold a transparent clip"):
        encode(clip(channels=4), FORMATS[name])
    opaque = clip(channels=4).arrays["frames"].copy()
    opaque[..., 3] = 1
    assert encode(Artifact("video", {"frames": opaque}, {"fps": "8"}), FORMATS[name])


@pytest.mark.parametrize("name", ["gif", "webp"])
def test_sound_is_refused_where_there_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="has no sound"):
        encode(clip(sound=1), FORMATS[name])


def test_odd_sizes_and_rates_that_a_format_lacks_are_refused() -> None:
    with pytest.raises(UsageError, match="even width and height, not 63 × 47"):
        encode(clip(height=47, width=63), FORMATS["mp4"])
    for name in ("webm", "gif", "webp", "zip"):
        assert encode(clip(height=47, width=63), FORMATS[name])
    with pytest.raises(UsageError, match="cannot show 100 frames per second"):
        encode(clip(fps="100"), FORMATS["webp"])
    with pytest.raises(UsageError, match="cannot hold 16384 × 1 pixels"):
        encode(clip(frames=2, height=1, width=16_384), FORMATS["webp"])
    with pytest.raises(UsageError, match="cannot show 60 frames per second"):
        encode(clip(fps="60"), FORMATS["gif"])
    with pytest.raises(UsageError, match="5 channels of sound"):
        encode(clip(sound=5), FORMATS["mp4"])


@pytest.mark.parametrize("name", READABLE)
def test_grey_clips_are_written(name: str) -> None:
    assert encode(clip(channels=1), FORMATS[name])


@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize("fps", ["8", "24", "30000/1001"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("stay", [(1, 5, 2, 8), (4, 4, 4, 4), (16, 0, 0, 0)])
def test_frames_that_are_alike_are_kept(name, fps, channels, stay) -> None:
    frames = np.repeat(clip(frames=4, channels=channels).arrays["frames"], stay, axis=0)
    made = Artifact("video", {"frames": frames}, {"fps": fps})
    back = animations.read(io.BytesIO(encode(made, FORMATS[name])))
    assert back.arrays["frames"].shape == frames.shape
    assert Fraction(str(back.attributes["fps"])) == pytest.approx(Fraction(fps), rel=0.01)
    steps = np.abs(np.diff(back.arrays["frames"], axis=0)).max((1, 2, 3)) > 0
    assert np.array_equal(steps, np.abs(np.diff(frames, axis=0)).max((1, 2, 3)) > 0)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_webp_keeps_every_level(channels) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (1, 9, 13, channels)).repeat(5, axis=0)
    levels[1:, 3:6, 5:11] = rng.integers(0, 256, (3, 6, channels))
    levels[3, 8, 12] = 0
    made = Artifact("video", {"frames": (levels / 255).astype(np.float32)}, {"fps": "8"})
    back = animations.read(io.BytesIO(encode(made, FORMATS["webp"]))).arrays["frames"]
    assert np.array_equal(back, np.broadcast_to(made.arrays["frames"], back.shape))


@pytest.mark.parametrize("name", ["GIF", "WEBP"])
def test_frames_that_others_merged_stay_as_long(name) -> None:
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    file = io.BytesIO()
    durations = [100, 500, 200]
    pictures[0].save(file, name, save_all=True, append_images=pictures[1:], duration=durations, lossless=True)
    back = animations.read(file)
    assert Fraction(str(back.attributes["fps"])) == 10
    assert back.arrays["frames"][:, 0, 0].argmax(-1).tolist() == [0, 2, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize(("name", "shortest"), [("GIF", 20), ("WEBP", 11)])
def test_very_short_delays_are_read_as_browsers_read_them(name, shortest) -> None:
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    for delay, fps in ((0, 10), (10, 10), (shortest, Fraction(1000, shortest))):
        file = io.BytesIO()
        pictures[0].save(file, name, save_all=True, append_images=pictures[1:], duration=delay, lossless=True)
        back = animations.read(file)
        assert (len(back.arrays["frames"]), Fraction(str(back.attributes["fps"]))) == (3, fps)


@pytest.mark.parametrize(("name", "kind"), [("webp", "video"), ("gif", "video"), ("png", "image")])
def test_a_clip_is_described_as_one_and_a_sheet_as_a_picture(name, kind, tmp_path) -> None:
    every = Host.discover().formats()
    formats.write(clip(), tmp_path / f"clip.{name}", FORMATS.values())
    found = formats.inspect(tmp_path / f"clip.{name}", every)
    assert found["kind"] == kind
    assert found["sizes"].get("frames") == (12 if kind == "video" else None)
    assert Recipe.from_dict(found["recipe"]) == recipe()


@pytest.mark.parametrize("name", ["gif", "webp"])
def test_minimal_metadata_names_the_program_and_the_source(name) -> None:
    content = encode(clip(), FORMATS[name], "minimal")
    found = animations.read_metadata(io.BytesIO(content))
    assert found.keys() == {"xmp"}
    assert "gen 1.2.3" in found["xmp"]
    assert "digitalsourcetype/trainedAlgorithmicMedia" in found["xmp"]
    assert b"bounces" not in content
    assert len(animations.read(io.BytesIO(content)).arrays["frames"]) == 12
    assert animations.read_metadata(io.BytesIO(encode(clip(), FORMATS[name], "none"))) == {}


def test_a_recipe_with_a_byte_order_mark_is_read() -> None:
    text = recipe().to_json()
    gif = io.BytesIO()
    Image.new("P", (4, 4)).save(gif, "GIF", comment=text.encode("utf-8-sig"))
    assert Recipe.from_json(animations.read_metadata(gif)["gen"]) == recipe()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as parts:
        parts.writestr("recipe.json", text.encode("utf-16"))
    assert Recipe.from_json(frame_archives.read_zip_metadata(archive)["gen"]) == recipe()


@pytest.mark.parametrize(("name", "columns", "rows"), [("png", 4, 3), ("jpeg", 4, 3)])
def test_a_contact_sheet_shows_the_frames(name: str, columns: int, rows: int) -> None:
    made = clip(frames=12)
    with Image.open(io.BytesIO(encode(made, FORMATS[name]))) as image:
        assert image.size == (columns * 64, rows * 48)
        tile = np.asarray(image.convert("RGB"))[48:96, 64:128] / 255
    assert psnr(tile, made.arrays["frames"][5]) > 30


@pytest.mark.parametrize("name", READABLE)
def test_damaged_files_give_one_line(name: str, tmp_path) -> None:
    content = encode(clip(sound=1 if name == "mp4" else 0), FORMATS[name])
    cut = content[: len(content) // 3]
    for number, broken in enumerate((b"", b"garbage" * 50, content[:40], cut)):
        path = tmp_path / f"{number}.{name}"
        path.write_bytes(broken)
        if broken is cut and name not in ("mp4", "webm", "zip"):
            continue  # what is there of a stream can be shown
        with pytest.raises(UsageError, match=path.name) as caught:
            formats.read(path, FORMATS.values())
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError):
        formats.inspect(tmp_path / f"1.{name}", FORMATS.values())


def test_bombs_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MAX_PIXELS", 20_000)
    for name in READABLE:
        reader = {"mp4": containers.read, "webm": containers.read, "zip": frame_archives.read_zip}.get(
            name, animations.read
        )
        with pytest.raises(UsageError, match="at most 20000 pixels are read"):
            reader(io.BytesIO(encode(clip(), FORMATS[name])))


def test_a_zip_of_other_things_is_refused() -> None:
    for names, message in ((["readme.txt"], "no PNG"), (["a.png"], "damaged")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        with pytest.raises(UsageError, match=message):
            frame_archives.read_zip(file)


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_sound_lies_between_the_pictures_of_long_clips(name: str) -> None:
    made = clip(frames=60, height=16, width=16, fps="4", sound=1)
    with av.open(io.BytesIO(encode(made, FORMATS[name]))) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    first = kinds.index("audio")
    # Of fifteen seconds no more than a few pictures come before any sound.
    assert kinds[:first].count("video") < 12


def test_what_names_other_files_is_not_followed(tmp_path) -> None:
    inner = tmp_path / "inner.mp4"
    inner.write_bytes(encode(clip(), FORMATS["mp4"]))
    outer = tmp_path / "clip.mp4"
    outer.write_text(f"ffconcat version 1.0\nfile {inner.name}\n")
    with pytest.raises(UsageError, match=r"clip\.mp4"):
        formats.read(outer, FORMATS.values())


def test_a_zip_says_a_rate_and_sound_that_can_be_read() -> None:
    for about, width, message in (
        ('{"fps": "1e999999999"}', 2, "its fps is '1e999999999', not a number"),
        ('{"fps": 0}', 2, "above 0 and at most 2000"),
        ('{"fps": "2001"}', 2, "above 0 and at most 2000"),
        ("{}", 3, "16 bits"),
        ("[]", 3, "16 bits"),
    ):
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(encode(clip(), FORMATS["zip"]))) as good:
            picture = next(name for name in good.namelist() if name.endswith(".png"))
            pixels_of_it = good.read(picture)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("0.png", pixels_of_it)
            archive.writestr("clip.json", about)
            content = io.BytesIO()
            with wave.open(content, "wb") as sound:
                sound.setparams((1, width, 8000, 0, "NONE", ""))
                sound.writeframes(bytes(width * 10))
            archive.writestr("sound.wav", content.getvalue())
        with pytest.raises(UsageError, match=message):
            frame_archives.read_zip(file)
