"""A clip is music or an effect: drawn, described and rendered alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gen_audio import composition
from gen_audio.loudness import LEVEL
from gen_audio.training.data import effects, midi, music
from gen_audio.training.data.synthesis import RATE

Clip: TypeAlias = composition.Tune | effects.Clip


def caption(clip: Clip, rng: random.Random) -> str:
    """One of many ways to describe a clip."""
    return music.caption(clip, rng) if isinstance(clip, composition.Tune) else effects.caption(clip, rng)


def canonical(clip: Clip) -> str:
    """The caption that metrics use."""
    return music.canonical(clip) if isinstance(clip, composition.Tune) else effects.canonical(clip)


def render(clips: Sequence[Clip], samples: int) -> NDArray[np.float32]:
    """Render clips: (clips, samples) in [-1, 1], alike in loudness."""
    seconds = samples / RATE
    result = np.zeros((len(clips), samples), np.float32)
    tunes = [(index, clip) for index, clip in enumerate(clips) if isinstance(clip, composition.Tune)]
    if tunes:
        played = midi.render([music.part(clip, seconds) for _, clip in tunes], seconds, RATE)
        for (index, _), sound in zip(tunes, played, strict=True):
            result[index, : len(sound)] = sound[:samples]
    for index, clip in enumerate(clips):
        if isinstance(clip, effects.Clip):
            result[index] = effects.synthesise(clip, seconds)[:samples]
        result[index] = levelled(result[index])
    return result


def levelled(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scaled to ``LEVEL``, but to a peak of at most 0.97."""
    block = int(0.4 * RATE)
    power = np.add.reduceat(sound.astype(np.float64) ** 2, np.arange(0, len(sound), block)) / block
    gain = LEVEL / (np.sqrt(power.max()) + 1e-9)
    return sound * np.float32(min(gain, 0.97 / (np.abs(sound).max() + 1e-9)))
