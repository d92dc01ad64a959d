"""Tunes as a grammar: instrument × figure × key × tempo × mood, and the notes that each is played by."""

from __future__ import annotations

import random
from dataclasses import dataclass

RANGES = {
    # The lowest tonic of each instrument, as a MIDI key.
    "piano": 48,
    "electric piano": 48,
    "harpsichord": 48,
    "music box": 60,
    "vibraphone": 53,
    "marimba": 48,
    "xylophone": 60,
    "organ": 48,
    "accordion": 53,
    "harmonica": 60,
    "guitar": 48,
    "electric guitar": 48,
    "distorted guitar": 41,
    "bass": 29,
    "violin": 60,
    "cello": 41,
    "harp": 48,
    "strings": 48,
    "choir": 53,
    "trumpet": 58,
    "trombone": 43,
    "saxophone": 53,
    "oboe": 60,
    "clarinet": 55,
    "flute": 65,
    "pan flute": 62,
    "banjo": 53,
    "steel drums": 57,
}
DRUMS = "drums"
FIGURES = ("note", "chord", "arpeggio", "scale", "melody", "chords")
FREE = "notes"
"""The figure of notes that follow no grammar, as people may write them."""

BEATS = ("rock", "disco", "hip hop", "jazz", "march")
KEYS = ("c", "c sharp", "d", "e flat", "e", "f", "f sharp", "g", "a flat", "a", "b flat", "b")
TEMPI = tuple(range(60, 181, 10))
MOODS = {"happy": "major", "sad": "minor", "calm": "", "energetic": ""}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
KICK, SNARE, HI_HAT, RIDE = 36, 38, 42, 51
"""Keys of the drum kit."""


@dataclass(frozen=True)
class Note:
    """One note of a clip.

    Args:
        start, length: Seconds.
        pitch: MIDI key, 60 is middle C (261.63 Hz).
        velocity: 1 to 127.
    """

    start: float
    length: float
    pitch: int
    velocity: int = 92


@dataclass(frozen=True)
class Tune:
    """One musical clip.

    Args:
        instrument: Of ``RANGES``; ``DRUMS`` for a beat.
        figure: Of ``FIGURES``, or ``FREE``; for drums one of ``BEATS``.
        bpm: Quarter notes per minute.
        key: 0 for C to 11 for B.
        mode: "major" or "minor".
        mood: Of ``MOODS``, or empty.
        octave: Octaves above the instrument's usual place: 0 or 1.
        seed: Of what is left to chance: the melody's course, small delays, velocities.
    """

    instrument: str
    figure: str
    bpm: float = 120
    key: int = 0
    mode: str = "major"
    mood: str = ""
    octave: int = 0
    seed: int = 0

    @property
    def pitch(self) -> int:
        """MIDI key of the tonic."""
        low = RANGES[self.instrument]
        return low + (self.key - low) % 12 + 12 * self.octave


