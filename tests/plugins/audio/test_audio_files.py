"""Sound in files: what goes in comes out, the same bytes every time, and damaged files say so in a line."""

import contextlib
import io
import re
import warnings
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from gen import formats
from gen.artifact import Artifact
from gen.errors import GenWarning, UsageError
from gen.metadata import Metadata
from gen_audio import loudness
from gen_audio.files import sounds as files
from gen_audio.plugin import gen_formats

CODED = ("flac", "ogg", "mp3", "opus")
SAID = Metadata(
    software="gen 0.1", source_type="http://x/y", recipe='{"prompt":"Glöckchen 🔔' + 9000 * "x" + '"}'
)


def sound(channels: int = 1, rate: int = 22_050, seconds: float = 1.0) -> Artifact:
    times = np.arange(round(rate * seconds)) / rate
    rows = [0.4 * np.sin(2 * np.pi * 440 * (1 + index / 2) * times) for index in range(channels)]
    return Artifact("audio", {"samples": np.array(rows, np.float32)}, {"sample_rate": rate})


def written(form: str, artifact: Artifact, metadata: Metadata = SAID) -> io.BytesIO:
    file = io.BytesIO()
    getattr(files, f"write_{form}")(artifact, file, metadata)
    file.seek(0)
    return file


def read(form: str, file: io.BytesIO) -> Artifact:
    return files.read_coded(file) if form in ("mp3", "opus") else files.read_plain(file)


def entries(form: str, file: io.BytesIO) -> dict[str, str]:
    return dict(files.read_wav_metadata(file) if form == "wav" else files.read_coded_metadata(file))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("form", ["wav", *CODED])
def test_sound_and_recipe_come_back(form: str, channels: int) -> None:
    artifact = sound(channels, 24_000)
    file = written(form, artifact)
    back = read(form, file)
    rate = back.attributes["sample_rate"]
    assert rate == (48_000 if form == "opus" else 24_000)
    assert back.arrays["samples"].shape == (channels, rate)
    for index, row in enumerate(back.arrays["samples"]):
        spectrum = np.abs(np.fft.rfft(row))
        assert spectrum.argmax() == 440 * (1 + index / 2)
        assert np.abs(row).max() == pytest.approx(0.4, abs=0.05)
    if form in ("wav", "flac"):
        np.testing.assert_allclose(back.arrays["samples"], artifact.arrays["samples"], atol=4e-5)
    file.seek(0)
    found = entries(form, file)
    assert found["gen"] == SAID.recipe
    assert found["Software"] == SAID.software
    assert any(SAID.source_type in found.get(key, "") for key in ("xmp", "digital_source_type", "copyright"))


@pytest.mark.parametrize("form", ["wav", *CODED, "png"])
def test_the_same_sound_is_the_same_bytes(form: str) -> None:
    assert written(form, sound()).getvalue() == written(form, sound()).getvalue()


@pytest.mark.parametrize("form", ["wav", *CODED])
def test_nothing_is_said_when_nothing_is_to_be_said(form: str) -> None:
    file = written(form, sound(), Metadata())
    assert b"gen" not in file.getvalue()
    assert "gen" not in entries(form, file)


@pytest.mark.parametrize("form", ["wav", *CODED])
def test_independent_readers_open_them(form: str) -> None:
    file = written(form, sound(2, 44_100))
    if form == "wav":
        with wave.open(file) as opened:
            assert (opened.getnchannels(), opened.getframerate(), opened.getsampwidth()) == (2, 44_100, 2)
        file.seek(0)
    samples, rate = soundfile.read(file)
    assert samples.shape[1] == 2
    assert rate == (48_000 if form == "opus" else 44_100)


@pytest.mark.parametrize("form", ["ogg", "mp3", "opus"])
def test_coding_does_not_raise_peaks_above_the_target(form: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.6, 0.6, (1, 22_050)).astype(np.float32)
    hissing = Artifact("audio", {"samples": noise}, {"sample_rate": 22_050})
    before = loudness.true_peak(torch.from_numpy(noise), 22_050)
    back = read(form, written(form, hissing))
    samples = torch.from_numpy(back.arrays["samples"])
    peak = loudness.true_peak(samples, int(back.attributes["sample_rate"]))
    assert peak <= max(before, loudness.PEAK) + 0.1
    assert peak > before - 4


def test_mp3_takes_the_next_rate_that_it_has() -> None:
    assert read("mp3", written("mp3", sound(rate=30_000))).attributes["sample_rate"] == 32_000


def test_the_spectrogram_shows_the_tone() -> None:
    with Image.open(written("png", sound(rate=44_100))) as picture:
        assert picture.info["gen"] == SAID.recipe
        assert picture.height == 320
        brightness = np.asarray(picture.convert("L"), float).mean(1)
    # 440 Hz lies in the tenth of 80 bands, counted from below, and a band is four pixels high.
    assert 320 - 4 * 14 < brightness.argmax() < 320 - 4 * 8


