"""Clips in MP4 and WebM, with sound and metadata, through PyAV.

The metadata goes into the tags that both containers keep: ``comment`` (the recipe), ``description`` (the same
in AUTOMATIC1111's form), ``artist`` (the program) and ``keywords`` (the IPTC DigitalSourceType).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen.recipe import MAX_BYTES, SCHEMA, Metadata
from gen_video.pixels import check_read, opaque, to_bytes

SOUND_RATE = 48_000
"""Samples per second in a file; Opus knows no other, and every player plays it."""

_BT709 = 1
_LIMITED = 1
_TAGS = {"comment": "gen", "description": "parameters", "artist": "Software"}


def write_mp4(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write H.264 (yuv420p, limited range, BT.709, quality 18) and AAC, with the index at the beginning.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It is transparent somewhere, a side is odd, or it has more than two channels of sound.
    """
    frames = opaque(artifact.arrays["frames"], "MP4", "use .webm, .webp or .zip")
    height, width = frames.shape[1:3]
    if width % 2 or height % 2:
        raise UsageError(
            f"MP4 needs an even width and height, not {width} × {height}", "change the size, or use .webm"
        )
    # With macroblock trees, x264 gives other bytes now and then; without, the same clip is the same file.
    options = {"crf": "18", "preset": "medium", "tune": "animation", "mbtree": "0", "flags": "+bitexact"}
    _write(artifact, frames, file, metadata, "mp4", ("libx264", "yuv420p", options), "aac")


