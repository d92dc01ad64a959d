"""Sound in files: what goes in comes out, the same bytes every time, and damaged files say so in a line."""

import contextlib
import io
import wave

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.recipe import Metadata
from gen_audio import files, loudness
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


def test_a_streamed_wav_is_read_to_its_end() -> None:
    whole = bytearray(written("wav", sound(), Metadata()).getvalue())
    data = whole.index(b"data")
    whole[4:8] = whole[data + 4 : data + 8] = b"\xff" * 4
    samples = files.read_plain(io.BytesIO(bytes(whole))).arrays["samples"]
    np.testing.assert_allclose(samples, sound().arrays["samples"], atol=4e-5)


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
        with contextlib.suppress(UsageError):
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
