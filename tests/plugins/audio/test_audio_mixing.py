"""Mixing a voice and a score: how far the score goes down, how loud the whole is, and odd input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.conversion import convert
from gen.plugin.host import Host
from gen_audio.loudness import loudness, true_peak
from gen_audio.mixing import ducking

HOST = Host.discover()
RATE = 16_000


def sound(samples: np.ndarray, rate: int = RATE) -> Artifact:
    return Artifact("audio", {"samples": np.atleast_2d(samples).astype(np.float32)}, {"sample_rate": rate})


def voice(seconds: float = 8.0) -> np.ndarray:
    """Bursts of a tone of 300 Hz in seconds 2 to 3 and 5 to 6."""
    time = np.arange(round(seconds * RATE)) / RATE
    speaks = ((time > 2) & (time < 3)) | ((time > 5) & (time < 6))
    return 0.1 * np.sin(2 * np.pi * 300 * time) * speaks


def score(seconds: float = 8.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 2000 * np.arange(round(seconds * RATE)) / RATE)


def mixed(one: Artifact, other: Artifact, **params: Any) -> Artifact:
    spec = next(spec for spec in HOST.converters() if spec.name == "mix")
    return convert(one, (spec,), {"score": other, **params}, HOST)


def level(samples: np.ndarray, hertz: float, start: float, end: float) -> float:
    """Decibels of a tone between two times."""
    part = samples[0, round(start * RATE) : round(end * RATE)].astype(float)
    time = np.arange(len(part)) / RATE
    return float(20 * np.log10(2 * abs((part * np.exp(-2j * np.pi * hertz * time)).mean()) + 1e-9))


@pytest.mark.parametrize("duck", [12.0, 15.0, 18.0])
def test_the_score_goes_down_under_the_voice_by_what_was_said(duck: float) -> None:
    samples = mixed(sound(voice()), sound(score()), duck=duck).arrays["samples"]
    alone, under = level(samples, 2000, 0.5, 1.5), level(samples, 2000, 2.1, 2.9)
    assert alone - under == pytest.approx(duck, abs=0.5)
    assert level(samples, 2000, 3.9, 4.4) == pytest.approx(alone, abs=0.5), "it comes back"
    assert level(samples, 300, 2.1, 2.9) - under > 10, "the voice is in front"


def test_the_whole_has_the_loudness_of_what_is_delivered() -> None:
    made = mixed(sound(voice()), sound(score()))
    samples = torch.from_numpy(made.arrays["samples"])
    assert loudness(samples, RATE) == pytest.approx(-14, abs=0.2)
    assert true_peak(samples, RATE) <= -0.9


def test_the_score_turns_without_a_click() -> None:
    gain = ducking(torch.from_numpy(voice())[None].float(), RATE, 15)
    assert float(gain.max()) == 1
    assert float(gain.min()) == pytest.approx(10 ** (-15 / 20), abs=1e-3)
    assert float(gain.diff().abs().max()) < 10 / RATE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sound(np.zeros(RATE)), sound(score(1))),
        (sound(voice(3)), sound(np.zeros(10))),
        (sound(np.zeros(10)), sound(np.ones(1))),
        (sound(np.zeros((1, 1))), sound(np.ones((2, 100)), 8000)),
        (sound(np.stack([voice(3)] * 6)), sound(score(2), 22_050)),
    ],
)
def test_odd_sounds_give_a_sound_as_long_as_the_voice(one: Artifact, other: Artifact) -> None:
    made = mixed(one, other)
    rate = int(made.attributes["sample_rate"])
    seconds = one.sizes["samples"] / int(one.attributes["sample_rate"])
    assert made.sizes["samples"] == pytest.approx(seconds * rate, abs=1)
    assert np.isfinite(made.arrays["samples"]).all()
