"""Sound in files: WAV, FLAC, Ogg Vorbis, MP3 and Opus through soundfile and PyAV; spectrograms as PNG.

Where the metadata goes: WAV has a LIST INFO chunk (``ICMT``: the recipe, ``ISFT``: the program) and an XMP
chunk (``_PMX``); the others have tags (Vorbis comments, ID3v2) ``comment``: the recipe, ``software`` and
``digital_source_type`` (Ogg Vorbis: ``copyright``); PNG has the text chunks that pictures have.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import GenError, GenWarning, UsageError, damaged_file
from gen.metadata import Metadata
from gen.recipe import MAX_BYTES
from gen_audio.files import riff
from gen_audio.truncation import check_mp3, ogg_has_end

MAX_SAMPLES = 192 * 2**20
"""Most samples, over all channels, that are read: half an hour of 48 kHz stereo."""

RATES = 1000, 400_000
"""Samples per second that are read, the fewest and the most."""

_RATES = {"mp3": (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000), "opus": (48_000,)}
_PIECE = 2**22
"""Samples, over all channels, that are decoded at once."""

_UNKNOWN_LENGTH = 2**62
"""What libsndfile says of a FLAC that does not say its length is above this."""

_LOSSY = ("VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
_DAMAGED, _EMPTY = "it is damaged, or not a file of sound", "there is no sound in it"
_INFO = {"ISFT": "Software", "ICMT": "gen"}
_BITEXACT = {"fflags": "+bitexact"}


def write_wav(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a WAV with 16 bits per sample.

    Args:
        artifact: A sound.
        file: Where to.
        metadata: What to say about it.
    """
    whole = io.BytesIO()
    soundfile.write(whole, _whole_numbers(artifact).T, _rate(artifact), format="WAV", subtype="PCM_16")
    content = bytearray(whole.getvalue())
    info = b"".join(
        riff.chunk(name, text.encode() + b"\0")
        for name, text in (("ISFT", metadata.software), ("ICMT", metadata.recipe))
        if text
    )
    if info:
        content += riff.chunk("LIST", b"INFO" + info)
    if packet := metadata.xmp(with_recipe=False):
        content += riff.chunk("_PMX", packet.encode())
    content[4:8] = struct.pack("<I", len(content) - 8)
    file.write(content)


