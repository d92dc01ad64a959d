"""Music for training: tunes drawn at random, their programs of General MIDI, and captions."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

from gen.words import with_article
from gen_audio.composition import (
    BEATS,
    DRUMS,
    FIGURES,
    FREE,
    KEYS,
    MOODS,
    RANGES,
    TEMPI,
    Tune,
    notes,
)
from gen_audio.training.data.midi import Part

PROGRAMS = {
    # of General MIDI
    "piano": 0,
    "electric piano": 4,
    "harpsichord": 6,
    "music box": 10,
    "vibraphone": 11,
    "marimba": 12,
    "xylophone": 13,
    "organ": 19,
    "accordion": 21,
    "harmonica": 22,
    "guitar": 24,
    "electric guitar": 27,
    "distorted guitar": 30,
    "bass": 33,
    "violin": 40,
    "cello": 42,
    "harp": 46,
    "strings": 48,
    "choir": 52,
    "trumpet": 56,
    "trombone": 57,
    "saxophone": 65,
    "oboe": 68,
    "clarinet": 71,
    "flute": 73,
    "pan flute": 75,
    "banjo": 105,
    "steel drums": 114,
}


def draw(rng: random.Random) -> Tune:
    """A random clip that is not held out."""
    while True:
        tune = _draw(rng)
        if not held_out(tune):
            return tune


def _draw(rng: random.Random) -> Tune:
    seed = rng.getrandbits(32)
    if rng.random() < 0.08:
        return Tune(DRUMS, rng.choice(BEATS), rng.choice(TEMPI), seed=seed)
    tune = Tune(
        rng.choice(list(RANGES)),
        rng.choices(FIGURES, (2, 1, 2, 1.5, 3, 1))[0],
        rng.choice(TEMPI),
        rng.randrange(12),
        rng.choice(("major", "minor")),
        octave=int(rng.random() < 0.4),
        seed=seed,
    )
    if tune.figure in ("note", "chord") or rng.random() < 0.5:
        return tune
    mood = rng.choice(list(MOODS))
    slow = mood in ("sad", "calm")
    return replace(
        tune,
        mood=mood,
        mode=MOODS[mood] or tune.mode,
        bpm=rng.choice([bpm for bpm in TEMPI if (bpm <= 90 if slow else bpm >= 120)]),
    )


def held_out(tune: Tune) -> bool:
    """Whether training never sees this instrument with this figure: one pair in fourteen."""
    digest = hashlib.sha256(f"{tune.instrument} {tune.figure}".encode()).digest()
    return digest[0] % 14 == 0 and tune.instrument != DRUMS


def draw_free(rng: random.Random) -> Tune:
    """A tune of notes that follow no grammar."""
    return Tune(
        rng.choice(list(RANGES)),
        FREE,
        rng.choice(TEMPI),
        rng.randrange(12),
        rng.choice(("major", "minor")),
        seed=rng.getrandbits(32),
    )


def part(tune: Tune, seconds: float) -> Part:
    """What a clip that fills ``seconds`` is played by."""
    return Part(PROGRAMS.get(tune.instrument), notes(tune, seconds))


def tempo_word(bpm: float) -> str:
    """The word for a tempo; empty where it is neither slow nor fast."""
    return "slow" if bpm <= 80 else "fast" if bpm >= 140 else ""


def canonical(tune: Tune) -> str:
    """The caption that says the most in the fewest words; metrics use it."""
    if tune.figure == FREE:
        return _article(f"{tune.instrument} melody, {tune.bpm} bpm")
    key = f"in {KEYS[tune.key]} {tune.mode}"
    if tune.instrument == DRUMS:
        return f"a {tune.figure} drum beat, {tune.bpm} bpm"
    if tune.figure == "note":
        return f"a single {tune.instrument} note, {note_name(tune.pitch)}"
    if tune.figure == "chord":
        return _article(f"{tune.instrument} {tune.mode} chord {key}")
    return _article(f"{tune.instrument} {tune.figure} {key}, {tune.bpm} bpm")


def caption(tune: Tune, rng: random.Random) -> str:
    """One of many ways to describe a clip; some say less than others."""
    if tune.instrument == DRUMS:
        speed = tempo_word(tune.bpm) if rng.random() < 0.5 else ""
        words = f"{speed} {tune.figure} {rng.choice(('drum beat', 'beat', 'drums', 'drum loop'))}"
        return _with_tempo(words, tune.bpm, rng, 0.6)
    free = tune.figure == FREE
    height = "" if free else rng.choice(("", "high" if tune.octave else "low"))
    if tune.figure == "note":
        named = rng.random() < 0.7
        words = f"{rng.choice(('', 'single', 'long'))} {'' if named else height} {tune.instrument} note"
        return _article(words) + (f", {note_name(tune.pitch)}" if named else "")
    key = f" in {KEYS[tune.key]} {tune.mode}" if rng.random() < 0.6 and not free else ""
    if tune.figure == "chord":
        mode = tune.mode if rng.random() < 0.6 else ""
        return _article(f"{height} {tune.instrument} {mode} chord{key}")
    speed = tempo_word(tune.bpm) if rng.random() < 0.6 else ""
    mood = tune.mood if rng.random() < 0.8 else ""
    figure = tune.figure
    if figure == "melody" or free:
        figure = rng.choice(("melody", "melody", "phrase", "tune", "solo"))
    words = f"{speed} {mood} {height if rng.random() < 0.3 else ''} {tune.instrument} {figure}{key}"
    if rng.random() < 0.1:
        words = f"{speed} {mood} {figure} on the {tune.instrument}{key}"
    return _with_tempo(words, tune.bpm, rng, 0.5)


def note_name(pitch: int) -> str:
    """MIDI key 60 is "c4"; black keys are sharps and flats as in ``KEYS``: "f sharp 4"."""
    name, octave = KEYS[pitch % 12], pitch // 12 - 1
    return f"{name} {octave}"


def _with_tempo(words: str, bpm: float, rng: random.Random, share: float) -> str:
    return _article(words) + (f", {bpm} bpm" if rng.random() < share else "")


def _article(words: str) -> str:
    text = " ".join(words.split())
    if text.endswith(DRUMS) or "chords" in text.split():
        return text
    return with_article(text)
