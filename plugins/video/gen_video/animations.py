"""Clips as GIF, animated WebP, a ZIP of PNG frames and contact sheets, through Pillow.

Where the metadata goes: GIF has it in its comment, WebP in its XMP packet, a ZIP in ``recipe.json``, a PNG
sheet in its text entries.
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
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen.recipe import MAX_BYTES, Metadata, recipe_in_xmp
from gen_video.pixels import check_read, opaque, to_bytes
from gen_video.timing import parse_fps

SHEET_FRAMES = 16
"""Frames on a contact sheet."""

MAX_FILES = 20_000
MAX_FRAME_BYTES = 64 * 2**20
_SAMPLE = np.dtype("<i2")
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
    options: dict[str, object] = {"comment": metadata.recipe.encode()} if metadata.recipe else {}
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
        options |= {"transparency": 255, "disposal": 2}
    drawn[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=drawn[1:],
        duration=durations,
        loop=0,
        optimize=False,
        **options,
    )


def write_webp(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write an animated lossless WebP, repeating for ever.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It has sound, or more than 100 frames per second.
    """
    _check_silent(artifact, "WebP")
    fps = _fps(artifact)
    if fps > 100:
        raise UsageError(f"WebP cannot show {float(fps):g} frames per second", "at most 100; or use .mp4")
    frames = _pictures(artifact)
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=_durations(len(frames), fps, 1000),
        loop=0,
        lossless=True,
        exact=True,
        xmp=metadata.xmp(with_recipe=True).encode(),
    )


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
        raise UsageError("the recipe is too long for JPEG", "use .png, or --metadata minimal")
    _sheet(artifact).convert("RGB").save(file, "JPEG", quality=95, subsampling=0, xmp=xmp)


def read(file: BinaryIO) -> Artifact:
    """Read a GIF or an animated WebP; frames that stay longer are repeated, so that the rate is even.

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
        frames, durations = [], []
        for index in range(count):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGBA")))
            durations.append(max(10, int(image.info.get("duration") or 100)))
    repeats, fps = _evenly(durations)
    check_read(sum(repeats), *image.size)
    rows = [index for index, times in enumerate(repeats) for _ in range(times)]
    pixels = np.stack(frames)
    # An animated WebP does not say whether it is transparent anywhere.
    pixels = pixels if pixels[..., 3].min() < 255 else pixels[..., :3]
    return Artifact("video", {"frames": pixels[rows].astype(np.float32) / np.float32(255)}, {"fps": str(fps)})


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the text entries of a GIF or WebP without decoding it.

    Args:
        file: GIF or WebP.

    Returns:
        ``gen`` where it holds a recipe, ``comment`` where it holds another text.

    Raises:
        UsageError: Something else, damaged, or an entry of more than ``gen.recipe.MAX_BYTES``.
    """
    with _opened(file) as image:
        comment, xmp = image.info.get("comment", b""), image.info.get("xmp", b"")
    for name, content in (("comment", comment), ("xmp", xmp)):
        if len(content) > MAX_BYTES:
            raise UsageError(f"its text entry {name!r} exceeds {MAX_BYTES} bytes")
    text = _text(comment)
    recipe = text if text.startswith("{") else recipe_in_xmp(_text(xmp))
    entries = {"gen": recipe, "comment": "" if recipe == text else text}
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
        attributes: dict[str, int | str] = {"fps": str(parse_fps(str(about.get("fps", "8"))))}
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
        return {"gen": _member(archive, "recipe.json", MAX_BYTES).decode(errors="replace")}


def _text(content: bytes | str) -> str:
    return content.decode(errors="replace") if isinstance(content, bytes) else content


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


def _evenly(durations: Sequence[int]) -> tuple[list[int], Fraction]:
    """How often each frame is shown at one even rate, and the rate, of durations in milliseconds."""
    tick, total = Fraction(min(durations)), sum(durations)
    # Rounded durations differ by one from each other; on average they tell the tick.
    for _ in range(3):
        repeats = [max(1, round(duration / tick)) for duration in durations]
        tick = Fraction(total, sum(repeats))
    return repeats, 1000 / tick


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
        raise UsageError(f"it is damaged: {' '.join(str(error).split())[:120]}") from error


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
        raise UsageError(f"it is damaged: {' '.join(str(error).split())[:120]}") from error
