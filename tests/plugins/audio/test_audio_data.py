"""The grammar of sounds: captions, notes, effects, and what is held out."""

import random
import shutil

import numpy as np
import pytest
import torch

from gen.errors import UsageError
from gen.nn import Subwords
from gen_audio import composition
from gen_audio.loudness import LEVEL
from gen_audio.training import bank, measures
from gen_audio.training.data import clips, effects, midi, music
from gen_audio.training.data.synthesis import RATE


def drawn(count: int) -> list[clips.Clip]:
    rng = random.Random(5)
    return [draw(rng) for draw in (music.draw, effects.draw) for _ in range(count)]


def test_nothing_that_is_held_out_is_drawn_and_some_is_held_out() -> None:
    for clip in drawn(300):
        held_out = music.held_out(clip) if isinstance(clip, composition.Tune) else effects.held_out(clip)
        assert not held_out
    pairs = [composition.Tune(i, f) for i in composition.RANGES for f in composition.FIGURES]
    share = sum(map(music.held_out, pairs)) / len(pairs)
    assert 0.03 < share < 0.12
    # Every instrument and every figure is still seen often.
    for name in composition.RANGES:
        assert sum(music.held_out(pair) for pair in pairs if pair.instrument == name) <= 2


def test_captions_say_what_is_true() -> None:
    rng = random.Random(1)
    tune = composition.Tune("violin", "scale", bpm=60, key=9, mode="minor", mood="sad")
    assert music.canonical(tune) == "a violin scale in a minor, 60 bpm"
    for _ in range(50):
        text = music.caption(tune, rng)
        assert "violin" in text
        assert not {"fast", "happy", "major"} & set(text.split())
    rain = effects.Clip("rain", force=1, far=True)
    assert effects.canonical(rain) == "distant heavy rain"
    assert "light" not in " ".join(effects.caption(rain, rng) for _ in range(50))
    siren = effects.Clip("siren", pace=1, height=-1)
    assert effects.canonical(siren) == "a fast low siren"


def test_every_word_of_a_caption_is_known_and_every_class_has_its_own() -> None:
    known = set(bank.words())
    rng = random.Random(9)
    for clip in drawn(200):
        assert set(Subwords.words(clips.caption(clip, rng))) <= known
        assert set(Subwords.words(clips.canonical(clip))) <= known
    plain = [effects.canonical(effects.Clip(name)) for name in effects.EFFECTS]
    assert len(set(plain)) == len(plain) >= 30


def test_slow_and_fast_differ_by_what_is_played() -> None:
    slow, fast = (music.part(composition.Tune("piano", "scale", bpm=bpm), 4.0) for bpm in (60, 180))
    assert len(fast.notes) > 2.5 * len(slow.notes)
    assert {note.pitch % 12 for note in slow.notes} <= {0, 2, 4, 5, 7, 9, 11}


def test_the_score_is_a_midi_file() -> None:
    part = midi.Part(40, (midi.Note(0.5, 1.0, 69, 100),))
    content = midi.midi_file([part, part], 3.0)
    assert content[:14] == b"MThd\0\0\0\6\0\0\0\1\x01\xf4"
    length = int.from_bytes(content[18:22], "big")
    assert content[14:18] == b"MTrk"
    assert len(content) == 22 + length
    assert content.endswith(b"\xff\x2f\0")
    assert content.count(bytes([0x90, 69, 100])) == 2
    # 500 ticks: two groups of seven bits.
    assert b"\x83\x74" + bytes([0x90, 69, 100]) in content


@pytest.mark.parametrize("name", effects.EFFECTS)
def test_every_effect_sounds_alike_for_the_same_seed_and_varies(name: str) -> None:
    clip = effects.Clip(name, seed=1)
    one = effects.synthesise(clip, 2.0)
    assert one.shape == (round(2.0 * RATE),)
    assert np.isfinite(one).all()
    assert np.abs(one).max() > 0
    assert np.array_equal(one, effects.synthesise(clip, 2.0))
    for axis in effects.EFFECTS[name].axes:
        low, high = (
            effects.synthesise(effects.Clip(name, seed=1, **{axis: level}), 2.0) for level in (-1, 1)
        )
        assert np.abs(low - high).max() > 1e-3


def test_clips_are_alike_in_loudness() -> None:
    sounds = clips.render([effects.Clip("rain", seed=1), effects.Clip("siren", seed=2)], 2 * RATE)
    block = sounds[:, : RATE // 2]
    np.testing.assert_allclose(np.sqrt((block**2).mean(1)), LEVEL, rtol=0.35)
    assert np.abs(sounds).max() <= np.float32(0.97)


@pytest.mark.data("fluidsynth", "fluid-soundfont-gm")
def test_notes_are_rendered_in_their_places_and_at_their_pitch() -> None:
    parts = [midi.Part(73, (midi.Note(0.0, 0.9, key, 100),)) for key in (69, 76)]
    sounds = midi.render(parts, 1.0, RATE)
    assert sounds.shape == (2, RATE)
    for sound, key in zip(sounds, (69, 76), strict=True):
        assert abs(measures.cents(measures.pitch(torch.from_numpy(sound)), key)) < 15


def test_without_the_program_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError) as raised:
        midi.render([], 1.0, RATE)
    assert "apt-get install fluidsynth fluid-soundfont-gm" in (raised.value.hint or "")
