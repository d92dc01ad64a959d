"""Clips as GIF, animated WebP, a ZIP of PNG frames and contact sheets, through Pillow.

Where the metadata goes: GIF has the recipe in its comment and the rest in an XMP packet, WebP has all of it
in an XMP packet, a ZIP has the recipe in ``recipe.json``, a PNG sheet in its text entries.
"""

from __future__ import annotations

import io
import json
import math
import warnings
import wave
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from PIL.GifImagePlugin import getdata

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen.recipe import MAX_BYTES, Metadata, decode_text, recipe_in_xmp, xmp_in_gif
from gen_video.even_rate import evenly
from gen_video.pixels import check_read, opaque, to_bytes
from gen_video.timing import parse_fps

SHEET_FRAMES = 16
"""Frames on a contact sheet."""

MAX_FILES = 20_000
MAX_FRAME_BYTES = 64 * 2**20
MAX_RATE = 2000
"""Highest rate that is read from a ZIP."""
_SAMPLE = np.dtype("<i2")
_WEBP_MOVES, _WEBP_XMP, _WEBP_ALPHA, _WEBP_REPLACES = 0x02, 0x04, 0x10, 0x02
"""Flags of the chunks VP8X and, the last, ANMF (RFC 9649, 2.7)."""
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def write_gif(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a GIF of 256 colours that are the same in all frames, repeating for ever.

    Args:
        artifact: A clip; alpha is kept as all or nothing.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It has sound, or more than 50 frames per second.
    """
    _check_silent(artifact, "GIF")
    fps = _fps(artifact)
    if fps > 50:
        raise UsageError(f"GIF cannot show {float(fps):g} frames per second", "at most 50; or use .webp")
    frames = _pictures(artifact)
    durations = [10 * ticks for ticks in _durations(len(frames), fps, 100)]
    options: dict[str, Any] = {}
    clear = frames[0].mode == "RGBA"
    palette = _palette([frame.convert("RGB") for frame in frames], 255 if clear else 256)
    drawn = []
    for frame in frames:
        indexed = frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        if clear:
            hidden = np.asarray(frame.getchannel("A")) < 128
            cells = np.where(hidden, 255, np.asarray(indexed)).astype(np.uint8)
            indexed = _with_palette(cells, palette)
        drawn.append(indexed)
    if clear:
        options = {"transparency": 255, "disposal": 2}
    said = {"comment": metadata.recipe.encode()} if metadata.recipe else {}
    content = io.BytesIO()
    drawn[0].save(content, "GIF", duration=durations[0], loop=0, optimize=False, **options, **said)
    # One after the other, since Pillow makes one of frames that are alike.
    parts = [content.getvalue().removesuffix(b";")]
    for before, frame, duration in zip(drawn, drawn[1:], durations[1:], strict=False):
        left, top, right, bottom = (0, 0, *frame.size) if clear else _changed(before, frame)
        parts += getdata(frame.crop((left, top, right, bottom)), (left, top), duration=duration, **options)
    file.write(metadata.in_gif(b"".join(parts) + b";"))


def write_webp(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write an animated lossless WebP, repeating for ever.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It has sound, more than 90 frames per second, or a side of more than 16,383 pixels.
    """
    _check_silent(artifact, "WebP")
    fps = _fps(artifact)
    # Browsers slow down what stays for ten milliseconds or less.
    if fps > 90:
        raise UsageError(f"WebP cannot show {float(fps):g} frames per second", "at most 90; or use .mp4")
    frames = _pictures(artifact)
    width, height = frames[0].size
    if max(width, height) > 16_383:
        raise UsageError(f"WebP cannot hold {width} × {height} pixels", "a side has at most 16,383")
    xmp = metadata.xmp(with_recipe=True).encode()
    flags = _WEBP_MOVES | (_WEBP_ALPHA if frames[0].mode == "RGBA" else 0) | (_WEBP_XMP if xmp else 0)
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    parts = [_riff(b"VP8X", bytes([flags, 0, 0, 0]) + size), _riff(b"ANIM", bytes(6))]
    # One after the other, since libwebp makes one of frames that are alike.
    for before, frame, duration in zip(
        [None, *frames], frames, _durations(len(frames), fps, 1000), strict=False
    ):
        left, top, right, bottom = _changed(before, frame)
        left, top = left - left % 2, top - top % 2
        box = (left // 2, top // 2, right - left - 1, bottom - top - 1, duration)
        still = io.BytesIO()
        frame.crop((left, top, right, bottom)).save(still, "WEBP", lossless=True, exact=True)
        head = b"".join(number.to_bytes(3, "little") for number in box)
        parts.append(_riff(b"ANMF", head + bytes([_WEBP_REPLACES]) + still.getvalue()[12:]))
    if xmp:
        parts.append(_riff(b"XMP ", xmp))
    file.write(_riff(b"RIFF", b"WEBP" + b"".join(parts)))


def write_zip(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a ZIP of ``0001.png`` and so on, ``clip.json`` with the rate, and ``sound.wav`` if it sounds.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it; the recipe becomes ``recipe.json``.
    """
    about = {"fps": str(_fps(artifact)), "software": metadata.software, "source_type": metadata.source_type}
    parts: list[tuple[str, bytes]] = [
        ("clip.json", json.dumps({key: text for key, text in about.items() if text}).encode())
    ]
    if metadata.recipe:
        parts.append(("recipe.json", metadata.recipe.encode()))
    if "samples" in artifact.arrays:
        parts.append(
            ("sound.wav", _wave(artifact.arrays["samples"], int(artifact.attributes["sample_rate"])))
        )
    for index, picture in enumerate(_pictures(artifact)):
        content = io.BytesIO()
        picture.save(content, "PNG")
        parts.append((f"{index + 1:04}.png", content.getvalue()))
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts:
            # Without a date, so that the same clip gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), data)


def write_png_sheet(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write up to 16 frames, evenly spread over the clip, side by side as a PNG.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.
    """
    info = PngImagePlugin.PngInfo()
    for key, text in metadata.png_texts():
        info.add_itxt(key, text)
    _sheet(artifact).save(file, "PNG", pnginfo=info)


def write_jpeg_sheet(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write up to 16 frames, evenly spread over the clip, side by side as a JPEG.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It is transparent somewhere, or the recipe is too long.
    """
    opaque(artifact.arrays["frames"], "JPEG", "use .png")
    xmp = metadata.xmp(with_recipe=True).encode()
    if len(xmp) > 65_000:
        raise UsageError("the recipe is too long for JPEG", "use .png, or `metadata='minimal'`")
    _sheet(artifact).convert("RGB").save(file, "JPEG", quality=95, subsampling=0, xmp=xmp)


def read(file: BinaryIO) -> Artifact:
    """Read a GIF or an animated WebP; frames that stay longer are repeated, so that the rate is even.

    As browsers do it, a frame that stays for ten milliseconds or less is shown for a hundred.

    Args:
        file: GIF or WebP.

    Returns:
        A video without a recipe.

    Raises:
        UsageError: Something else, damaged, or more than is read.
    """
    with _opened(file) as image:
        count = getattr(image, "n_frames", 1)
        check_read(count, *image.size)
        frames: list[np.ndarray] = []
        durations: list[Fraction] = []
        for index in range(count):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGBA")))
            milliseconds = int(image.info.get("duration") or 0)
            durations.append(Fraction(milliseconds if milliseconds > 10 else 100, 1000))
        unit = Fraction(1, 100 if image.format == "GIF" else 1000)
    repeats, fps = evenly(durations, unit)
    check_read(sum(repeats), *image.size)
    rows = np.repeat(np.arange(count), repeats)
    pixels = np.stack(frames)
    # An animated WebP does not say whether it is transparent anywhere.
    pixels = pixels if pixels[..., 3].min() < 255 else pixels[..., :3]
    return Artifact("video", {"frames": pixels[rows].astype(np.float32) / np.float32(255)}, {"fps": str(fps)})


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the text entries of a GIF or WebP without decoding it.

    Args:
        file: GIF or WebP.

    Returns:
        ``gen`` where it holds a recipe, ``comment`` where it holds another text, ``xmp``.

    Raises:
        UsageError: Something else, damaged, or an entry of more than ``gen.recipe.MAX_BYTES``.
    """
    with _opened(file) as image:
        comment, xmp = image.info.get("comment", b""), image.info.get("xmp", b"")
        if image.format == "GIF":
            file.seek(0)
            xmp = xmp_in_gif(file.read())
    for name, content in (("comment", comment), ("xmp", xmp)):
        if len(content) > MAX_BYTES:
            raise UsageError(f"its text entry {name!r} exceeds {MAX_BYTES} bytes")
    text = _text(comment)
    recipe = text if text.startswith("{") else recipe_in_xmp(_text(xmp))
    entries = {"gen": recipe, "comment": "" if recipe == text else text, "xmp": _text(xmp)}
    return {key: value for key, value in entries.items() if value}


def read_zip(file: BinaryIO) -> Artifact:
    """Read a ZIP of PNG frames, in the order of their names.

    Args:
        file: A ZIP such as ``write_zip`` writes; without ``clip.json`` it has 8 frames per second.

    Returns:
        A video without a recipe.

    Raises:
        UsageError: Something else, damaged, frames of different sizes, or more than is read.
    """
    with _archive(file) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith(".png"))
        if not names:
            raise UsageError("it holds no PNG pictures")
        pictures: list[np.ndarray] = []
        for name in names:
            with Image.open(io.BytesIO(_member(archive, name)), formats=["PNG"]) as image:
                check_read(len(names), *image.size)
                kind = "RGBA" if image.has_transparency_data else "RGB"
                pictures.append(np.asarray(image.convert(kind)))
        if len({picture.shape for picture in pictures}) > 1:
            raise UsageError("its pictures differ in size or in transparency")
        about = json.loads(_member(archive, "clip.json")) if "clip.json" in archive.namelist() else {}
        arrays = {"frames": np.stack(pictures).astype(np.float32) / np.float32(255)}
        attributes: dict[str, int | str] = {"fps": str(_given_rate(about))}
        if "sound.wav" in archive.namelist():
            with wave.open(io.BytesIO(_member(archive, "sound.wav"))) as sound:
                if sound.getsampwidth() != 2:
                    raise UsageError("its sound.wav has not 16 bits per sample")
                raw = np.frombuffer(sound.readframes(sound.getnframes()), _SAMPLE)
                samples = raw.reshape(-1, sound.getnchannels()).T / np.float32(32768)
                arrays["samples"] = np.ascontiguousarray(samples, np.float32)
                attributes["sample_rate"] = sound.getframerate()
    return Artifact("video", arrays, attributes)


def read_zip_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the recipe of a ZIP of frames.

    Raises:
        UsageError: It is no ZIP, or damaged.
    """
    with _archive(file) as archive:
        if "recipe.json" not in archive.namelist():
            return {}
        return {"gen": decode_text(_member(archive, "recipe.json", MAX_BYTES))}


def _text(content: bytes | str) -> str:
    return decode_text(content) if isinstance(content, bytes) else content.removeprefix("\ufeff")


def _given_rate(about: object) -> Fraction:
    """The rate in a ZIP's ``clip.json``."""
    text = str(about.get("fps", "8")) if isinstance(about, dict) else "8"
    try:
        fps = parse_fps(text)
    except ValueError as error:
        raise UsageError(f"its {error}") from None
    if not 0 < fps <= MAX_RATE:
        raise UsageError(f"its fps is {text[:40]!r}: it has to be above 0 and at most {MAX_RATE}")
    return fps


def _fps(artifact: Artifact) -> Fraction:
    return Fraction(str(artifact.attributes["fps"]))


def _pictures(artifact: Artifact) -> list[Image.Image]:
    frames = artifact.arrays["frames"]
    if frames.shape[-1] == 1:
        frames = np.repeat(frames, 3, -1)
    return [Image.fromarray(np.ascontiguousarray(to_bytes(frame))) for frame in frames]


def _durations(count: int, fps: Fraction, ticks: int) -> list[int]:
    """How long each frame stays in ticks of a second, so that none is ever off by more than half a tick."""
    ends = [round(index * ticks / fps) for index in range(count + 1)]
    return [end - start for start, end in pairwise(ends)]


def _changed(before: Image.Image | None, frame: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what differs from the frame before; one pixel where nothing does."""
    if before is None:
        return (0, 0, *frame.size)
    differs = np.asarray(before) != np.asarray(frame)
    differs = differs.any(-1) if differs.ndim == 3 else differs
    if not differs.any():
        return (0, 0, 1, 1)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _riff(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _palette(frames: Sequence[Image.Image], colours: int) -> Image.Image:
    """A picture that holds the colours of all frames."""
    strip = Image.new("RGB", (frames[0].width, frames[0].height * len(frames)))
    for index, frame in enumerate(frames):
        strip.paste(frame, (0, index * frame.height))
    return strip.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _with_palette(cells: np.ndarray, palette: Image.Image) -> Image.Image:
    image = Image.fromarray(cells, "P")
    colours = palette.getpalette() or []
    image.putpalette(colours + [0] * (768 - len(colours)))
    return image


def _sheet(artifact: Artifact) -> Image.Image:
    frames = artifact.arrays["frames"]
    count = min(SHEET_FRAMES, len(frames))
    rows = [round(index * (len(frames) - 1) / max(1, count - 1)) for index in range(count)]
    pictures = _pictures(Artifact("video", {"frames": frames[rows]}, {"fps": artifact.attributes["fps"]}))
    columns = math.ceil(math.sqrt(count))
    width, height = pictures[0].size
    sheet = Image.new(pictures[0].mode, (columns * width, math.ceil(count / columns) * height))
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet


def _check_silent(artifact: Artifact, name: str) -> None:
    if "samples" in artifact.arrays:
        raise UsageError(f"{name} has no sound", "use .mp4, .webm or .zip, or leave the sound out")


def _wave(samples: np.ndarray, rate: int) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(len(samples))
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.rint(samples.T * 32767).astype(_SAMPLE).tobytes())
    return content.getvalue()


def _member(archive: zipfile.ZipFile, name: str, limit: int = MAX_FRAME_BYTES) -> bytes:
    if archive.getinfo(name).file_size > limit:
        raise UsageError(f"its part {name[:40]!r} has more than {limit} bytes")
    return archive.read(name)


@contextmanager
def _archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(file) as archive:
            warnings.simplefilter("ignore")
            if len(archive.namelist()) > MAX_FILES:
                raise UsageError(f"it holds more than {MAX_FILES} files")
            yield archive
    except (GenError, MemoryError):
        raise
    except zipfile.BadZipFile:
        raise UsageError("it is not a ZIP, or damaged") from None
    except Exception as error:
        fault = "it ends too early" if "truncated" in str(error).lower() else "it is damaged"
        raise UsageError(fault) from error


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    """A picture whose size is known to be bearable, not yet decoded."""
    try:
        with warnings.catch_warnings():
            # Damaged and huge files are refused; the library's own remarks would come on top.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=["GIF", "WEBP"]) as image:
                check_read(1, *image.size)
                yield image
    except (GenError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UsageError("it is neither GIF nor WebP") from None
    except Exception as error:
        fault = "it ends too early" if "truncated" in str(error).lower() else "it is damaged"
        raise UsageError(fault) from error
