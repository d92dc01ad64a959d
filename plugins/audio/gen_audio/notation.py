"""Notes as people write them: "c4 d4 e4 g4", "c d e", "C#4+E4 rest G4:2"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gen.errors import UsageError
from gen_audio.composition import Note
from gen_audio.score import HIGHEST, LOWEST

_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NOTE = r"[a-g](?:[#♯♭]|b(?![a-z])|[ -]?(?:sharp|flat))?\d?"
_EVENT = rf"(?<![\w#♯♭.'’])(?:{_NOTE}(?:\+{_NOTE})*|rest|r|_)(?::\d{{1,4}}(?:\.\d{{1,3}})?)?(?![\w#♯♭:])"
_GAP = r"(?:\s*[,;|>→–—-]+\s*|\s+(?:(?:and|then) )?)"
_RUN = re.compile(rf"{_EVENT}(?:{_GAP}{_EVENT})*", re.IGNORECASE)
_PARTS = re.compile(_EVENT, re.IGNORECASE)
_ARTICLE = re.compile(r"\s+(?!(?:on|in|at|with|by|for|and|played|please)\b)[a-z]{2}", re.IGNORECASE)
_FRAME = re.compile(r"\b(?:the )?notes\b:?", re.IGNORECASE)


Event: TypeAlias = "tuple[tuple[tuple[int, int | None], ...], float]"
"""Keys that sound together, each a step from C and an octave or None, and their beats; no keys are a rest."""


@dataclass(frozen=True)
class Written:
    """Notes of a prompt.

    Args:
        events: What follows each other.
    """

    events: tuple[Event, ...]

    @property
    def beats(self) -> float:
        """How long all of it lasts."""
        return sum(beats for _, beats in self.events)

    def notes(self, bpm: float, near: int, start: float = 0.0) -> tuple[Note, ...]:
        """What is played.

        Args:
            bpm: Beats per minute.
            near: MIDI key near which the first note lies, where it has no octave; another lies near the one
                before it, rather above the first than below.
            start: Seconds before the first.

        Raises:
            UsageError: A note is beyond those that a score holds.
        """
        found: list[Note] = []
        lowest = -math.inf
        for keys, beats in self.events:
            length = beats * 60 / bpm
            for step, octave in keys:
                near = _nearest(step, near, lowest) if octave is None else 12 * (octave + 1) + step
                if not LOWEST <= near <= HIGHEST:
                    raise UsageError("notes are from c1 to b7", "write them in other octaves")
                found.append(Note(start, 0.95 * length, near))
                lowest = found[0].pitch
            start += length
        return tuple(found)


def read(prompt: str) -> tuple[Written | None, str]:
    """The notes of a prompt and the rest of it: at least three, or two that say their octaves."""
    for run in _RUN.finditer(prompt):
        spans = [part.span() for part in _PARTS.finditer(run[0])]
        texts = [run[0][slice(*span)].lower() for span in spans]
        events = [_event(text) for text in texts]
        # "a" may be an article before a note or before what follows.
        if texts[0] == "a" and len(texts) > 1 and _says_octaves(events[1:]):
            spans, events = spans[1:], events[1:]
        elif texts[-1] == "a" and len(texts) > 1 and _ARTICLE.match(prompt, run.end()):
            spans, events = spans[:-1], events[:-1]
        count = sum(len(keys) for keys, _ in events)
        if count < 2 or (count == 2 and not _says_octaves(events)) or set(texts) == {"a"}:
            continue
        before, after = prompt[: run.start() + spans[0][0]], prompt[run.start() + spans[-1][1] :]
        rest = " ".join(_FRAME.sub(" ", f"{before.rstrip(' :')} {after}").split())
        return Written(tuple(events)), rest.replace(" ,", ",").strip(" ,:;-")
    return None, prompt


def _says_octaves(events: Sequence[Event]) -> bool:
    return all(octave is not None for keys, _ in events for _, octave in keys)


def _event(text: str) -> Event:
    keys, _, beats = text.partition(":")
    return _keys(keys.split("+")), float(beats) if beats else 1.0


def _keys(names: Sequence[str]) -> tuple[tuple[int, int | None], ...]:
    if names[0] in ("rest", "r", "_"):
        return ()
    found = []
    for name in names:
        octave = int(name[-1]) if name[-1].isdigit() else None
        sign = name[1:].rstrip("0123456789").strip(" -")
        step = _STEPS[name[0]] + (1 if sign in ("#", "♯", "sharp") else -1 if sign else 0)
        found.append((step, octave))
    return tuple(found)


def _nearest(step: int, near: int, lowest: float) -> int:
    """The key of a step that is nearest to another key; below ``lowest`` it counts as farther by 3."""
    up = near + (step - near) % 12
    return min(up, up - 12, key=lambda key: abs(key - near) + 3 * (key < lowest))
