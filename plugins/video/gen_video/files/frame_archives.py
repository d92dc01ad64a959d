"""Clips as a ZIP of PNG frames, with rate and subtitles, the recipe and the sound in files of their own."""

from __future__ import annotations

import io
import json
import warnings
import wave
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from PIL import Image

from gen.artifact import Artifact
from gen.errors import GenError, UsageError, damaged_file
from gen.metadata import Metadata, decode_text
from gen.recipe import MAX_BYTES
from gen_video.files.pixels import check_read, pictures
from gen_video.files.timing import fps_of, parse_fps
from gen_video.subtitles import attribute, cues_of, formatted, parse
from gen_video.truncation import fault_of

MAX_FILES = 20_000
"""Most files in an archive that is read."""

MAX_FRAME_BYTES = 64 * 2**20
"""Largest file in an archive that is read."""

MAX_RATE = 2000
"""Highest rate that is read, in frames per second."""

_SAMPLE = np.dtype("<i2")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def write_zip(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a ZIP of ``0001.png`` and so on, ``clip.json`` with the rate, and ``sound.wav`` if it sounds.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it; the recipe becomes ``recipe.json``.
    """
    about = {
        "fps": str(fps_of(artifact)),
        "software": metadata.software,
        "source_type": metadata.source_type,
        "subtitles": formatted(cues) if (cues := cues_of(artifact)) else "",
    }
    parts: list[tuple[str, bytes]] = [
        ("clip.json", json.dumps({key: text for key, text in about.items() if text}).encode())
    ]
    if metadata.recipe:
        parts.append(("recipe.json", metadata.recipe.encode()))
    if "samples" in artifact.arrays:
        parts.append(
            ("sound.wav", _wave(artifact.arrays["samples"], int(artifact.attributes["sample_rate"])))
        )
    for index, picture in enumerate(pictures(artifact)):
        content = io.BytesIO()
        picture.save(content, "PNG")
        parts.append((f"{index + 1:04}.png", content.getvalue()))
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts:
            # Without a date, so that the same clip gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), data)


@damaged_file()
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
        frames: list[np.ndarray] = []
        for name in names:
            with Image.open(io.BytesIO(_member(archive, name)), formats=["PNG"]) as image:
                check_read(len(names), *image.size)
                kind = "RGBA" if image.has_transparency_data else "RGB"
                frames.append(np.asarray(image.convert(kind)))
        if len({picture.shape for picture in frames}) > 1:
            raise UsageError("its pictures differ in size or in transparency")
        about = json.loads(_member(archive, "clip.json")) if "clip.json" in archive.namelist() else {}
        arrays = {"frames": np.stack(frames).astype(np.float32) / np.float32(255)}
        attributes: dict[str, int | str] = {"fps": str(_given_rate(about))}
        if isinstance(about, dict) and isinstance(text := about.get("subtitles"), str):
            attributes |= attribute(parse(text))
        if "sound.wav" in archive.namelist():
            with wave.open(io.BytesIO(_member(archive, "sound.wav"))) as sound:
                if sound.getsampwidth() != 2:
                    raise UsageError("its sound.wav has not 16 bits per sample")
                raw = np.frombuffer(sound.readframes(sound.getnframes()), _SAMPLE)
                samples = raw.reshape(-1, sound.getnchannels()).T / np.float32(32768)
                arrays["samples"] = np.ascontiguousarray(samples, np.float32)
                attributes["sample_rate"] = sound.getframerate()
    return Artifact("video", arrays, attributes)


@damaged_file()
def read_zip_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the recipe of a ZIP of frames.

    Raises:
        UsageError: It is no ZIP, or damaged.
    """
    with _archive(file) as archive:
        if "recipe.json" not in archive.namelist():
            return {}
        return {"gen": decode_text(_member(archive, "recipe.json", MAX_BYTES))}


def _given_rate(about: object) -> Fraction:
    """The rate in a ZIP's ``clip.json``."""
    text = str(about.get("fps", "8")) if isinstance(about, dict) else "8"
    try:
        fps = parse_fps(text)
    except UsageError as error:
        raise UsageError(f"its {error.message}") from None
    if not 0 < fps <= MAX_RATE:
        raise UsageError(f"its fps is {text[:40]!r}: it has to be above 0 and at most {MAX_RATE}")
    return fps


def _wave(samples: np.ndarray, rate: int) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(len(samples))
        sound.setsampwidth(2)
        sound.setframerate(rate)
        # As readers divide by 32,768, samples that came from 16 bits become the same again.
        sound.writeframes(np.rint(samples.T * 32768).clip(-32768, 32767).astype(_SAMPLE).tobytes())
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
        raise UsageError(fault_of(error)) from error
