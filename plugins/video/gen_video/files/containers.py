"""Clips in MP4 and WebM, with sound, subtitles and metadata, through PyAV.

The metadata goes into the tags that both containers keep: ``comment`` (the recipe), ``description`` (the same
in AUTOMATIC1111's form), ``artist`` (the program) and ``keywords`` (the IPTC DigitalSourceType).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from av.sidedata.sidedata import Type as SideData

from gen.artifact import Artifact
from gen.atomic import temporary_folder
from gen.errors import GenError, UsageError, damaged_file
from gen.metadata import Metadata
from gen.recipe import MAX_BYTES, SCHEMAS
from gen_video.files.even_rate import evenly
from gen_video.files.pixels import check_read, opaque, to_bytes
from gen_video.files.timing import fps_of
from gen_video.subtitles import MAX_CUES, Cue, attribute, cues_of
from gen_video.truncation import DAMAGED, TOO_EARLY, check_whole

SOUND_RATE = 48_000
"""Samples per second in a file; Opus knows no other, and every player plays it."""

_BT709 = 1
_LIMITED = 1
_SUBTITLES = {"mp4": "mov_text", "webm": "webvtt"}
_MILLISECOND = Fraction(1, 1000)
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


@damaged_file()
def read(file: BinaryIO) -> Artifact:
    """Read a clip with its sound, as it is meant to be seen and heard.

    It is turned as its display matrix says, its pixels are made square, and pictures that stay longer than
    others are repeated, so that the rate is even. Sound begins with the first picture: what is earlier is
    left out, and silence goes before what is later.

    Args:
        file: MP4 or WebM.

    Returns:
        A video without a recipe.

    Raises:
        UsageError: Something else, damaged, cut short, without pictures, or more than is read.
    """
    check_whole(file)
    with _opened(file) as container:
        if not container.streams.video:
            raise UsageError("it has no pictures")
        video = container.streams.video[0]
        rates = [Fraction(rate) for rate in (video.average_rate, video.guessed_rate) if rate]
        if not rates:
            raise UsageError("it does not say how many frames it has per second")
        transparent = video.metadata.get("alpha_mode") == "1"
        # Only these decoders know the alpha plane.
        decoder: Any = video.codec_context
        if transparent:
            decoder = av.CodecContext.create("libvpx" if decoder.name == "vp8" else "libvpx-vp9", "r")
        sound = container.streams.audio[0] if container.streams.audio else None
        texts = next((one for one in container.streams.subtitles if one.name in _SUBTITLES.values()), None)
        seen = _Seen(video, "rgba" if transparent else "rgb24")
        heard = None if sound is None else _Heard(sound)
        cues: list[Cue] = []
        for packet in container.demux([stream for stream in (video, sound, texts) if stream]):
            if packet.stream is video:
                seen.note(packet)
                for picture in decoder.decode(packet if packet.size else None):
                    seen.take(picture)
            elif packet.stream is texts:
                cues += _cues_in(packet)
            elif heard is not None:
                heard.take(packet)
        if not seen.pictures:
            raise UsageError("it has no pictures")
        repeats, rate = seen.repeats(rates)
        check_read(sum(repeats), seen.pictures[0].shape[1], seen.pictures[0].shape[0])
        frames = np.repeat(np.stack(seen.pictures), repeats, axis=0)
        arrays: dict[str, np.ndarray] = {"frames": frames.astype(np.float32) / np.float32(255)}
        attributes: dict[str, int | str] = {"fps": str(rate.limit_denominator(1_000_000))}
        if heard is not None and heard.parts:
            arrays["samples"] = heard.samples(seen.times[0] or Fraction(0))
            attributes["sample_rate"] = heard.rate
        start = seen.times[0] or Fraction(0)
        attributes |= attribute(cue.moved(-start) for cue in cues[:MAX_CUES])
    return Artifact("video", arrays, attributes)


def _cues_in(packet: Any) -> Iterator[Cue]:
    """The subtitle in a packet of mov_text or WebVTT; a gap between two of mov_text has no text."""
    text = bytes(packet)
    if packet.stream.name == "mov_text":
        # Boxes with styles may follow the text.
        text = text[2 : 2 + int.from_bytes(text[:2], "big")]
    shown = text.decode(errors="replace").replace("\r\n", "\n").strip()
    if shown and packet.pts is not None and packet.duration:
        start = round(packet.pts * packet.time_base * 1000)
        yield Cue(start, start + max(1, round(packet.duration * packet.time_base * 1000)), shown)


@damaged_file()
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
    ours = any(schema in tags.get("comment", "") for schema in SCHEMAS)
    return {_TAGS.get(key, key) if ours else key: text for key, text in tags.items()}


class _Seen:
    """Pictures as they are decoded, upright and with square pixels, and when they are shown."""

    def __init__(self, stream: Any, kind: str) -> None:
        self.stream, self.kind = stream, kind
        self.pictures: list[np.ndarray] = []
        self.times: list[Fraction | None] = []
        self._durations: dict[Fraction | None, Fraction] = {}

    def note(self, packet: Any) -> None:
        """Keep how long the picture of a packet stays; only packets of every container know it."""
        if packet.pts is not None and packet.duration:
            self._durations[packet.pts * packet.time_base] = packet.duration * packet.time_base

    def take(self, picture: Any) -> None:
        width, height = _square_pixels(picture, self.stream.sample_aspect_ratio)
        check_read(len(self.pictures) + 1, width, height)
        scaled = picture.reformat(width, height, self.kind, interpolation="BICUBIC")
        upright = _upright(scaled.to_ndarray(), picture.side_data.get(SideData.DISPLAYMATRIX))
        if self.pictures and upright.shape != self.pictures[0].shape:
            raise UsageError("its pictures differ in size")
        self.pictures.append(upright)
        unit = picture.time_base or self.stream.time_base
        self.times.append(None if picture.pts is None else picture.pts * unit)

    def repeats(self, rates: Sequence[Fraction]) -> tuple[list[int], Fraction]:
        """How often each picture is shown, and the rate: one of ``rates`` where the pictures keep to it."""
        times = [time for time in self.times if time is not None]
        durations = [later - earlier for earlier, later in pairwise(times)]
        once = [1] * len(self.pictures)
        if len(times) < len(once) or min(durations, default=1) <= 0:
            return once, rates[0]
        last = self._durations.get(times[-1]) or min(durations, default=1 / rates[0])
        ends = [time - times[0] for time in times[1:]] + [times[-1] - times[0] + last]
        for rate in rates:
            if all(abs(end * rate - index) < 0.5 for index, end in enumerate(ends, 1)):
                return once, rate
        return evenly([*durations, last], self.stream.time_base)


def _square_pixels(picture: Any, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of a picture with square pixels; no side becomes shorter."""
    aspect = Fraction(aspect or 1)
    if not Fraction(1, 16) <= aspect <= 16:
        raise UsageError(f"its pixels are {float(aspect):g} times as wide as high")
    if aspect >= 1:
        return round(picture.width * aspect), picture.height
    return picture.width, round(picture.height / aspect)


