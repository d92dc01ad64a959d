"""Notes to sound: a Standard MIDI File of many clips, rendered at once by the program fluidsynth."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gen.atomic import temporary_folder
from gen.errors import UsageError
from gen.train.data_files import locate
from gen_audio.composition import Note

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PACKAGES = "fluidsynth fluid-soundfont-gm"
TICKS = 1000
"""Ticks per second: a quarter note of 500 ticks lasts half a second."""

GAP = 1.5
"""Seconds of silence after a clip, in which it dies away."""


@dataclass(frozen=True)
class Part:
    """The notes of a clip on one instrument.

    Args:
        program: General MIDI program, 0 to 127; None for the drum kit.
        notes: What it plays.
    """

    program: int | None
    notes: tuple[Note, ...]


def render(clips: Sequence[Part], seconds: float, rate: int) -> NDArray[np.float32]:
    """Render clips dry, without reverberation or chorus.

    Args:
        clips: What to play.
        seconds: Length of each.
        rate: Samples per second.

    Returns:
        (clips, samples) in [-1, 1].

    Raises:
        UsageError: The program or the sound font is not installed.
    """
    if shutil.which("fluidsynth") is None:
        raise UsageError("training on music needs the program fluidsynth", f"apt-get install {PACKAGES}")
    font = locate(SOUNDFONT, packages=PACKAGES)
    size, period = round(seconds * rate), seconds + GAP
    with temporary_folder() as folder:
        score, sound = folder / "score.mid", folder / "sound.raw"
        score.write_bytes(midi_file(clips, period))
        command = ["fluidsynth", "-q", "-n", "-i", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(rate)]
        command += ["-T", "raw", "-O", "s16", "-E", "little", "-F", str(sound), str(font), str(score)]
        subprocess.run(command, check=True, capture_output=True)
        stereo = np.fromfile(sound, "<i2").reshape(-1, 2)
    mono = stereo.astype(np.float32).mean(1) / 32768
    result = np.zeros((len(clips), size), np.float32)
    for row, target in enumerate(result):
        part = mono[round(row * period * rate) :][:size]
        target[: len(part)] = part
    return result


def midi_file(clips: Sequence[Part], period: float) -> bytes:
    """A Standard MIDI File (format 0) that plays a clip every ``period`` seconds."""
    events: list[tuple[float, int, bytes]] = []
    for index, clip in enumerate(clips):
        begin = index * period
        channel = 9 if clip.program is None else 0
        events.append((begin, 1, bytes([0xC0 | channel, clip.program or 0])))
        for note in clip.notes:
            end = min(note.start + note.length, period - 0.7)
            if end <= note.start:
                continue
            events.append((begin + note.start, 2, bytes([0x90 | channel, note.pitch, note.velocity])))
            events.append((begin + end, 0, bytes([0x80 | channel, note.pitch, 0])))
        # Controller 120 cuts what still sounds.
        events.append((begin + period - 0.02, 0, bytes([0xB0 | channel, 120, 0])))
    events.sort(key=lambda event: event[:2])
    track, now = bytearray(b"\0\xff\x51\x03" + (500_000).to_bytes(3, "big")), 0
    for seconds, _, message in events:
        tick = round(seconds * TICKS)
        track += _variable_length(tick - now) + message
        now = tick
    track += _variable_length(TICKS) + b"\xff\x2f\0"
    header = b"MThd" + (6).to_bytes(4, "big") + b"\0\0\0\1" + (TICKS // 2).to_bytes(2, "big")
    return header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)


def _variable_length(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))
