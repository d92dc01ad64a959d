"""Sound in files: WAV, FLAC, Ogg Vorbis, MP3 and Opus through soundfile and PyAV; spectrograms as PNG.

Where the metadata goes: WAV has a LIST INFO chunk (``ICMT``: the recipe, ``ISFT``: the program) and an XMP
chunk (``_PMX``); the others have tags (Vorbis comments, ID3v2) ``comment``: the recipe, ``software`` and
``digital_source_type`` (Ogg Vorbis: ``copyright``); PNG has the text chunks that pictures have.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen.recipe import MAX_BYTES, Metadata

MAX_SAMPLES = 192 * 2**20
"""Most samples, over all channels, that are read: half an hour of 48 kHz stereo."""

RATES = 1000, 400_000
"""Samples per second that are read, the fewest and the most."""

_RATES = {"mp3": (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000), "opus": (48_000,)}
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
        _chunk(name, text.encode() + b"\0")
        for name, text in (("ISFT", metadata.software), ("ICMT", metadata.recipe))
        if text
    )
    if info:
        content += _chunk("LIST", b"INFO" + info)
    if packet := metadata.xmp(with_recipe=False):
        content += _chunk("_PMX", packet.encode())
    content[4:8] = struct.pack("<I", len(content) - 8)
    file.write(content)


def write_flac(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a FLAC with 16 bits per sample. Args as for ``write_wav``."""
    file.write(_coded(artifact, metadata, "flac", "flac", "s16", 0))


def write_ogg(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write Ogg Vorbis of about 110 kbit/s for stereo. Args as for ``write_wav``."""
    file.write(_held(artifact, lambda sound: _vorbis(sound, metadata), read_plain))


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

    from gen_audio.mel import HOP, RATE, log_mel
    from gen_audio.picture import coloured
    from gen_audio.resampling import resampled

    mono = torch.from_numpy(artifact.arrays["samples"]).mean(0, keepdim=True)
    sound = resampled(mono, _rate(artifact), RATE)
    sound = torch.nn.functional.pad(sound, (0, max(-sound.shape[1] % HOP, 2 * HOP - sound.shape[1])))
    picture = Image.fromarray(coloured(log_mel(sound)[0].numpy()))
    info = PngImagePlugin.PngInfo()
    for key, text in metadata.png_texts():
        info.add_itxt(key, text)
    large = picture.resize((2 * picture.width, 4 * picture.height), Image.Resampling.BICUBIC)
    large.save(file, "PNG", pnginfo=info)


def read_plain(file: BinaryIO) -> Artifact:
    """Read WAV of any sample type, FLAC or Ogg Vorbis.

    Raises:
        UsageError: Something else, damaged, truncated, empty, or more than ``MAX_SAMPLES``.
    """
    if file.read(4) == b"RIFF":
        for name, size, room, _ in _chunks(file):
            # Who streams does not know the size and announces the largest.
            if name == "data" and room < size < 0xFFFFFFFF:
                raise UsageError(f"it is truncated: of {size:,} bytes of sound {room:,} are there")
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            announced, rate = sound.frames, sound.samplerate
            _check_size(announced * sound.channels)
            samples = sound.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UsageError(f"it is damaged, or not a file of sound: {_line(error)}") from error
    if len(samples) < announced:
        raise UsageError(f"it is truncated: of {announced:,} samples {len(samples):,} are there")
    return _artifact(samples.T, rate)


def read_wav_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The text entries of a WAV without its sound: ``gen``, ``Software``, ``xmp``.

    Raises:
        UsageError: It is not a WAV, or an entry is too large.
    """
    entries: dict[str, str] = {}
    for name, size, _, position in _chunks(file):
        if name not in ("LIST", "_PMX"):
            continue
        if size > MAX_BYTES + 4096:
            raise UsageError(f"its text entry {name!r} exceeds {MAX_BYTES} bytes")
        file.seek(position)
        body = file.read(size)
        if name == "_PMX":
            entries["xmp"] = body.decode(errors="replace")
        elif body[:4] == b"INFO":
            entries |= {key: text for key, text in _info(body[4:]) if key}
    return entries


def read_coded(file: BinaryIO) -> Artifact:
    """Read MP3 or Opus.

    Raises:
        UsageError: Something else, damaged, without sound, or more than ``MAX_SAMPLES``.
    """
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
        raise UsageError("there is no sound in it")
    return _artifact(np.concatenate(pieces, 1), rate)


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


def _held(
    artifact: Artifact,
    encode: Callable[[Artifact], bytes],
    decode: Callable[[BinaryIO], Artifact] = read_coded,
) -> bytes:
    """What a lossy codec makes of a sound, made quieter where decoding would raise its peaks.

    A peak of up to ``loudness.PEAK``, or of the sound's own, is left to it.
    """
    import torch

    from gen_audio.loudness import PEAK, true_peak

    def peak(sound: Artifact) -> float:
        return true_peak(torch.from_numpy(sound.arrays["samples"]), _rate(sound))

    highest = max(PEAK, peak(artifact))
    content = encode(artifact)
    for _ in range(3):
        excess = peak(decode(io.BytesIO(content))) - highest
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
    return np.rint(samples * 32767).astype(np.int16)


def _rate(artifact: Artifact) -> int:
    return int(artifact.attributes["sample_rate"])


def _artifact(samples: NDArray[np.float32], rate: int) -> Artifact:
    if not samples.size:
        raise UsageError("there is no sound in it")
    low, high = RATES
    if not low <= rate <= high:
        raise UsageError(f"it has {rate:,} samples per second; {low:,} to {high:,} are read")
    clean = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
    return Artifact("audio", {"samples": np.ascontiguousarray(clean, np.float32)}, {"sample_rate": rate})


def _check_size(samples: int) -> None:
    if samples > MAX_SAMPLES:
        raise UsageError(f"it has {samples:,} samples; at most {MAX_SAMPLES:,} are read")


@contextmanager
def _opened(file: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """An open container and its first stream of sound."""
    try:
        with av.open(file, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise UsageError("there is no sound in it")
            yield container, container.streams.audio[0]
    except (GenError, MemoryError):
        raise
    except av.error.InvalidDataError:
        raise UsageError("it is damaged, or not a file of sound") from None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise UsageError(f"it is damaged: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _chunk(name: str, body: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name.encode() + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _chunks(file: BinaryIO) -> Iterator[tuple[str, int, int, int]]:
    """Chunks of a WAV: name, announced size, bytes that are there, and where its body begins.

    Raises:
        UsageError: It is not a WAV.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise UsageError("it is not a WAV")
    position = 12
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        room = end - position - 8
        yield name.decode("latin-1"), size, room, position + 8
        position += 8 + size + size % 2


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