def test_silence_is_dark() -> None:
    silent = Artifact("audio", {"samples": np.zeros((1, 22_050), np.float32)}, {"sample_rate": 22_050})
    with Image.open(written("png", silent)) as picture:
        assert np.asarray(picture.convert("L")).max() < 20


def test_a_sound_shorter_than_a_frame_can_be_seen() -> None:
    with Image.open(written("png", sound(seconds=0.003))) as picture:
        assert picture.width > 0


def test_five_channels_are_refused() -> None:
    with pytest.raises(UsageError, match="5 channels"):
        written("wav", sound(5))


def test_a_truncated_wav_says_so() -> None:
    whole = written("wav", sound(), Metadata()).getvalue()
    with pytest.raises(UsageError, match="truncated: of 44,100 bytes of sound"):
        files.read_plain(io.BytesIO(whole[:20_000]))


# What programs write into a header before they know the length, as into a pipe.
UNKNOWN = [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF]


@pytest.mark.parametrize("outer", [0, 0x7FFFF024, 0xFFFFFFFF])
@pytest.mark.parametrize("size", UNKNOWN)
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "MS_ADPCM"])
def test_a_wav_that_was_streamed_is_read_to_its_end(subtype: str, size: int, outer: int) -> None:
    file = io.BytesIO()
    soundfile.write(file, sound(2).arrays["samples"].T, 22_050, format="WAV", subtype=subtype)
    file.seek(0)
    expected = files.read_plain(file).arrays["samples"]
    # Whatever stands behind the sound would be taken for sound: streams have nothing there.
    whole = bytearray(file.getvalue())
    data = whole.index(b"data")
    end = data + 8 + int.from_bytes(whole[data + 4 : data + 8], "little")
    whole[4:8], whole[data + 4 : data + 8] = outer.to_bytes(4, "little"), size.to_bytes(4, "little")
    found = files.read_plain(io.BytesIO(bytes(whole[:end]))).arrays["samples"]
    assert np.array_equal(found, expected)
    assert files.read_wav_metadata(io.BytesIO(bytes(whole[:end]))) == {}


@pytest.mark.parametrize("size", [0, 2**64 - 1])
def test_an_rf64_that_was_streamed_is_read_to_its_end(size: int) -> None:
    file = io.BytesIO()
    soundfile.write(file, sound().arrays["samples"].T, 22_050, format="RF64", subtype="PCM_16")
    whole = bytearray(file.getvalue())
    place = whole.index(b"ds64") + 16
    assert int.from_bytes(whole[place : place + 8], "little") == 44_100
    whole[place : place + 8] = size.to_bytes(8, "little")
    samples = files.read_plain(io.BytesIO(bytes(whole))).arrays["samples"]
    np.testing.assert_allclose(samples, sound().arrays["samples"], atol=4e-5)


def test_a_wav_without_sound_says_so_whatever_follows() -> None:
    empty = Artifact("audio", {"samples": np.zeros((1, 1), np.float32)}, {"sample_rate": 22_050})
    whole = bytearray(written("wav", empty).getvalue())
    data = whole.index(b"data")
    del whole[data + 8 : data + 10]
    whole[data + 4 : data + 8] = bytes(4)
    assert b"LIST" in whole
    with pytest.raises(UsageError, match="no sound in it"):
        files.read_plain(io.BytesIO(bytes(whole)))
    assert files.read_wav_metadata(io.BytesIO(bytes(whole)))["gen"] == SAID.recipe


def test_wavs_of_all_forms_are_read_and_truncated_ones_refused() -> None:
    for options in ({"format": "RF64"}, {"format": "WAV", "endian": "BIG"}, {"format": "WAVEX"}):
        file = io.BytesIO()
        soundfile.write(file, sound().arrays["samples"].T, 22_050, subtype="PCM_24", **options)
        whole = file.getvalue()
        found = files.read_plain(io.BytesIO(whole)).arrays["samples"]
        np.testing.assert_allclose(found, sound().arrays["samples"], atol=1e-6)
        assert files.read_wav_metadata(io.BytesIO(whole)) == {}
        with pytest.raises(UsageError, match=r"truncated: of 66,150 bytes of sound \d\d,\d\d\d are there"):
            files.read_plain(io.BytesIO(whole[:40_000]))