def notes(tune: Tune, seconds: float) -> tuple[Note, ...]:
    """The notes of a clip that fills ``seconds``."""
    rng = random.Random(tune.seed)
    if tune.instrument == DRUMS:
        return _beat(tune, seconds, rng)
    if tune.figure == FREE:
        return _free(tune, seconds, rng)
    loud = {"calm": 58, "sad": 66, "energetic": 116}.get(tune.mood, 92)
    beat = 60 / tune.bpm

    def pitch(degree: int) -> int:
        octave, step = divmod(degree, 7)
        return tune.pitch + 12 * octave + SCALES[tune.mode][step]

    def note(start: float, length: float, degree: int) -> Note:
        return Note(start, length, pitch(degree), min(127, max(1, loud + rng.randint(-8, 8))))

    if tune.figure == "note":
        return (note(0.0, rng.uniform(1.5, 3.5), 0),)
    if tune.figure == "chord":
        length = rng.uniform(2.0, 4.0)
        return tuple(note(0.0, length, degree) for degree in (0, 2, 4))
    found: list[Note] = []
    if tune.figure == "chords":
        for index in range(int(seconds / (2 * beat)) + 1):
            root = (0, 3, 4, 0)[index % 4]
            start = index * 2 * beat
            found += [note(start, 1.9 * beat, root + degree) for degree in (0, 2, 4)]
    elif tune.figure == "arpeggio":
        course = rng.choice(((0, 2, 4, 7), (0, 2, 4, 2), (0, 4, 7, 4), (7, 4, 2, 0)))
        found = [note(i * beat / 2, 0.48 * beat, course[i % 4]) for i in range(int(2 * seconds / beat) + 1)]
    elif tune.figure == "scale":
        ladder = [*range(8), *range(6, 0, -1)]
        found = [
            note(i * beat / 2, 0.48 * beat, ladder[i % len(ladder)])
            for i in range(int(2 * seconds / beat) + 1)
        ]
    else:
        start, degree = 0.0, 0
        while start < seconds:
            length = beat * rng.choice((0.5, 0.5, 1.0, 1.0, 2.0))
            found.append(note(start, 0.95 * length, degree))
            start += length
            degree = min(8, max(-2, degree + rng.choice((-2, -1, -1, 1, 1, 2, 4 if degree < 2 else -4))))
    return tuple(found)


_PATTERNS = {
    # kick, snare and hi-hat in sixteenths of a bar
    "rock": ((0, 8, 10), (4, 12), (0, 2, 4, 6, 8, 10, 12, 14)),
    "disco": ((0, 4, 8, 12), (4, 12), (2, 6, 10, 14)),
    "hip hop": ((0, 3, 10), (4, 12), (0, 2, 4, 6, 8, 10, 12, 13, 14, 15)),
    "jazz": ((0, 8), (6, 15), (0, 4, 7, 8, 12, 15)),
    "march": ((0, 8), (0, 2, 4, 6, 7, 8, 10, 12, 13, 14, 15), ()),
}


def _beat(tune: Tune, seconds: float, rng: random.Random) -> tuple[Note, ...]:
    sixteenth = 15 / tune.bpm
    cymbal = RIDE if tune.figure == "jazz" else HI_HAT
    found = []
    for slot in range(int(seconds / sixteenth) + 1):
        for pitch, hits in zip((KICK, SNARE, cymbal), _PATTERNS[tune.figure], strict=True):
            if slot % 16 in hits:
                found.append(Note(slot * sixteenth, 0.1, pitch, 95 + rng.randint(-12, 12)))
    return tuple(found)


def _free(tune: Tune, seconds: float, rng: random.Random) -> tuple[Note, ...]:
    """Single notes or chords at random: steps or leaps, with or without rests; half end early."""
    low = RANGES[tune.instrument] - 3
    steps = range(12) if rng.random() < 0.35 else SCALES[tune.mode]
    ladder = [key for key in range(low, low + 30) if (key - tune.key) % 12 in steps]
    unit, mixed = rng.choice((0.5, 0.5, 1.0, 1.0, 2.0)), rng.random() < 0.4
    voices = rng.choices((1, 2, 3, 4), (7, 1, 2, 0.5))[0]
    leaps, rests = rng.random() < 0.35, rng.choice((0.0, 0.0, 0.15))
    held = rng.choice((0.5, 0.8, 0.95, 0.95))
    end = seconds if rng.random() < 0.5 else rng.uniform(0.25, 0.9) * seconds
    start, place, found = 0.0, rng.randrange(len(ladder)), list[Note]()
    while start < end:
        length = 60 / tune.bpm * (rng.choice((0.5, 0.5, 1.0, 1.0, 1.5, 2.0)) if mixed else unit)
        if rng.random() >= rests:
            near = [sum(rng.choice((2, 2, 3)) for _ in range(voice)) for voice in range(voices)]
            for at in sorted({min(len(ladder) - 1, place + each) for each in near}):
                found.append(Note(start, held * length, ladder[at], 92 + rng.randint(-12, 12)))
        move = rng.randrange(len(ladder)) - place if leaps else rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3))
        place = min(len(ladder) - 1, max(0, place + move))
        start += length
    return tuple(found)
