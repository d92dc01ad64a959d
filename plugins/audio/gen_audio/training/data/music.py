"""Music as a grammar: instrument × figure × key × tempo × mood, with notes and captions."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace

from gen_audio.training.data.midi import Note, Part

INSTRUMENTS = {
    # name: (General MIDI program, lowest tonic)
    "piano": (0, 48),
    "electric piano": (4, 48),
    "harpsichord": (6, 48),
    "music box": (10, 60),
    "vibraphone": (11, 53),
    "marimba": (12, 48),
    "xylophone": (13, 60),
    "organ": (19, 48),
    "accordion": (21, 53),
    "harmonica": (22, 60),
    "guitar": (24, 48),
    "electric guitar": (27, 48),
    "distorted guitar": (30, 41),
    "bass": (33, 29),
    "violin": (40, 60),
    "cello": (42, 41),
    "harp": (46, 48),
    "strings": (48, 48),
    "choir": (52, 53),
    "trumpet": (56, 58),
    "trombone": (57, 43),
    "saxophone": (65, 53),
    "oboe": (68, 60),
    "clarinet": (71, 55),
    "flute": (73, 65),
    "pan flute": (75, 62),
    "banjo": (105, 53),
    "steel drums": (114, 57),
}
FIGURES = ("note", "chord", "arpeggio", "scale", "melody", "chords")
BEATS = ("rock", "disco", "hip hop", "jazz", "march")
KEYS = ("c", "c sharp", "d", "e flat", "e", "f", "f sharp", "g", "a flat", "a", "b flat", "b")
TEMPI = tuple(range(60, 181, 10))
MOODS = {"happy": "major", "sad": "minor", "calm": "", "energetic": ""}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True)
class Music:
    """One musical clip.

    Args:
        instrument: Of ``INSTRUMENTS``; "drums" for a beat.
        figure: Of ``FIGURES``; for drums one of ``BEATS``.
        bpm: Quarter notes per minute.
        key: 0 for C to 11 for B.
        mode: "major" or "minor".
        mood: Of ``MOODS``, or empty.
        octave: Octaves above the instrument's usual place: 0 or 1.
        seed: Of what is left to chance: the melody's course, small delays, velocities.
    """

    instrument: str
    figure: str
    bpm: int = 120
    key: int = 0
    mode: str = "major"
    mood: str = ""
    octave: int = 0
    seed: int = 0

    @property
    def pitch(self) -> int:
        """MIDI key of the tonic."""
        low = INSTRUMENTS[self.instrument][1]
        return low + (self.key - low) % 12 + 12 * self.octave


def draw(rng: random.Random) -> Music:
    """A random clip that is not held out."""
    while True:
        music = _draw(rng)
        if not held_out(music):
            return music


def _draw(rng: random.Random) -> Music:
    seed = rng.getrandbits(32)
    if rng.random() < 0.08:
        return Music("drums", rng.choice(BEATS), rng.choice(TEMPI), seed=seed)
    music = Music(
        rng.choice(list(INSTRUMENTS)),
        rng.choices(FIGURES, (2, 1, 2, 1.5, 3, 1))[0],
        rng.choice(TEMPI),
        rng.randrange(12),
        rng.choice(("major", "minor")),
        octave=int(rng.random() < 0.4),
        seed=seed,
    )
    if music.figure in ("note", "chord") or rng.random() < 0.5:
        return music
    mood = rng.choice(list(MOODS))
    slow = mood in ("sad", "calm")
    return replace(
        music,
        mood=mood,
        mode=MOODS[mood] or music.mode,
        bpm=rng.choice([bpm for bpm in TEMPI if (bpm <= 90 if slow else bpm >= 120)]),
    )


def held_out(music: Music) -> bool:
    """Whether training never sees this instrument with this figure: one pair in fourteen."""
    digest = hashlib.sha256(f"{music.instrument} {music.figure}".encode()).digest()
    return digest[0] % 14 == 0 and music.instrument != "drums"


def part(music: Music, seconds: float) -> Part:
    """The notes of a clip that fills ``seconds``."""
    rng = random.Random(music.seed)
    if music.instrument == "drums":
        return Part(None, tuple(_beat(music, seconds, rng)))
    program = INSTRUMENTS[music.instrument][0]
    loud = {"calm": 58, "sad": 66, "energetic": 116}.get(music.mood, 92)
    beat = 60 / music.bpm

    def pitch(degree: int) -> int:
        octave, step = divmod(degree, 7)
        return music.pitch + 12 * octave + SCALES[music.mode][step]

    def note(start: float, length: float, degree: int) -> Note:
        return Note(start, length, pitch(degree), min(127, max(1, loud + rng.randint(-8, 8))))

    if music.figure == "note":
        return Part(program, (note(0.0, rng.uniform(1.5, 3.5), 0),))
    if music.figure == "chord":
        length = rng.uniform(2.0, 4.0)
        return Part(program, tuple(note(0.0, length, degree) for degree in (0, 2, 4)))
    notes: list[Note] = []
    if music.figure == "chords":
        for index in range(int(seconds / (2 * beat)) + 1):
            root = (0, 3, 4, 0)[index % 4]
            start = index * 2 * beat
            notes += [note(start, 1.9 * beat, root + degree) for degree in (0, 2, 4)]
    elif music.figure == "arpeggio":
        course = rng.choice(((0, 2, 4, 7), (0, 2, 4, 2), (0, 4, 7, 4), (7, 4, 2, 0)))
        notes = [note(i * beat / 2, 0.48 * beat, course[i % 4]) for i in range(int(2 * seconds / beat) + 1)]
    elif music.figure == "scale":
        ladder = [*range(8), *range(6, 0, -1)]
        notes = [
            note(i * beat / 2, 0.48 * beat, ladder[i % len(ladder)])
            for i in range(int(2 * seconds / beat) + 1)
        ]
    else:
        start, degree = 0.0, 0
        while start < seconds:
            length = beat * rng.choice((0.5, 0.5, 1.0, 1.0, 2.0))
            notes.append(note(start, 0.95 * length, degree))
            start += length
            degree = min(8, max(-2, degree + rng.choice((-2, -1, -1, 1, 1, 2, 4 if degree < 2 else -4))))
    return Part(program, tuple(notes))


_PATTERNS = {
    # kick, snare and hi-hat in sixteenths of a bar
    "rock": ((0, 8, 10), (4, 12), (0, 2, 4, 6, 8, 10, 12, 14)),
    "disco": ((0, 4, 8, 12), (4, 12), (2, 6, 10, 14)),
    "hip hop": ((0, 3, 10), (4, 12), (0, 2, 4, 6, 8, 10, 12, 13, 14, 15)),
    "jazz": ((0, 8), (6, 15), (0, 4, 7, 8, 12, 15)),
    "march": ((0, 8), (0, 2, 4, 6, 7, 8, 10, 12, 13, 14, 15), ()),
}


def _beat(music: Music, seconds: float, rng: random.Random) -> list[Note]:
    sixteenth = 15 / music.bpm
    cymbal = 51 if music.figure == "jazz" else 42
    notes = []
    for slot in range(int(seconds / sixteenth) + 1):
        for pitch, hits in zip((36, 38, cymbal), _PATTERNS[music.figure], strict=True):
            if slot % 16 in hits:
                notes.append(Note(slot * sixteenth, 0.1, pitch, 95 + rng.randint(-12, 12)))
    return notes


def tempo_word(bpm: int) -> str:
    """The word for a tempo; empty where it is neither slow nor fast."""
    return "slow" if bpm <= 80 else "fast" if bpm >= 140 else ""


def canonical(music: Music) -> str:
    """The caption that says the most in the fewest words; metrics use it."""
    key = f"in {KEYS[music.key]} {music.mode}"
    if music.instrument == "drums":
        return f"a {music.figure} drum beat, {music.bpm} bpm"
    if music.figure == "note":
        return f"a single {music.instrument} note, {note_name(music.pitch)}"
    if music.figure == "chord":
        return _article(f"{music.instrument} {music.mode} chord {key}")
    return _article(f"{music.instrument} {music.figure} {key}, {music.bpm} bpm")


def caption(music: Music, rng: random.Random) -> str:
    """One of many ways to describe a clip; some say less than others."""
    if music.instrument == "drums":
        speed = tempo_word(music.bpm) if rng.random() < 0.5 else ""
        words = f"{speed} {music.figure} {rng.choice(('drum beat', 'beat', 'drums', 'drum loop'))}"
        return _with_tempo(words, music.bpm, rng, 0.6)
    height = rng.choice(("", "high" if music.octave else "low"))
    if music.figure == "note":
        named = rng.random() < 0.7
        words = f"{rng.choice(('', 'single', 'long'))} {'' if named else height} {music.instrument} note"
        return _article(words) + (f", {note_name(music.pitch)}" if named else "")
    key = f" in {KEYS[music.key]} {music.mode}" if rng.random() < 0.6 else ""
    if music.figure == "chord":
        mode = music.mode if rng.random() < 0.6 else ""
        return _article(f"{height} {music.instrument} {mode} chord{key}")
    speed = tempo_word(music.bpm) if rng.random() < 0.6 else ""
    mood = music.mood if rng.random() < 0.8 else ""
    figure = music.figure
    if figure == "melody":
        figure = rng.choice(("melody", "melody", "phrase", "tune", "solo"))
    words = f"{speed} {mood} {height if rng.random() < 0.3 else ''} {music.instrument} {figure}{key}"
    if rng.random() < 0.1:
        words = f"{speed} {mood} {figure} on the {music.instrument}{key}"
    return _with_tempo(words, music.bpm, rng, 0.5)


def note_name(pitch: int) -> str:
    """MIDI key 60 is "c4"; black keys are sharps and flats as in ``KEYS``: "f sharp 4"."""
    name, octave = KEYS[pitch % 12], pitch // 12 - 1
    return f"{name} {octave}"


def _with_tempo(words: str, bpm: int, rng: random.Random, share: float) -> str:
    return _article(words) + (f", {bpm} bpm" if rng.random() < share else "")


def _article(words: str) -> str:
    text = " ".join(words.split())
    if text.endswith("drums") or "chords" in text.split():
        return text
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"
