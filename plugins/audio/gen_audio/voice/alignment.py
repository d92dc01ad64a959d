"""Which phone each frame of a spectrogram belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gen_audio.mel import HOP, RATE

CHANNELS = 4
FRAMES_PER_SECOND = RATE / HOP


def aligned(ids: Sequence[int], first: Sequence[bool], seconds: Sequence[float], frames: int) -> Tensor:
    """What a network is told of each frame: (4, frames) float32.

    The phone's id, whether it begins a word, how much of it has passed at the centre of the frame in [0, 1),
    and the base-2 logarithm of its length in frames. Frames after the last phone are given to it.

    Args:
        ids: Numbers of the phones, see ``phones.ids``.
        first: Whether a phone begins a word.
        seconds: Length of each, more than 0.
        frames: Number of frames.
    """
    lengths = torch.tensor(seconds, dtype=torch.float64, device="cpu") * FRAMES_PER_SECOND
    ends = lengths.cumsum(0)
    centres = torch.arange(frames, dtype=torch.float64, device="cpu") + 0.5
    index = torch.searchsorted(ends, centres, right=True).clamp(max=len(ids) - 1)
    passed = ((centres - ends[index]) / lengths[index] + 1).clamp(0, 1 - 2**-11)
    numbers, begins = (torch.tensor(row, device="cpu")[index] for row in (ids, first))
    rows = (numbers, begins, passed, lengths.log2()[index])
    return torch.stack([row.float() for row in rows])
