"""Diffusion of tokens: the same levels, grids, guidance and loop, on integers instead of real numbers."""

from gen.diffusion.categorical.denoiser import IMPOSSIBLE, TokenDenoiser, TokenNetwork, given
from gen.diffusion.categorical.draw import draw, uniform
from gen.diffusion.categorical.process import (
    CategoricalProcess,
    CosineKeep,
    KeepSchedule,
    Masked,
    Uniform,
    bits_per_token,
)
from gen.diffusion.categorical.solvers import EntropyBound, PosteriorSample, Unmask

__all__ = [
    "IMPOSSIBLE",
    "CategoricalProcess",
    "CosineKeep",
    "EntropyBound",
    "KeepSchedule",
    "Masked",
    "PosteriorSample",
    "TokenDenoiser",
    "TokenNetwork",
    "Uniform",
    "Unmask",
    "bits_per_token",
    "draw",
    "given",
    "uniform",
]
