"""What the voice is trained on: sentences, their speech, and what is drawn of the bank."""

import itertools
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.errors import UsageError
from gen_audio.mel import HOP, RATE
from gen_audio.voice import phones
from gen_audio.voice.reading import read
from gen_audio.voice.training import bank
from gen_audio.voice.training.data import flite, sentences, sphinx
from gen_audio.voice.training.denoiser import draw, parts
from gen_audio.voice.training.measures import edits


def test_tales_can_be_read_whole() -> None:
    rng = random.Random(0)
    tales = [sentences.tale(rng, ("red apple", "umbrella", "zebra")) for _ in range(300)]
    assert len(set(tales)) > 280
    for text in tales:
        assert read(text).unreadable == ()
        assert " a apple" not in text
        assert " a umbrella" not in text
    assert 2 < sum(map(sentences.held_out, tales)) < 40


@pytest.mark.data("flite")
def test_the_phones_of_speech_fill_it() -> None:
    teacher = flite.Flite()
    speech = teacher.say("The fox's dogs don't bark.", "female")
    assert speech.ends[-1] == pytest.approx(len(speech.samples) / flite.RATE, abs=0.02)
    assert np.all(np.diff(speech.ends) > 0)
    words = [phone for phone, first in zip(speech.phones, speech.first, strict=True) if first]
    assert [word.rstrip("01") for word in words] == ["dh", "f", "d", "d", "b"]
    assert speech.phones[0] == speech.phones[-1] == phones.PAUSE
    spoken = "".join(speech.phones).replace("pau", "")
    assert spoken.startswith(
        "".join((*teacher.pronounce("the"), *phones.possessive(teacher.pronounce("fox"))))
    )
    # Where phones are loud, there is sound; where pauses are, there is none.
    at = np.round(np.array([0.0, *speech.ends]) * flite.RATE).astype(int)
    power = [speech.samples[a:b].astype(float).std() for a, b in itertools.pairwise(at)]
    vowels = [p for p, phone in zip(power, speech.phones, strict=True) if phones.is_vowel(phone)]
    assert max(power[0], power[-1]) < 0.2 * min(vowels)


@pytest.mark.data("flite")
def test_the_ear_understands_the_teacher() -> None:
    heard = sphinx.Ear(flite.RATE).words(flite.Flite().say("The little fox is here.", "male").samples)
    assert edits(heard, ["the", "little", "fox", "is", "here"]) < 3


def test_a_missing_ear_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    for use in (sphinx.dictionary, lambda: sphinx.Ear(flite.RATE)):
        with pytest.raises(UsageError, match="need the package pocketsphinx") as raised:
            use()
        assert raised.value.hint == 'pip install "gen-toolkit[train]"'


@pytest.mark.data("flite")
def test_a_bank_gives_windows_of_one_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["The fox runs to the river.", "A dog is here.", "She said: never!"] * 6
    monkeypatch.setattr(sentences, "draw", lambda count, seed: texts)
    path = tmp_path / "bank.safetensors"
    built = bank.load_or_build(path, 12 / 3600, lambda line: None)
    assert built.mel.shape[1] == built.aligned.shape[1]
    assert abs(built.mel.shape[1] * HOP / RATE - 12) < 5
    assert len(built.starts) == len(built.voices) <= len(texts)
    assert sorted(set(built.voices.tolist())) == [0, 1]
    change = int(built.starts[built.voices == 1][0, 0])
    generator = torch.Generator().manual_seed(0)
    mel, told, voice = draw(built, 64, 128, generator)
    for index in range(64):
        start = int((built.mel.float() - mel[index][:, :1]).abs().sum(0).argmin())
        torch.testing.assert_close(built.mel[:, start : start + 128].float(), mel[index])
        torch.testing.assert_close(built.aligned[:, start : start + 128].float(), told[index])
        assert voice[index].tolist() == ([1.0, 0.0] if start + 128 <= change else [0.0, 1.0])
        assert start + 128 <= change or start >= change
    known = parts(mel, generator)
    assert set(known[:, 0].unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(known[:, 1:], known[:, :1] * mel)
    assert 0.2 < float((known[:, 0].sum(1) == 0).float().mean()) < 0.7
