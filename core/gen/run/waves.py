"""Waves that a model has made, brought to the level and the phases of what was measured of them.

Models of sound leave phases to chance, and levels to whoever delivers: only what their waves say about the
power at each time and frequency can be compared with a measurement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gen.diffusion.inverse import Clipping

WINDOW, HOP = 1024, 256
FAINT = 1e-4
"""Below this share of the largest magnitude, a measurement has no phase."""

THRESHOLDS = 0.5, 5e-4
"""Thresholds of the first and the last round of declipping, as shares of the largest magnitude."""
TRUST = 0.4
"""Weight of what a model makes against what has been found of a sound, when it is declipped."""


def aligned(made: Tensor, measured: Tensor) -> Tensor:
    """Waves with the phases of a measurement, where that has some.

    Args:
        made: (..., L).
        measured: Of the same shape, 0 where nothing was measured.
    """
    spectrum, other = _spectrum(made), _spectrum(measured)
    size = other.abs()
    phases = torch.where(size > FAINT * size.max(), other, spectrum)
    turned = spectrum.abs() * phases / phases.abs().clamp_min(1e-12)
    return _waves(turned, made)


def levelled(made: Tensor, expected: Tensor, measured: Tensor, std: float) -> Tensor:
    """Waves as loud as a measurement is without its noise.

    Args:
        made: The waves.
        expected: What would be measured of them.
        measured: What was.
        std: Standard deviation of its noise.
    """
    power = (measured.square().mean() - std**2).clamp_min(0.01 * measured.square().mean())
    own = expected.square().mean()
    return made * (power / own).sqrt() if float(own) > 0 else made


def filtered(measured: Tensor, made: Tensor, std: float) -> Tensor:
    """What is measured without its noise, where the power at each time and frequency is that of ``made``.

    The Wiener filter: the mean of Gaussian waves of that power given their sum with white noise (Ephraim and
    Malah 1984, IEEE Trans. ASSP 32, sec. II).
    """
    window = torch.hann_window(WINDOW, device=made.device)
    noise = std**2 * float(window.square().sum())
    power = _spectrum(made).abs().square()
    return _waves(_spectrum(measured) * power / (power + noise), measured)


def declipped(measured: Tensor, made: Tensor, clipping: Clipping, rounds: int) -> Tensor:
    """What was cut off is found again.

    By turns, a threshold leaves what stands out in the spectrum, and a projection returns what was measured:
    consistent iterative hard thresholding (Kitić et al. 2013, arXiv 1303.1023, algorithm 1). The threshold
    falls from round to round. What stands out is a geometric mean of the magnitudes that have been found and
    those of ``made``.

    Args:
        measured: (..., L).
        made: Of the same shape; only the proportions of its magnitudes count.
        clipping: How it was cut off.
        rounds: At least 2.
    """
    expected = _spectrum(made).abs()
    expected = (expected / expected.max().clamp_min(1e-12)) ** TRUST
    found, largest = measured, _spectrum(measured).abs().max().clamp_min(1e-12)
    first, last = THRESHOLDS
    for place in range(rounds):
        spectrum = _spectrum(found)
        share = (spectrum.abs() / largest) ** (1 - TRUST) * expected
        sparse = spectrum * (share > first * (last / first) ** (place / (rounds - 1)))
        found = clipping.projected(_waves(sparse, measured), measured)
    return found


def _spectrum(waves: Tensor) -> Tensor:
    """(rows, frequencies, frames) of (..., L)."""
    flat = waves.reshape(-1, waves.shape[-1])
    # Reflected ends need more samples than half a window.
    padded = torch.nn.functional.pad(flat, (0, max(0, WINDOW - flat.shape[-1])))
    return torch.stft(
        padded, WINDOW, HOP, window=torch.hann_window(WINDOW, device=waves.device), return_complex=True
    )


def _waves(spectrum: Tensor, like: Tensor) -> Tensor:
    length = max(WINDOW, like.shape[-1])
    window = torch.hann_window(WINDOW, device=like.device)
    flat = torch.istft(spectrum, WINDOW, HOP, window=window, length=length)
    return flat[..., : like.shape[-1]].reshape(like.shape)