def test_a_flac_that_was_streamed_is_read_to_its_end() -> None:
    whole = bytearray(written("flac", sound(2)).getvalue())
    info = whole.index(b"fLaC") + 8
    whole[info + 13] &= 0xF0
    whole[info + 14 : info + 34] = bytes(20)  # the number of samples and their digest
    samples = files.read_plain(io.BytesIO(bytes(whole))).arrays["samples"]
    np.testing.assert_allclose(samples, sound(2).arrays["samples"], atol=4e-5)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_what_exceeds_full_scale_keeps_its_shape(subtype: str) -> None:
    loud = 5 * sound(2).arrays["samples"]
    file = io.BytesIO()
    soundfile.write(file, loud.T, 22_050, format="WAV", subtype=subtype)
    file.seek(0)
    with pytest.warns(GenWarning, match=r"exceeds full scale by 6\.0 dB and is made as much quieter"):
        samples = files.read_plain(file).arrays["samples"]
    np.testing.assert_allclose(samples, loud / np.abs(loud).max(), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    samples = sound().arrays["samples"].copy()
    samples[0, 7:9] = value
    file = io.BytesIO()
    soundfile.write(file, samples.T, 22_050, format="WAV", subtype="FLOAT")
    file.seek(0)
    with pytest.raises(UsageError, match=r"^2 of its 22,050 samples are no finite numbers"):
        files.read_plain(file)


def test_a_truncated_mp3_says_so_with_and_without_a_tag() -> None:
    for said in (SAID, Metadata()):
        whole = written("mp3", sound(), said).getvalue()
        assert read("mp3", io.BytesIO(whole)).arrays["samples"].shape == (1, 22_050)
        for end in (len(whole) - 1, len(whole) - 6000):
            with pytest.raises(
                UsageError, match=r"truncated: of 13,1\d\d bytes of sound \d+,\d\d\d are there"
            ):
                read("mp3", io.BytesIO(whole[:end]))


@pytest.mark.parametrize("form", ["ogg", "opus"])
def test_an_ogg_file_that_breaks_off_is_read_with_a_warning(form: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 10 * 22_050)).astype(np.float32)
    whole = written(form, Artifact("audio", {"samples": noise}, {"sample_rate": 22_050})).getvalue()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entire = read(form, io.BytesIO(whole)).arrays["samples"].shape[1]
    with pytest.warns(GenWarning, match="breaks off: it is truncated or was streamed"):
        part = read(form, io.BytesIO(whole[: len(whole) // 2])).arrays["samples"].shape[1]
    assert 0.3 < part / entire < 0.6


@pytest.mark.parametrize("form", ["wav", *CODED])
@pytest.mark.parametrize("content", [b"", b"hello" * 99, "whole"])
def test_messages_are_ours_and_name_the_file(form: str, content: bytes | str, tmp_path: Path) -> None:
    spec = next(spec for spec in gen_formats() if spec.name == form)
    path = tmp_path / f"odd one.{form}"
    path.write_bytes(written(form, sound()).getvalue()[:300] if isinstance(content, str) else content)
    with pytest.raises(UsageError) as raised:
        formats.read(path, [spec])
    message = raised.value.message
    assert message.startswith(f"cannot read {path}: it is ")
    assert not re.search(
        r"Errno|<|object|returned|Error|<none>|'", message.removeprefix(f"cannot read {path}")
    )


@pytest.mark.parametrize("rate", [500, 1_000_000])
def test_a_rate_that_no_sound_has_is_refused(rate: int) -> None:
    with pytest.raises(UsageError, match=f"has {rate:,} samples per second; 1,000 to 400,000 are read"):
        files.read_plain(written("wav", sound(rate=rate)))


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"\x89PNG\r\n\x1a\n" + bytes(90), b"hello" * 99]
)
def test_what_is_no_sound_is_refused_in_a_line(content: bytes) -> None:
    for reader in (files.read_plain, files.read_coded, files.read_coded_metadata):
        with pytest.raises(UsageError) as raised:
            reader(io.BytesIO(content))
        assert "\n" not in raised.value.message


def test_a_container_without_sound_is_refused() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with pytest.raises(UsageError, match="no sound in it"):
        files.read_coded(file)


@pytest.mark.parametrize("form", ["wav", *CODED])
def test_damage_is_an_error_or_silence_but_never_a_crash(form: str) -> None:
    content = bytearray(written(form, sound()).getvalue())
    rng = np.random.default_rng(0)
    for _ in range(12):
        damaged = content.copy()
        for place in rng.integers(0, len(damaged), 30):
            damaged[place] = rng.integers(0, 256)
        with contextlib.suppress(UsageError), warnings.catch_warnings():
            warnings.simplefilter("ignore", GenWarning)
            read(form, io.BytesIO(bytes(damaged[: rng.integers(20, len(damaged))])))


def test_a_claim_of_endless_sound_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_SAMPLES", 10_000)
    for form in ("wav", "flac"):
        with pytest.raises(UsageError, match="at most 10,000 are read"):
            read(form, written(form, sound()))


def test_float_and_24_bit_files_of_others_are_read() -> None:
    for subtype in ("FLOAT", "PCM_24", "PCM_U8"):
        file = io.BytesIO()
        soundfile.write(file, sound().arrays["samples"].T, 22_050, format="WAV", subtype=subtype)
        file.seek(0)
        np.testing.assert_allclose(
            files.read_plain(file).arrays["samples"], sound().arrays["samples"], atol=0.01
        )


def test_every_format_that_is_declared_is_there() -> None:
    for spec in gen_formats():
        for reference in (spec.writer, spec.reader, spec.metadata_reader):
            if reference:
                assert callable(getattr(files, reference.partition(":")[2]))
