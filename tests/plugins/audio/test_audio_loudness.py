"""Loudness, true peak and levelling against the values of ITU-R BS.1770."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.cli.main import main
from gen_audio.loudness import PEAK, TARGET, loudness, mastered, true_peak


def sine(hertz: float, rate: int, seconds: float = 3.0, phase: float = 0.0) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate + phase)[None]


@pytest.mark.parametrize(("rate", "tolerance"), [(48_000, 0.01), (44_100, 0.01), (22_050, 0.04)])
def test_a_full_sine_of_997_hz_is_at_minus_3_01(rate: int, tolerance: float) -> None:
    assert loudness(sine(997, rate), rate) == pytest.approx(-3.01, abs=tolerance)


def test_gain_and_channels_add_as_the_standard_says() -> None:
    samples = sine(997, 48_000)
    assert loudness(0.1 * samples, 48_000) == pytest.approx(loudness(samples, 48_000) - 20, abs=1e-6)
    both = loudness(samples.expand(2, -1), 48_000)
    assert both == pytest.approx(loudness(samples, 48_000) + 3.0103, abs=1e-3)


def test_silence_is_gated() -> None:
    samples = sine(997, 48_000)
    padded = torch.cat([samples, torch.zeros(1, 5 * 48_000)], 1)
    assert loudness(padded, 48_000) == pytest.approx(loudness(samples, 48_000), abs=0.3)
    assert loudness(torch.zeros(1, 48_000), 48_000) == -math.inf


def test_the_true_peak_lies_between_the_samples() -> None:
    # At a quarter of the rate and 45 degrees every sample is at 0.707 of the peak.
    samples = sine(12_000, 48_000, 0.05, math.pi / 4)
    assert samples.abs().max() < 0.708
    assert true_peak(samples[:, 200:-200], 48_000) == pytest.approx(0, abs=0.2)


def noise(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    samples = 0.02 * torch.randn(1, 3 * 22_050, generator=generator)
    if kind == "sparse":
        samples *= torch.rand(samples.shape, generator=generator) > 0.999
    if kind == "bursts":
        samples *= 1 + 5 * (torch.arange(samples.shape[1]) % 11_025 < 900)
    return samples


@pytest.mark.parametrize("kind", ["even", "bursts", "sparse"])
def test_nothing_exceeds_the_peak_and_what_can_reaches_the_target(kind: str) -> None:
    made = mastered(noise(kind), 22_050)
    assert true_peak(made, 22_050) <= PEAK + 1e-6
    level = loudness(made, 22_050)
    assert level == pytest.approx(TARGET, abs=0.2) if kind != "sparse" else level < TARGET


def test_silence_stays_silent_and_surroundings_are_cut() -> None:
    assert not mastered(torch.zeros(2, 22_050), 22_050).any()
    assert mastered(noise("even"), 22_050, around=100).shape == (1, 3 * 22_050 - 200)


def test_the_command_measures_a_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rate = 48_000
    tone = 0.1 * np.sin(2 * np.pi * 997 * np.arange(rate) / rate)[None].astype(np.float32)
    Artifact("audio", {"samples": tone}, {"sample_rate": rate}).save("tone.wav")
    Artifact("audio", {"samples": 0 * tone}, {"sample_rate": rate}).save("silence.wav")
    Artifact("audio", {"samples": tone[:, :9000]}, {"sample_rate": rate}).save("short.wav")
    Artifact("audio", {"samples": np.repeat(tone, 6, 0)}, {"sample_rate": rate}).save("six.json")

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        capfd.readouterr()
        code = main(["x", "loudness", *words, "--json"])
        return code, json.loads(capfd.readouterr().out)

    code, envelope = run("tone.wav", "--target", "-20")
    result = envelope["data"]["result"]
    assert code == 0
    assert result["duration"] == 1
    assert result["loudness"] == pytest.approx(-23.01, abs=0.05)
    assert result["true_peak"] == pytest.approx(-20, abs=0.05)
    assert result["gain"] == pytest.approx(-20 - result["loudness"])
    assert result["peak_after_gain"] == pytest.approx(result["true_peak"] + result["gain"])
    code, envelope = run("silence.wav")
    assert (code, envelope["data"]["result"]["loudness"]) == (0, None)
    for name, message in (("short.wav", "shorter than 0.4 s"), ("six.json", "has 6 channels")):
        code, envelope = run(name)
        assert code == 2
        assert message in envelope["error"]["message"]
