"""Random tokens out of the normal noise that every step is given."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.diffusion.noise import StepNoise

COARSE = 2**12
"""Bins of the unit interval that the first of two normals chooses from; the second places within the bin."""


def uniform(noise: StepNoise, like: Tensor, name: str) -> Tensor:
    """Uniform numbers in [0, 1), float64 and shaped like ``like``, from the step's normal noise ``name``."""
    return of_normal(noise(torch.empty(*like.shape, 2, dtype=torch.float64, device=like.device), name))


def of_normal(z: Tensor) -> Tensor:
    """Uniform numbers (...) in [0, 1), float64, from pairs of independent standard normals (..., 2).

    Two of them, since a float32 normal has some 24 random bits: too few for the rare tokens of a large
    vocabulary (Zheng et al. 2025, arXiv 2409.02908, on what low precision does to the samples).
    """
    coarse, fine = torch.special.ndtr(z.double()).clamp(max=1 - 2**-40).unbind(-1)
    return (coarse.mul(COARSE).floor() + fine) / COARSE


def draw(probabilities: Tensor, u: Tensor) -> Tensor:
    """Tokens by the inverse of the distribution function.

    Args:
        probabilities: (..., K), >= 0, not all 0; they need not sum to 1.
        u: Uniform numbers in [0, 1), float64 (...).

    Returns:
        Tokens, int64 (...); never one of probability 0.
    """
    steps = probabilities.cumsum(-1, dtype=torch.float64)
    return torch.searchsorted(steps, (u * steps[..., -1])[..., None], right=True).squeeze(-1)


def gumbel(u: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform numbers in [0, 1)."""
    return -torch.log(-torch.log(u.clamp(min=1e-300)))
