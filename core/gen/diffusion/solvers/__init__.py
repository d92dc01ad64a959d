"""Solvers: how x moves from one noise level to the next."""

from gen.diffusion.solvers.adams import AdamsBashforth
from gen.diffusion.solvers.adaptive import Adaptive
from gen.diffusion.solvers.ancestral import Ancestral
from gen.diffusion.solvers.base import Denoise, Past, Solver, State, Update
from gen.diffusion.solvers.churn import Churn
from gen.diffusion.solvers.ddim import DDIM
from gen.diffusion.solvers.ddpm import DDPM
from gen.diffusion.solvers.flow_map import FlowMap, FlowMapDenoiser, Towards
from gen.diffusion.solvers.fresh_noise import DownStep, Eta, FreshNoise, Full, Gamma
from gen.diffusion.solvers.heun import Heun
from gen.diffusion.solvers.multistep import ExponentialMultistep
from gen.diffusion.solvers.reverse_diffusion import Langevin, PredictorCorrector, ReverseDiffusion
from gen.diffusion.solvers.runge_kutta import ExponentialRungeKutta
from gen.diffusion.solvers.scale_multistep import ScaleMultistep

__all__ = [
    "DDIM",
    "DDPM",
    "AdamsBashforth",
    "Adaptive",
    "Ancestral",
    "Churn",
    "Denoise",
    "DownStep",
    "Eta",
    "ExponentialMultistep",
    "ExponentialRungeKutta",
    "FlowMap",
    "FlowMapDenoiser",
    "FreshNoise",
    "Full",
    "Gamma",
    "Heun",
    "Langevin",
    "Past",
    "PredictorCorrector",
    "ReverseDiffusion",
    "ScaleMultistep",
    "Solver",
    "State",
    "Towards",
    "Update",
]
