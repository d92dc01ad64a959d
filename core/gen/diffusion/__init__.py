"""The mathematics of diffusion, on tensors of any shape; needs torch and nothing else of ours.

t = 0 is data and t = 1 is noise; x_t = alpha(t) x0 + sigma(t) eps; log_snr = log(alpha / sigma). Levels and
coefficients are float64, states float32, and only what the network sees has the network's dtype.
"""

from gen.diffusion import joint
from gen.diffusion.cache import cached
from gen.diffusion.conditioning import Condition, Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, ModelDenoiser, Prediction, clipped, thresholded
from gen.diffusion.grid import TimeGrid
from gen.diffusion.guidance import AdaptiveProjected, CFGPlusPlus, ClassifierFree, Guidance, guided
from gen.diffusion.inverse import Measurement, constrained
from gen.diffusion.level import Level, posterior, transition
from gen.diffusion.likelihood import log_likelihood, variational_bound
from gen.diffusion.noise import NoiseSource, StepNoise
from gen.diffusion.parameterization import (
    EDM,
    Consistency,
    Epsilon,
    Parameterization,
    Sample,
    Score,
    Velocity,
    VPrediction,
)
from gen.diffusion.process import (
    Cosine,
    EDMProcess,
    Process,
    RectifiedFlow,
    TrigFlow,
    VarianceExploding,
    VariancePreserving,
)
from gen.diffusion.sampling import Step, Trajectory, invert, iterate, prior, sample
from gen.diffusion.schedule import DiscreteBetas, shifted, zero_terminal_snr
from gen.diffusion.search import count_nfe, grid_for_nfe, search_grid
from gen.diffusion.solvers import (
    DDIM,
    DDPM,
    LMS,
    Adaptive,
    Ancestral,
    Churn,
    DPMpp2M,
    DPMpp3M,
    FlowAdams,
    FlowMap,
    Heun,
    SASolver,
    Solver,
    UniPC,
)
from gen.diffusion.training import (
    LogitNormalTimes,
    LogNormalSigmas,
    MinSNRWeighting,
    SigmoidWeighting,
    SNRWeighting,
    Times,
    UniformTimes,
    Weighting,
)

__all__ = [
    "DDIM", "DDPM", "EDM", "LMS", "Adaptive", "AdaptiveProjected", "Ancestral", "CFGPlusPlus", "Churn",
    "ClassifierFree", "Condition", "Conditioning", "Consistency", "Cosine", "DPMpp2M", "DPMpp3M", "Denoiser",
    "DiscreteBetas", "EDMProcess", "Epsilon", "FlowAdams", "FlowMap", "Guidance", "Heun", "Level",
    "LogNormalSigmas", "LogitNormalTimes", "Measurement", "Memory", "MinSNRWeighting", "ModelDenoiser",
    "NoiseSource", "Parameterization", "Prediction", "Process", "RectifiedFlow", "SASolver", "SNRWeighting",
    "Sample", "Score", "SigmoidWeighting", "Solver", "Step", "StepNoise", "TimeGrid", "Times", "Trajectory",
    "TrigFlow", "UniPC", "UniformTimes", "VPrediction", "VarianceExploding", "VariancePreserving", "Velocity",
    "Weighting", "cached", "clipped", "constrained", "count_nfe", "grid_for_nfe", "guided", "invert",
    "iterate", "joint", "log_likelihood", "posterior", "prior", "sample", "search_grid", "shifted",
    "thresholded", "transition", "variational_bound", "zero_terminal_snr",
]  # fmt: skip
