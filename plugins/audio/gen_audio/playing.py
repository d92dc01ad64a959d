"""From captions to notes: the tune that a caption asks for, with chance deciding what it leaves open."""

from __future__ import annotations

import random
import re

from gen.words import plain
from gen_audio.captions import BPM, IN_KEY, any_of
from gen_audio.composition import DRUMS, KEYS, MOODS, RANGES, TEMPI, Note, Tune
from gen_audio.vocabulary import FIGURES, INSTRUMENTS, STYLES

_PITCH = re.compile(r", ([a-g](?: flat| sharp)?) (\d)$")
_HOW = rf"(?:an? )?(?:(?P<pace>slow|fast) )?(?:(?P<mood>{any_of(tuple(MOODS))}) )?"
_BEAT = re.compile(rf"{_HOW}(?P<style>{any_of(STYLES)}) (?:drum beat|beat|drums|drum loop)")
_INSTRUMENT = rf"(?P<instrument>{any_of(INSTRUMENTS)})"
_FIGURE = any_of((*FIGURES, "note", "chord"))
_TUNES = (
    re.compile(
        rf"{_HOW}(?:(?:single|long) )?(?:(?P<height>high|low) )?{_INSTRUMENT}"
        rf"(?: (?P<mode>major|minor))?(?: (?P<figure>{_FIGURE}))?"
    ),
    re.compile(rf"{_HOW}(?P<figure>{_FIGURE}) on the {_INSTRUMENT}"),
)
_PACES = {"slow": (60, 80), "fast": (140, 180)}
_MOODS = {"sad": (60, 90), "calm": (60, 90), "happy": (120, 180), "energetic": (120, 180)}


def tune(caption: str, rng: random.Random) -> tuple[Tune, Note | None] | None:
    """The tune of a caption, and the one note where its pitch is said; None of an effect.

    Args:
        caption: As the grammar of captions has it.
        rng: Decides what the caption leaves open.
    """
    # All is drawn for every caption, so that tunes of one seed differ in no more than the captions do.
    seed, share, key = rng.getrandbits(32), rng.random(), rng.randrange(12)
    mode, low = rng.choice(("major", "minor")), rng.random() < 0.6
    text = plain(caption)
    pitch = _PITCH.search(text)
    tempo, named = BPM.search(text), IN_KEY.search(text)
    text = IN_KEY.sub("", BPM.sub("", _PITCH.sub("", text)))
    found = _BEAT.fullmatch(text)
    for pattern in _TUNES:
        found = found or pattern.fullmatch(text)
    if found is None:
        return None
    said = {name: word for name, word in found.groupdict().items() if word}
    slowest, fastest = _PACES.get(said.get("pace", "")) or _MOODS.get(said.get("mood", "")) or (80, 140)
    tempi = [bpm for bpm in TEMPI if slowest <= bpm <= fastest]
    bpm = int(tempo[1]) if tempo else tempi[int(share * len(tempi))]
    if "style" in said:
        return Tune(DRUMS, said["style"], bpm, seed=seed), None
    mode = said.get("mode") or MOODS.get(said.get("mood", "")) or mode
    if named:
        tonic, mode = named[1].rsplit(" ", 1)
        key = KEYS.index(tonic)
    figure = said.get("figure", "melody")
    height = said.get("height", "")
    octave = 1 if height == "high" else 0 if height == "low" or low else 1
    made = Tune(
        said["instrument"],
        "melody" if figure in ("phrase", "tune", "solo") else figure,
        bpm,
        key,
        mode,
        said.get("mood", ""),
        octave,
        seed,
    )
    if not pitch:
        return made, None
    at = 12 * (int(pitch[2]) + 1) + KEYS.index(pitch[1])
    return made, Note(0.0, 1.5 + 2 * share, at)


def usual(instrument: str) -> int:
    """A MIDI key in the middle of where an instrument mostly plays."""
    return RANGES[instrument] + 12
