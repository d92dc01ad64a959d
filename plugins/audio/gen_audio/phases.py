"""From the magnitudes of a spectrogram to a sound: phases that go on in time and fit each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gen_audio.mel import FFT, HOP, istft, stft

MOMENTUM = 0.99

_LEAST = 1e-20


def sounding(magnitudes: Tensor, iterations: int, loop: bool = False) -> Tensor:
    """Samples (B, 256·F) whose spectrogram comes close to magnitudes (B, 513, F).

    The fast Griffin–Lim algorithm (Perraudin et al. 2013, "A fast Griffin–Lim algorithm", algorithm 2), which
    begins at ``single_pass`` and so needs few iterations.

    Args:
        magnitudes: At least 0.
        iterations: At least 0.
        loop: What follows the end is the beginning.
    """
    # Frame by frame in memory, as the spectrogram will be; below the least, ``sgn`` divides by denormals.
    magnitudes = magnitudes.clamp(min=_LEAST).mT.contiguous().mT
    spectrogram = torch.polar(magnitudes, single_pass(magnitudes))
    before = None
    for _ in range(iterations):
        fitting = istft(spectrogram, loop)
        # Samples and spectrograms are linear in each other: what goes ahead are the fewer samples.
        ahead = fitting if before is None else torch.lerp(before, fitting, 1 + MOMENTUM)
        before = fitting
        spectrogram = magnitudes * stft(ahead, loop).sgn()
    return istft(spectrogram, loop)


def single_pass(magnitudes: Tensor) -> Tensor:
    """Phases (B, 513, F), in radians, of magnitudes alone.

    Every peak goes on at its own frequency, which a parabola through it and its neighbours tells, and the
    bins around it go with it (Beauregard et al. 2015, "Single pass spectrogram inversion", section 3).
    """
    bins = magnitudes.shape[1]
    logs = magnitudes.mT.clamp(min=1e-7).log()
    below, here, above = logs[:, :, :-2], logs[:, :, 1:-1], logs[:, :, 2:]
    offset = torch.zeros_like(logs)
    curvature = (below - 2 * here + above).clamp(max=-1e-6)
    offset[:, :, 1:-1] = (0.5 * (below - above) / curvature).clamp(-0.5, 0.5)
    peak = torch.zeros_like(logs, dtype=torch.bool)
    peak[:, :, 1:-1] = (here > below) & (here >= above)
    number = torch.arange(bins, device=logs.device)
    last = number.where(peak, -bins).cummax(2).values
    following = number.where(peak, 2 * bins).flip(2).cummin(2).values.flip(2)
    owner = torch.where(number - last <= following - number, last, following).clamp(0, bins - 1)
    advance = (owner + offset.gather(2, owner)) * (2 * math.pi * HOP / FFT)
    # Neighbours of a peak alternate in sign, as the window stands in the second half of no period.
    turn = math.pi * ((number - owner) & 1).to(logs)
    phases = [torch.zeros_like(logs[:, 0])]
    for owner_now, step in zip(owner.unbind(1), (advance + turn).unbind(1), strict=True):
        phases.append((phases[-1].gather(1, owner_now) + step).remainder(2 * math.pi))
    return torch.stack(phases[1:], 1).mT
