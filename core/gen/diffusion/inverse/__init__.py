"""Inverse problems: data that is known only through a measurement, y = A x0 + std n."""

from gen.diffusion.inverse.measurement import (
    BlockAverage,
    Blur,
    Clipping,
    CompressedSensing,
    Decimation,
    FourierMagnitude,
    LinearOperator,
    Mask,
    Measurement,
    Operator,
    SpectrogramMagnitude,
    extension,
)
from gen.diffusion.inverse.methods import (
    DDNM,
    DPS,
    DiffPIR,
    InverseMethod,
    MaskBlend,
    PiGDM,
    constrained,
)

__all__ = [
    "DDNM",
    "DPS",
    "BlockAverage",
    "Blur",
    "Clipping",
    "CompressedSensing",
    "Decimation",
    "DiffPIR",
    "FourierMagnitude",
    "InverseMethod",
    "LinearOperator",
    "Mask",
    "MaskBlend",
    "Measurement",
    "Operator",
    "PiGDM",
    "SpectrogramMagnitude",
    "constrained",
    "extension",
]
