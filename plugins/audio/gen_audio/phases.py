"""From the magnitudes of a spectrogram to a sound: phases that go on in time and fit each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gen_audio.mel import FFT, HOP, istft, stft

RELAXATION, MOMENTUM = 1.3, 0.9
"""γ, and α = β, of the accelerated Griffin–Lim algorithm."""

_LEAST = 1e-20


def sounding(magnitudes: Tensor, iterations: int, loop: bool = False) -> Tensor:
    """Samples (B, 256·F) whose spectrogram comes close to magnitudes (B, 513, F).

    The accelerated Griffin–Lim algorithm (Nenov et al. 2023, "Accelerated Griffin–Lim algorithm: A fast and
    provably converging numerical method for phase retrieval"), which begins at ``single_pass`` and so needs
    few iterations. With γ = 1 it is the fast one (Perraudin et al. 2013).

    Args:
        magnitudes: At least 0.
        iterations: At least 0.
        loop: What follows the end is the beginning.
    """
    # Frame by frame in memory, as the spectrogram will be; below the least, ``sgn`` divides by denormals.
    magnitudes = magnitudes.clamp(min=_LEAST).mT.contiguous().mT
    fitting = ahead = before = istft(torch.polar(magnitudes, single_pass(magnitudes)), loop)
    for _ in range(iterations):
        # Samples in place of the spectrograms that they have, as the ones are linear in the others.
        fitting = istft(magnitudes * stft(ahead, loop).sgn(), loop)
        now = torch.lerp(ahead, fitting, RELAXATION)
        ahead, before = torch.lerp(before, now, 1 + MOMENTUM), now
    return fitting


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
