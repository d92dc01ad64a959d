"""Clips as GIF and animated WebP, through Pillow.

GIF has the recipe in its comment and the other metadata in an XMP packet; WebP has all of it in the packet.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.GifImagePlugin import getdata

from gen.artifact import Artifact
from gen.errors import GenError, UsageError, damaged_file
from gen.metadata import Metadata, decode_text, recipe_in_xmp, xmp_in_gif
from gen.recipe import MAX_BYTES
from gen_video.files.even_rate import evenly
from gen_video.files.pixels import check_read, pictures
from gen_video.files.timing import fps_of
from gen_video.truncation import fault_of

_WEBP_MOVES, _WEBP_XMP, _WEBP_ALPHA, _WEBP_REPLACES = 0x02, 0x04, 0x10, 0x02
"""Flags of the chunks VP8X and, the last, ANMF (RFC 9649, 2.7)."""


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
    fps = fps_of(artifact)
    if fps > 50:
        raise UsageError(f"GIF cannot show {float(fps):g} frames per second", "at most 50; or use .webp")
    frames = pictures(artifact)
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
    fps = fps_of(artifact)
    # Browsers slow down what stays for ten milliseconds or less.
    if fps > 90:
        raise UsageError(f"WebP cannot show {float(fps):g} frames per second", "at most 90; or use .mp4")
    frames = pictures(artifact)
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


@damaged_file()
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


@damaged_file()
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


def _text(content: bytes | str) -> str:
    return decode_text(content) if isinstance(content, bytes) else content.removeprefix("\ufeff")


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


def _check_silent(artifact: Artifact, name: str) -> None:
    if "samples" in artifact.arrays:
        raise UsageError(f"{name} has no sound", "use .mp4, .webm or .zip, or leave the sound out")


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
        raise UsageError(fault_of(error)) from error
