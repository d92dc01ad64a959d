"""The mathematics of diffusion, on tensors of any shape; needs torch and nothing else of ours.

t = 0 is data and t = 1 is noise; x_t = alpha(t) x0 + sigma(t) eps; log_snr = log(alpha / sigma). Levels and
coefficients are float64, states float32, and only what the network sees has the network's dtype.
"""

from gen.diffusion.conditioning import Condition, Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, ModelDenoiser, Network, Prediction
from gen.diffusion.level import Level, broadcast
from gen.diffusion.parameterization import (
    EDM,
    Coefficients,
    Epsilon,
    Parameterization,
    Sample,
    Score,
    Velocity,
    VPrediction,
)
from gen.diffusion.process import (
    Cosine,
    DiscreteBetas,
    Process,
    RectifiedFlow,
    Shifted,
    VarianceExploding,
    VariancePreserving,
    shifted,
)

__all__ = [
    "EDM",
    "Coefficients",
    "Condition",
    "Conditioning",
    "Cosine",
    "Denoiser",
    "DiscreteBetas",
    "Epsilon",
    "Level",
    "ModelDenoiser",
    "Network",
    "Parameterization",
    "Prediction",
    "Process",
    "RectifiedFlow",
    "Sample",
    "Score",
    "Shifted",
    "VPrediction",
    "VarianceExploding",
    "VariancePreserving",
    "Velocity",
    "broadcast",
    "concatenate",
    "shifted",
]
