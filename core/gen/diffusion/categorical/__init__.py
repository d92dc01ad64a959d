"""Discrete diffusion: the levels, grids, guidance and loop of continuous data, on tokens."""

from gen.diffusion.categorical.process import (
    IMPOSSIBLE,
    CategoricalProcess,
    CosineSchedule,
    Masked,
    NoiseSchedule,
    TokenDenoiser,
    TokenNetwork,
    Uniform,
    bits_per_token,
    given,
    uniform,
)
from gen.diffusion.categorical.solvers import EntropyBound, PosteriorSample, Unmask, draw

__all__ = [
    "IMPOSSIBLE",
    "CategoricalProcess",
    "CosineSchedule",
    "EntropyBound",
    "Masked",
    "NoiseSchedule",
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
