"""The voice that ships: it works at once, and what it says is understood."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gen
from gen.artifact import Artifact
from gen_audio.loudness import loudness
from gen_audio.mel import RATE
from gen_audio.resampling import resampled
from gen_audio.voice.training.data.sphinx import Ear

HEARD = 16_000


@pytest.fixture(scope="module")
def voice():
    return gen.load("voice")


def sound(artifact: Artifact) -> torch.Tensor:
    return torch.from_numpy(artifact.arrays["samples"].mean(0))


def words(artifact: Artifact) -> list[str]:
    samples = resampled(sound(artifact), RATE, HEARD).clamp(-1, 1)
    return Ear(HEARD).words((samples * 32767).short().numpy())


@pytest.mark.parametrize("who", ["female", "male"])
def test_what_is_said_is_understood(voice, who: str) -> None:
    text = "once upon a time there was a small red fox who lived in the forest"
    said = words(voice(text, seed=1, voice=who))
    assert len(set(text.split()) & set(said)) >= 10


def test_a_woman_speaks_higher_than_a_man(voice) -> None:
    def median_pitch(who: str) -> float:
        """In Hz, of pieces of 50 ms, by the highest autocorrelation from 60 to 400 Hz."""
        size, lags = RATE // 20, slice(RATE // 400, RATE // 60)
        pieces = sound(voice("We are all well.", seed=1, voice=who)).unfold(0, size, size // 2)
        powers = torch.fft.rfft(pieces, 2 * size).abs().square()
        found = torch.fft.irfft(powers)[:, lags].argmax(1)
        return RATE / float(found.median() + lags.start)

    assert 60 < median_pitch("male") < 140 < median_pitch("female") < 260


def test_the_text_and_the_rate_decide_how_long_it_takes(voice) -> None:
    short, long, slow = (
        len(sound(voice(text, seed=1, rate=rate, steps=2)))
        for text, rate in (
            ("Good morning.", 1.0),
            ("Good morning, my dear old friend.", 1.0),
            ("Good morning.", 0.5),
        )
    )
    assert 1.5 * short < long
    assert 1.5 * short < slow
    assert abs(loudness(torch.from_numpy(voice("Good morning.", seed=1).arrays["samples"]), RATE) + 14) < 1.5


def test_numbers_are_spoken(voice) -> None:
    assert {"forty", "two"} <= set(words(voice("There are 42 apples on the table.", seed=2, voice="male")))


def test_the_command_speaks_and_speaks_the_same_again(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("gen"))
    command = [
        program,
        "audio",
        "Hello there.",
        "--model",
        "voice",
        "-o",
        "hello.wav",
        "--seed",
        "7",
        "--steps",
        "4",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello.wav\n"
    again = gen.rerun(tmp_path / "hello.wav")
    written = gen.formats.read(tmp_path / "hello.wav", gen.plugin.host.Host.discover().formats())
    np.testing.assert_allclose(again.arrays["samples"], written.arrays["samples"], atol=1e-4)
