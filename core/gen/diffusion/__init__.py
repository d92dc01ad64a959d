"""The mathematics of diffusion, on tensors of any shape; needs torch and nothing else of ours.

t = 0 is data and t = 1 is noise; x_t = alpha(t) x0 + sigma(t) eps; log_snr = log(alpha / sigma). Levels and
coefficients are float64, states float32, and only what the network sees has the network's dtype.
"""

from gen.diffusion.conditioning import Condition, Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, ModelDenoiser, Network, Prediction
from gen.diffusion.grid import TimeGrid
from gen.diffusion.guidance import ClassifierFree, Guidance, guided
from gen.diffusion.level import Level, broadcast
from gen.diffusion.noise import NoiseSource, StepNoise
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
from gen.diffusion.sampling import Step, Trajectory, iterate, prior, sample
from gen.diffusion.solvers import DDIM, Denoise, ExponentialMultistep, Heun, Past, Solver, State, Update

__all__ = [
    "DDIM",
    "EDM",
    "ClassifierFree",
    "Coefficients",
    "Condition",
    "Conditioning",
    "Cosine",
    "Denoise",
    "Denoiser",
    "DiscreteBetas",
    "Epsilon",
    "ExponentialMultistep",
    "Guidance",
    "Heun",
    "Level",
    "ModelDenoiser",
    "Network",
    "NoiseSource",
    "Parameterization",
    "Past",
    "Prediction",
    "Process",
    "RectifiedFlow",
    "Sample",
    "Score",
    "Shifted",
    "Solver",
    "State",
    "Step",
    "StepNoise",
    "TimeGrid",
    "Trajectory",
    "Update",
    "VPrediction",
    "VarianceExploding",
    "VariancePreserving",
    "Velocity",
    "broadcast",
    "concatenate",
    "guided",
    "iterate",
    "prior",
    "sample",
    "shifted",
]