def _upright(pixels: np.ndarray, matrix: Any) -> np.ndarray:
    """Pixels (H, W, C), turned by quarters and mirrored by a display matrix, side data of FFmpeg or None.

    The matrix has nine numbers a, b, u, c, d, v, x, y, w and brings a point (x, y) to (ax + cy, bx + dy).
    """
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(int)
    if abs(b) + abs(c) > abs(a) + abs(d):
        a, d, pixels = c, b, pixels.swapaxes(0, 1)
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


class _Heard:
    """Sound as it is decoded: mono stays so, everything else becomes stereo."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.rate = int(stream.rate)
        self.parts: list[np.ndarray] = []
        self._start: Fraction | None = None
        layout = "mono" if stream.channels == 1 else "stereo"
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=self.rate)

    def take(self, packet: Any) -> None:
        for piece in packet.decode():
            if self._start is None and piece.pts is not None:
                self._start = piece.pts * piece.time_base
            self.parts += [one.to_ndarray() for one in self._resampler.resample(piece)]

    def samples(self, start: Fraction) -> np.ndarray:
        """(channels, samples) float32 in [-1, 1] from a time on, in seconds."""
        whole = np.concatenate(self.parts, axis=1)
        if self.stream.duration:
            # The last packet of AAC is filled up.
            whole = whole[:, : max(1, round(self.stream.duration * self.stream.time_base * self.rate))]
        late = 0 if self._start is None else round((self._start - start) * self.rate)
        early = min(max(0, -late), whole.shape[1] - 1)
        whole = np.pad(whole[:, early:], ((0, 0), (max(0, late), 0)))
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
    with temporary_folder() as folder:
        path = folder / f"clip.{container}"
        # Sound is written after all pictures, and put between them however long the clip is.
        options = {"fflags": "+bitexact", "max_interleave_delta": "0"}
        if container == "mp4":
            options["movflags"] = "+faststart"
        with av.open(str(path), "w", format=container, container_options=options) as out:
            _tag(out, metadata)
            video = _video_stream(out, frames, fps_of(artifact), picture)
            sound = None
            if samples is not None:
                layout = "mono" if len(samples) == 1 else "stereo"
                exact = {"flags": "+bitexact", "threads": "1"}
                sound = out.add_stream(sound_codec, rate=SOUND_RATE, layout=layout, options=exact)
            cues = cues_of(artifact)
            texts = out.add_mux_stream(_SUBTITLES[container]) if cues else None
            for packet in _encoded(video, frames, picture[1]):
                out.mux(packet)
            if sound is not None and samples is not None:
                for packet in _sounding(sound, samples, int(artifact.attributes["sample_rate"])):
                    out.mux(packet)
            for packet in _shown(texts, cues, container):
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


def _shown(stream: Any, cues: Sequence[Cue], container: str) -> Iterator[Any]:
    """Packets of subtitles: the text itself, in MP4 after its length in two bytes (ETSI TS 126 245, 5.2)."""
    for cue in cues:
        text = cue.text.encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text if container == "mp4" else text)
        packet.stream = stream
        packet.time_base = _MILLISECOND
        packet.pts = packet.dts = cue.start
        packet.duration = cue.end - cue.start
        yield packet


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
    except av.EOFError as error:
        raise UsageError(TOO_EARLY) from error
    except Exception as error:
        raise UsageError(DAMAGED) from error