def write_webm(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write VP9, with an alpha plane where the clip has alpha, and Opus.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It has more than two channels of sound.
    """
    frames = artifact.arrays["frames"]
    options = {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "3", "flags": "+bitexact"}
    transparent = frames.shape[-1] == 4
    if transparent:
        # Frames that are never shown cannot carry alpha.
        options["auto-alt-ref"] = "0"
    picture = ("libvpx-vp9", "yuva420p" if transparent else "yuv420p", options)
    _write(artifact, frames, file, metadata, "webm", picture, "libopus")


def read(file: BinaryIO) -> Artifact:
    """Read a clip with its sound.

    Args:
        file: MP4 or WebM.

    Returns:
        A video without a recipe.

    Raises:
        UsageError: Something else, damaged, without pictures, or more than is read.
    """
    with _opened(file) as container:
        if not container.streams.video:
            raise UsageError("it has no pictures")
        video = container.streams.video[0]
        rate = video.average_rate or video.guessed_rate
        if not rate:
            raise UsageError("it does not say how many frames it has per second")
        transparent = video.metadata.get("alpha_mode") == "1"
        kind = "rgba" if transparent else "rgb24"
        # Only these decoders know the alpha plane.
        decoder: Any = video.codec_context
        if transparent:
            decoder = av.CodecContext.create("libvpx" if decoder.name == "vp8" else "libvpx-vp9", "r")
        sound = container.streams.audio[0] if container.streams.audio else None
        pictures: list[np.ndarray] = []
        heard = None if sound is None else _Heard(sound)
        for packet in container.demux([stream for stream in (video, sound) if stream]):
            if packet.stream is video:
                for picture in decoder.decode(packet if packet.size else None):
                    check_read(len(pictures) + 1, picture.width, picture.height)
                    pictures.append(picture.to_ndarray(format=kind))
            elif heard is not None:
                heard.take(packet)
        if not pictures:
            raise UsageError("it has no pictures")
        arrays: dict[str, np.ndarray] = {"frames": np.stack(pictures).astype(np.float32) / np.float32(255)}
        attributes: dict[str, int | str] = {"fps": str(Fraction(rate))}
        if heard is not None and heard.parts:
            arrays["samples"] = heard.samples()
            attributes["sample_rate"] = heard.rate
    return Artifact("video", arrays, attributes)


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the text entries of a clip without decoding it.

    Args:
        file: MP4 or WebM.

    Returns:
        ``gen``, ``parameters`` and ``Software`` where they are ours, and other entries by their own names.

    Raises:
        UsageError: Something else, damaged, or an entry of more than ``gen.recipe.MAX_BYTES``.
    """
    with _opened(file) as container:
        tags = {str(key).lower(): str(value) for key, value in container.metadata.items()}
    for key, text in tags.items():
        if len(text) > MAX_BYTES:
            raise UsageError(f"its text entry {key[:40]!r} exceeds {MAX_BYTES} bytes")
    ours = SCHEMA in tags.get("comment", "")
    return {_TAGS.get(key, key) if ours else key: text for key, text in tags.items()}


class _Heard:
    """Sound as it is decoded: mono stays so, everything else becomes stereo."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.rate = int(stream.rate)
        self.parts: list[np.ndarray] = []
        layout = "mono" if stream.channels == 1 else "stereo"
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=self.rate)

    def take(self, packet: Any) -> None:
        for piece in packet.decode():
            self.parts += [one.to_ndarray() for one in self._resampler.resample(piece)]

    def samples(self) -> np.ndarray:
        """(channels, samples) float32 in [-1, 1]."""
        whole = np.concatenate(self.parts, axis=1)
        if self.stream.duration:
            # The last packet of AAC is filled up.
            whole = whole[:, : max(1, round(self.stream.duration * self.stream.time_base * self.rate))]
        return np.ascontiguousarray(whole.clip(-1, 1), np.float32)


def _write(
    artifact: Artifact,
    frames: np.ndarray,
    file: BinaryIO,
    metadata: Metadata,
    container: str,
    picture: tuple[str, str, dict[str, str]],
    sound_codec: str,
) -> None:
    samples = artifact.arrays.get("samples")
    if samples is not None and len(samples) > 2:
        raise UsageError(f"{len(samples)} channels of sound: at most two can be written")
    # The index can be moved to the beginning only in a file with a name.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{container}"
        # Sound is written after all pictures, and put between them however long the clip is.
        options = {"fflags": "+bitexact", "max_interleave_delta": "0"}
        if container == "mp4":
            options["movflags"] = "+faststart"
        with av.open(str(path), "w", format=container, container_options=options) as out:
            _tag(out, metadata)
            video = _video_stream(out, frames, Fraction(str(artifact.attributes["fps"])), picture)
            sound = None
            if samples is not None:
                layout = "mono" if len(samples) == 1 else "stereo"
                exact = {"flags": "+bitexact", "threads": "1"}
                sound = out.add_stream(sound_codec, rate=SOUND_RATE, layout=layout, options=exact)
            for packet in _encoded(video, frames, picture[1]):
                out.mux(packet)
            if sound is not None and samples is not None:
                for packet in _sounding(sound, samples, int(artifact.attributes["sample_rate"])):
                    out.mux(packet)
        file.write(path.read_bytes())


def _tag(out: OutputContainer, metadata: Metadata) -> None:
    for key, text in (
        ("comment", metadata.recipe),
        ("description", metadata.parameters),
        ("artist", metadata.software),
        ("keywords", metadata.source_type),
    ):
        if text:
            out.metadata[key] = text


def _video_stream(
    out: OutputContainer, frames: np.ndarray, fps: Fraction, picture: tuple[str, str, dict[str, str]]
) -> Any:
    codec, pixels, options = picture
    stream: Any = out.add_stream(codec, rate=fps, options=options)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = pixels
    context = stream.codec_context
    # One thread, so that the same clip gives the same bytes on every machine.
    context.thread_count = 1
    context.gop_size = max(1, round(2 * fps))
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    return stream


def _encoded(stream: Any, frames: np.ndarray, pixels: str) -> Iterator[Any]:
    kind = "rgba" if frames.shape[-1] == 4 else "rgb24"
    for index, frame in enumerate(frames):
        rgb = np.repeat(frame, 3, -1) if frame.shape[-1] == 1 else frame
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(to_bytes(rgb)), format=kind)
        picture = picture.reformat(format=pixels, dst_colorspace="ITU709", dst_color_range="MPEG")
        picture.pts = index
        picture.time_base = 1 / stream.codec_context.framerate
        yield from stream.encode(picture)
    yield from stream.encode(None)


def _sounding(stream: Any, samples: np.ndarray, rate: int) -> Iterator[Any]:
    resampler = AudioResampler(
        format=stream.codec_context.format.name,
        layout=stream.codec_context.layout.name,
        rate=SOUND_RATE,
        frame_size=stream.codec_context.frame_size or 1024,
    )
    whole = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, np.float32), "fltp", "mono" if len(samples) == 1 else "stereo"
    )
    whole.sample_rate = rate
    whole.pts = 0
    # The resampler keeps back what does not fill a frame, until it is told that nothing follows.
    for piece in [*resampler.resample(whole), *resampler.resample(None)]:
        yield from stream.encode(piece)
    yield from stream.encode(None)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[InputContainer]:
    try:
        # Other readers of FFmpeg follow what a file says to further files and addresses.
        with av.open(file, "r", container_options={"format_whitelist": "mov,matroska"}) as container:
            if not {"mp4", "webm"} & set(container.format.name.split(",")):
                raise UsageError("it is neither MP4 nor WebM")
            yield container
    except (GenError, MemoryError):
        raise
    except (av.FFmpegError, ValueError, OSError) as error:
        raise UsageError(f"it is damaged: {' '.join(str(error).split())[:120]}") from error
