"""The model that ships: it installs with the package, works at once, and sounds as it is asked to."""

import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

import gen
from gen.model import ModelFile
from gen_audio.loudness import loudness, true_peak
from gen_audio.mel import RATE
from gen_audio.plugin import gen_models
from gen_audio.training import measures

SPECS = {spec.name: spec for spec in gen_models()}
PAGES = Path(__file__).parents[3] / "docs" / "models"


@pytest.fixture(scope="module")
def sounds():
    return gen.load("sounds")


def weights(name: str):
    return files("gen_audio") / "weights" / f"{name}.safetensors"


@pytest.mark.parametrize("name", SPECS)
def test_a_file_is_the_one_declared_and_small_enough(name: str) -> None:
    data = weights(name).read_bytes()
    assert len(data) == SPECS[name].size <= 16_000_000
    assert hashlib.sha256(data).hexdigest() == SPECS[name].sha256


@pytest.mark.parametrize("name", SPECS)
def test_a_card_says_what_it_is_made_of(name: str) -> None:
    card = ModelFile(str(weights(name))).card
    assert {"data", "data_licence", "licence", "training", "metrics", "held_out", "preset"} <= card.keys()
    assert SPECS[name].sha256 in (PAGES / f"{name}.md").read_text()


@pytest.mark.parametrize(("note", "number"), [("c 5", 72), ("a 4", 69), ("e 4", 64)])
def test_a_note_has_the_pitch_asked_for(sounds, note: str, number: int) -> None:
    samples = sounds(f"a single organ note, {note}", seed=3).arrays["samples"]
    assert abs(measures.cents(measures.pitch(torch.from_numpy(samples[0])), number)) < 60


def test_notes_that_are_written_are_played(sounds) -> None:
    prompt = "flute: c5 e5 g5 c6 a5 f5, 120 bpm"
    sound = sounds(prompt, seed=2)
    samples = torch.from_numpy(sound.arrays["samples"][0])
    assert len(samples) == round(3.4 * RATE)
    for index, key in enumerate((72, 76, 79, 84, 81, 77)):
        hertz = measures.pitch(samples, index / 2 + 0.08, 0.35)
        assert abs(measures.cents(hertz, key)) < 50


def test_levels_are_those_of_broadcasting(sounds) -> None:
    for prompt in ("a slow piano melody in c major", "heavy rain"):
        samples = torch.from_numpy(sounds(prompt, seed=1).arrays["samples"])
        assert samples.shape == (1, 5 * RATE)
        assert abs(loudness(samples, RATE) + 14) < 1
        assert true_peak(samples, RATE) < -0.9


def test_rain_is_noise_and_a_flute_is_not(sounds) -> None:
    def flatness(prompt: str) -> float:
        power = np.abs(np.fft.rfft(sounds(prompt, seed=1).arrays["samples"][0, : 4 * RATE])) ** 2 + 1e-9
        return float(np.exp(np.log(power).mean()) / power.mean())

    assert flatness("heavy rain") > 10 * flatness("a single flute note, a 5")


def test_seed_and_prompt_decide(sounds) -> None:
    one, same, other, prompt = (
        sounds(text, seed=seed, steps=4).arrays["samples"]
        for text, seed in (("rain", 1), ("rain", 1), ("rain", 2), ("a siren", 1))
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, prompt)


def test_the_command_writes_a_sound_that_is_made_again(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("gen"))
    command = [program, "audio", "a siren", "-o", "siren.wav", "--seed", "7", "--steps", "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "siren.wav\n"
    again = gen.rerun(tmp_path / "siren.wav")
    written = gen.formats.read(tmp_path / "siren.wav", gen.plugin.host.Host.discover().formats())
    np.testing.assert_allclose(again.arrays["samples"], written.arrays["samples"], atol=1e-4)
