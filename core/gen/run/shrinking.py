"""White noise taken out of differences between a measurement and a prediction, block by block."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 16
"""Side of a block; half of it lies under the next."""

NOISY = 3.0
"""Coefficients up to so many standard deviations of the noise count as noise."""


def shrunk(values: Tensor, std: float, axes: tuple[int, ...]) -> Tensor:
    """What stands out of white noise.

    Coefficients of a Fourier transform of overlapping blocks are kept or set to 0: hard thresholding (Donoho
    and Johnstone 1994, Biometrika 81, sec. 2), with blocks as of Yaroslavsky et al. 2001 (SPIE 4304).

    Args:
        values: Of any shape.
        std: Standard deviation of the noise.
        axes: Those that blocks run along, counted from the end.

    Returns:
        Of the same shape.
    """
    places, half = [axis % values.ndim for axis in axes], BLOCK // 2
    window = torch.sin(torch.pi * (torch.arange(BLOCK, device=values.device) + 0.5) / BLOCK)
    blocks = values
    for place in places:
        behind = half + -values.shape[place] % half
        blocks = functional.pad(blocks.movedim(place, -1), (half, behind)).movedim(-1, place)
    for place in places:
        blocks = blocks.unfold(place, BLOCK, half)
    # Blocks stand behind all axes; the squares of the windows that cover a value add up to 1.
    tapers = torch.ones([1] * values.ndim, device=values.device)
    for _ in places:
        tapers = tapers[..., None] * window
    dims = tuple(range(-len(places), 0))
    spectrum = torch.fft.fftn(blocks * tapers, dim=dims)
    energy = std**2 * float(tapers.square().sum())
    spectrum = spectrum * (spectrum.abs().square() > NOISY**2 * energy)
    blocks = torch.fft.ifftn(spectrum, dim=dims).real * tapers
    for place in reversed(places):
        blocks = _overlapped(blocks, place, values.shape[place])
    return blocks


def _overlapped(blocks: Tensor, place: int, size: int) -> Tensor:
    """Blocks, whose values are the last axis, added up along the axis that counts them."""
    half = BLOCK // 2
    first, second = blocks.movedim(place, -2).split(half, -1)
    halves = functional.pad(first, (0, 0, 0, 1)) + functional.pad(second, (0, 0, 1, 0))
    return halves.flatten(-2)[..., half : half + size].movedim(-1, place)
