"""Notes as numbers for every token of sound: when something begins, what sounds, and which drum is hit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gen_audio.autoencoder import TOKEN_FRAMES
from gen_audio.composition import HI_HAT, KICK, RIDE, SNARE, Note
from gen_audio.mel import HOP, RATE

LOWEST, HIGHEST = 24, 107
"""MIDI keys that a score can hold: C1 to B7."""

SLOTS = 4
"""Parts of a token for which the score says what sounds: 46 ms each."""

_KIT = (KICK, SNARE, HI_HAT, RIDE)
_KEYS = HIGHEST - LOWEST + 1
_ONSETS = slice(2, 2 + TOKEN_FRAMES)
_HITS = slice(_ONSETS.stop, _ONSETS.stop + len(_KIT) * TOKEN_FRAMES)
_ROLL = slice(_HITS.stop, _HITS.stop + _KEYS * SLOTS)
SIZE = _ROLL.stop
"""Numbers of a score per token: whether onsets are given, whether pitches are; onsets of any note at 16
places; hits of four drums at 16 places each; the share of four slots that each key sounds in."""

TOKEN_SECONDS = TOKEN_FRAMES * HOP / RATE


def written(notes: Sequence[Note], drums: bool, tokens: int, pace: float = 1.0) -> Tensor:
    """The score (``SIZE``, tokens) of notes, float32 in [0, 1].

    Args:
        notes: What is played.
        drums: Whether by the drum kit.
        tokens: Tokens of sound, 186 ms each.
        pace: How many times faster it is played than written: a loop is stretched to its duration later.
    """
    frames, slots = tokens * TOKEN_FRAMES, tokens * SLOTS
    onsets, roll = torch.zeros(frames), torch.zeros(_KEYS, slots)
    hits = torch.zeros(len(_KIT), frames)
    frame, slot = RATE / HOP / pace, SLOTS / TOKEN_SECONDS / pace
    for note in notes:
        # Frame k is centred at k + 1/2.
        place = max(0.0, note.start * frame - 0.5)
        first = int(place)
        if first >= frames - 1:
            # In a loop it is the first note again.
            continue
        for target in (onsets, *((hits[_KIT.index(note.pitch)],) if drums else ())):
            for at, share in ((first, first + 1 - place), (first + 1, place - first)):
                if at < frames:
                    target[at] = max(float(target[at]), share)
        if not drums and LOWEST <= note.pitch <= HIGHEST:
            begin, end = note.start * slot, min((note.start + note.length) * slot, slots)
            covered = torch.arange(int(begin), max(int(begin), -int(-end // 1)))
            part = (covered + 1).clamp(max=end) - covered.clamp(min=begin)
            roll[note.pitch - LOWEST, covered] = torch.maximum(
                roll[note.pitch - LOWEST, covered], part.float()
            )
    return torch.cat(
        [
            torch.ones(2, tokens),
            onsets.view(tokens, -1).T,
            hits.view(len(_KIT), tokens, -1).transpose(1, 2).flatten(0, 1),
            roll.view(_KEYS, tokens, -1).transpose(1, 2).flatten(0, 1),
        ]
    )


def none(tokens: int) -> Tensor:
    """The score (``SIZE``, tokens) of what has none."""
    return torch.zeros(SIZE, tokens)


def onsets_alone(score: Tensor) -> Tensor:
    """A score (..., ``SIZE``, T) without what is played: only when."""
    alone = torch.zeros_like(score)
    alone[..., 0, :] = score[..., 0, :]
    alone[..., _ONSETS, :] = score[..., _ONSETS, :]
    return alone
