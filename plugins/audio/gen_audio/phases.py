"""From the magnitudes of a spectrogram to a sound: phases that go on in time and fit each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gen_audio.mel import FFT, HOP, istft, stft

MOMENTUM = 0.99


def sounding(magnitudes: Tensor, iterations: int, loop: bool = False) -> Tensor:
    """Samples (B, 256·F) whose spectrogram comes close to magnitudes (B, 513, F).

    The fast Griffin–Lim algorithm (Perraudin et al. 2013, "A fast Griffin–Lim algorithm", algorithm 2), which
    begins at ``single_pass`` and so needs few iterations.

    Args:
        magnitudes: At least 0.
        iterations: At least 0.
        loop: What follows the end is the beginning.
    """
    spectrogram = torch.polar(magnitudes, single_pass(magnitudes))
    before = None
    for _ in range(iterations):
        fitting = stft(istft(spectrogram, loop), loop)
        ahead = fitting if before is None else fitting + MOMENTUM * (fitting - before)
        before = fitting
        spectrogram = torch.polar(magnitudes, ahead.angle())
    return istft(spectrogram, loop)


def single_pass(magnitudes: Tensor) -> Tensor:
    """Phases (B, 513, F), in radians, of magnitudes alone.

    Every peak goes on at its own frequency, which a parabola through it and its neighbours tells, and the
    bins around it go with it (Beauregard et al. 2015, "Single pass spectrogram inversion", section 3).
    """
    bins = magnitudes.shape[1]
    logs = magnitudes.clamp(min=1e-7).log()
    below, here, above = logs[:, :-2], logs[:, 1:-1], logs[:, 2:]
    offset = torch.zeros_like(logs)
    offset[:, 1:-1] = (0.5 * (below - above) / (below - 2 * here + above).clamp(max=-1e-6)).clamp(-0.5, 0.5)
    number = torch.arange(bins, device=logs.device)[:, None].expand_as(logs)
    peak = torch.zeros_like(logs, dtype=torch.bool)
    peak[:, 1:-1] = (here > below) & (here >= above)
    last = number.where(peak, -bins).cummax(1).values
    following = number.where(peak, 2 * bins).flip(1).cummin(1).values.flip(1)
    owner = torch.where(number - last <= following - number, last, following).clamp(0, bins - 1)
    advance = ((number + offset) * (2 * math.pi * HOP / FFT)).gather(1, owner)
    # Neighbours of a peak alternate in sign, as the window stands in the second half of no period.
    turn = math.pi * ((number - owner) % 2).to(logs)
    phases = torch.empty_like(logs)
    now = torch.zeros_like(logs[:, :, 0])
    for frame in range(logs.shape[2]):
        now = now.gather(1, owner[:, :, frame]) + advance[:, :, frame] + turn[:, :, frame]
        phases[:, :, frame] = now = now.remainder(2 * math.pi)
    return phases