def write_flac(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a FLAC with 16 bits per sample. Args as for ``write_wav``."""
    file.write(_coded(artifact, metadata, "flac", "flac", "s16", 0))


def write_ogg(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write Ogg Vorbis of about 110 kbit/s for stereo. Args as for ``write_wav``."""
    file.write(_held(artifact, lambda sound: _vorbis(sound, metadata)))


def _vorbis(artifact: Artifact, metadata: Metadata) -> bytes:
    whole = io.BytesIO()
    numbers = _whole_numbers(artifact).T
    options: Any = {"format": "OGG", "subtype": "VORBIS"}
    with soundfile.SoundFile(whole, "w", _rate(artifact), numbers.shape[1], **options) as sound:
        said = (("comment", metadata.recipe), ("software", metadata.software))
        for key, text in (*said, ("copyright", metadata.source_type)):
            if text:
                setattr(sound, key, text)
        # libsndfile fails on one long write.
        for start in range(0, len(numbers), 8192):
            sound.write(numbers[start : start + 8192])
    return bytes(_renumbered(bytearray(whole.getvalue())))


def write_mp3(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write an MP3 of 96 kbit/s per channel, resampled to a rate that MP3 has. Args as for ``write_wav``."""
    file.write(_held(artifact, lambda sound: _coded(sound, metadata, "mp3", "libmp3lame", "fltp", 96_000)))


def write_opus(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write Opus of 64 kbit/s per channel at 48 kHz. Args as for ``write_wav``."""
    file.write(_held(artifact, lambda sound: _coded(sound, metadata, "opus", "libopus", "flt", 64_000)))


def write_png(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write the log-mel spectrogram as a picture, two pixels per 11.6 ms and four per band.

    Args as for ``write_wav``.
    """
    import torch
    from PIL import Image, PngImagePlugin

    from gen_audio.artifacts import mono
    from gen_audio.files.picture import coloured
    from gen_audio.mel import HOP, log_mel

    sound = mono(artifact)[None]
    sound = torch.nn.functional.pad(sound, (0, max(-sound.shape[1] % HOP, 2 * HOP - sound.shape[1])))
    picture = Image.fromarray(coloured(log_mel(sound)[0].numpy()))
    info = PngImagePlugin.PngInfo()
    for key, text in metadata.png_texts():
        info.add_itxt(key, text)
    large = picture.resize((2 * picture.width, 4 * picture.height), Image.Resampling.BICUBIC)
    large.save(file, "PNG", pnginfo=info)


@damaged_file()
def read_plain(file: BinaryIO) -> Artifact:
    """Read WAV of any sample type, FLAC or Ogg Vorbis.

    What does not say how long it is, because it was streamed, is read to its end. Samples beyond full scale,
    which only files of floating-point numbers have, are scaled back, with a warning.

    Raises:
        UsageError: Something else, damaged, truncated, empty, with samples that are no finite numbers, or
            more than ``MAX_SAMPLES``.
    """
    head = file.read(4)
    if head in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        file = riff.with_lengths(file)
    cut = head == b"OggS" and not ogg_has_end(file)
    file.seek(0)
    pieces: list[NDArray[np.float32]] = []
    total = 0
    try:
        with soundfile.SoundFile(file) as sound:
            announced, rate, channels = sound.frames, sound.samplerate, sound.channels
            lossy = sound.subtype in _LOSSY
            if announced > _UNKNOWN_LENGTH:
                # libsndfile cannot read on in a FLAC that was streamed.
                return _artifact(*_decoded(file), lossy=lossy)
            _check_size(announced * channels)
            while len(piece := sound.read(max(1, _PIECE // channels), dtype="float32", always_2d=True)):
                pieces.append(piece)
                total += len(piece)
                _check_size(total * channels)
    except soundfile.LibsndfileError as error:
        raise UsageError(_DAMAGED) from error
    if total < announced:
        raise UsageError(f"it is truncated: of {announced:,} samples {total:,} are there")
    if not pieces:
        raise UsageError(_EMPTY)
    return _artifact(np.concatenate(pieces).T, rate, lossy=lossy, cut=cut)


@damaged_file()
def read_wav_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries of a WAV without its sound: ``gen``, ``Software``, ``xmp``.

    Raises:
        UsageError: It is not a WAV, or an entry is too large.
    """
    entries: dict[str, str] = {}
    for each in riff.chunks(file):
        if each.name not in ("LIST", "_PMX"):
            continue
        if each.size > MAX_BYTES + 4096:
            raise UsageError(f"its text entry {each.name!r} exceeds {MAX_BYTES} bytes")
        file.seek(each.position)
        body = file.read(each.size)
        if each.name == "_PMX":
            entries["xmp"] = body.decode(errors="replace")
        elif body[:4] == b"INFO":
            entries |= {key: text for key, text in _info(body[4:]) if key}
    return entries


@damaged_file()
def read_coded(file: BinaryIO) -> Artifact:
    """Read MP3 or Opus.

    Raises:
        UsageError: Something else, damaged, truncated, without sound, or more than ``MAX_SAMPLES``.
    """
    head = file.read(4)
    if head != b"OggS":
        check_mp3(file)
    cut = head == b"OggS" and not ogg_has_end(file)
    return _artifact(*_decoded(file), lossy=True, cut=cut)


def _decoded(file: BinaryIO) -> tuple[NDArray[np.float32], int]:
    """Samples (channels, L) and rate of anything that PyAV decodes.

    Raises:
        UsageError: As for ``read_coded``.
    """
    file.seek(0)
    pieces: list[NDArray[np.float32]] = []
    total = 0
    with _opened(file) as (container, stream):
        resampler = av.AudioResampler("fltp", stream.layout.name, stream.rate)
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                pieces.append(part.to_ndarray().astype(np.float32, copy=False))
                if len(pieces[-1]) != len(pieces[0]):
                    raise UsageError("it is damaged: its number of channels changes")
                total += pieces[-1].size
                _check_size(total)
        for part in resampler.resample(None):
            pieces.append(part.to_ndarray().astype(np.float32, copy=False))
        rate = int(stream.rate)
    if not pieces:
        raise UsageError(_EMPTY)
    return np.concatenate(pieces, 1), rate


@damaged_file()
def read_coded_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The tags of a FLAC, Ogg, MP3 or Opus file without its sound; our recipe is under ``gen``.

    Raises:
        UsageError: Something else, damaged, or a tag of more than ``gen.recipe.MAX_BYTES``.
    """
    with _opened(file) as (container, stream):
        tags = {key.lower(): text for key, text in {**container.metadata, **stream.metadata}.items()}
    for key, text in tags.items():
        if len(text) > MAX_BYTES:
            raise UsageError(f"its text entry {key[:40]!r} exceeds {MAX_BYTES} bytes")
    entries = {key: text for key, text in tags.items() if key not in ("comment", "software")}
    if "software" in tags:
        # libsndfile signs as well.
        entries["Software"] = tags["software"].partition(" (libsndfile")[0]
    if tags.get("comment", "").startswith("{"):
        entries["gen"] = tags["comment"]
    return entries


def _held(artifact: Artifact, encode: Callable[[Artifact], bytes]) -> bytes:
    """What a lossy codec makes of a sound, made quieter where decoding would raise its peaks.

    A peak of up to ``loudness.PEAK``, or of the sound's own, is left to it.
    """
    import torch

    from gen_audio.loudness import PEAK, true_peak

    def peak(samples: NDArray[np.float32], rate: int) -> float:
        return true_peak(torch.from_numpy(samples), rate)

    highest = max(PEAK, peak(artifact.arrays["samples"], _rate(artifact)))
    content = encode(artifact)
    for _ in range(3):
        excess = peak(*_decoded(io.BytesIO(content))) - highest
        if excess <= 0:
            break
        quieter = artifact.arrays["samples"] * np.float32(10 ** (-(excess + 0.05) / 20))
        artifact = Artifact(artifact.kind, {"samples": quieter}, artifact.attributes)
        content = encode(artifact)
    return content


def _coded(
    artifact: Artifact,
    metadata: Metadata,
    container_format: str,
    codec: str,
    sample_format: str,
    bits: int,
) -> bytes:
    """Encode with PyAV; the same bytes for the same sound and metadata."""
    numbers, rate = _whole_numbers(artifact), _rate(artifact)
    layout = "mono" if len(numbers) == 1 else "stereo"
    rates = _RATES.get(container_format, (rate,))
    target = min((r for r in rates if r >= rate), default=max(rates))
    whole = io.BytesIO()
    with av.open(whole, "w", format=container_format, options=_BITEXACT) as container:
        container.metadata.update(_tags(metadata))
        stream: Any = container.add_stream(codec, rate=target, layout=layout)
        stream.codec_context.format = sample_format
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if bits:
            stream.bit_rate = bits * len(numbers)
        resampler = av.AudioResampler(sample_format, layout, target, frame_size=stream.frame_size or 4096)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(numbers.T).reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return whole.getvalue()


def _renumbered(content: bytearray) -> bytearray:
    """An Ogg stream with the number 1, where libsndfile draws one by chance (RFC 3533, section 6)."""
    page = 0
    while page < len(content):
        table = content[page + 27 : page + 27 + content[page + 26]]
        end = page + 27 + len(table) + sum(table)
        content[page + 14 : page + 18] = struct.pack("<I", 1)
        content[page + 22 : page + 26] = bytes(4)
        check = 0
        for byte in content[page:end]:
            check = (check << 8 & 0xFFFFFFFF) ^ _OGG_CHECK[check >> 24 ^ byte]
        content[page + 22 : page + 26] = struct.pack("<I", check)
        page = end
    return content


def _ogg_check(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value


_OGG_CHECK = [_ogg_check(byte) for byte in range(256)]


def _tags(metadata: Metadata) -> dict[str, str]:
    tags = {
        "comment": metadata.recipe,
        "software": metadata.software,
        "digital_source_type": metadata.source_type,
    }
    return {key: text for key, text in tags.items() if text}


def _whole_numbers(artifact: Artifact) -> NDArray[np.int16]:
    """(channels, samples) as 16 bits.

    Raises:
        UsageError: More than two channels.
    """
    samples = artifact.arrays["samples"]
    if len(samples) > 2:
        raise UsageError(f"sound of {len(samples)} channels cannot be written", "use one or two")
    # As readers divide by 32,768, samples that came from 16 bits become the same again.
    return np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)


def _rate(artifact: Artifact) -> int:
    return int(artifact.attributes["sample_rate"])


def _artifact(samples: NDArray[np.float32], rate: int, *, lossy: bool, cut: bool = False) -> Artifact:
    """The artifact of samples (channels, L), scaled to full scale where they exceed it; warns of what is odd.

    Args:
        samples: As decoded.
        rate: Samples per second.
        lossy: Whether a codec may have raised peaks that its encoder was given below full scale.
        cut: Whether the file has no end.

    Raises:
        UsageError: A rate outside ``RATES``, or samples that are no finite numbers.
    """
    low, high = RATES
    if not low <= rate <= high:
        raise UsageError(f"it has {rate:,} samples per second; {low:,} to {high:,} are read")
    if wrong := samples.size - int(np.isfinite(samples).sum()):
        raise UsageError(f"{wrong:,} of its {samples.size:,} samples are no finite numbers (NaN or infinite)")
    peak = float(np.abs(samples).max())
    if peak > 1:
        samples = (samples / np.float32(peak)).clip(-1, 1)
        if not lossy:
            excess = f"{20 * math.log10(peak):.1f} dB"
            _warn(f"it exceeds full scale by {excess} and is made as much quieter")
    if cut:
        _warn("it breaks off: it is truncated or was streamed")
    return Artifact("audio", {"samples": np.ascontiguousarray(samples, np.float32)}, {"sample_rate": rate})


def _warn(line: str) -> None:
    warnings.warn(line, GenWarning, stacklevel=4)


def _check_size(samples: int) -> None:
    if samples > MAX_SAMPLES:
        raise UsageError(f"it has {samples:,} samples; at most {MAX_SAMPLES:,} are read")


@contextmanager
def _opened(file: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """An open container and its first stream of sound."""
    try:
        with av.open(file, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise UsageError(_EMPTY)
            yield container, container.streams.audio[0]
    except (GenError, MemoryError):
        raise
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise UsageError(_DAMAGED) from error


def _info(body: bytes) -> Iterator[tuple[str, str]]:
    """Entries of a LIST INFO chunk under our names."""
    position = 0
    while position + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, position)
        text = body[position + 8 : position + 8 + size].rstrip(b"\0").decode(errors="replace")
        key = _INFO.get(name.decode("latin-1"), "")
        if key != "gen" or text.startswith("{"):
            yield key, text
        position += 8 + size + size % 2
