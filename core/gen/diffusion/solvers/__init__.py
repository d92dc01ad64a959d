"""Solvers: how x moves from one noise level to the next, in files by the form of their step."""

from gen.diffusion.denoiser import FlowMapDenoiser
from gen.diffusion.solvers.adams import DEIS, IPNDM, LMS, PLMS, FlowAdams, GradientEstimation
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, flow_time
from gen.diffusion.solvers.comfyui import CFGpp2M, CFGpp2S, HeunPlusPlus, VariableIPNDM
from gen.diffusion.solvers.dpm_solver import Adaptive, DPMSolver2, DPMSolver2M, DPMSolver3, Heun
from gen.diffusion.solvers.dpmpp import DPMpp2M, DPMpp2S, DPMpp3M, DPMpp3S
from gen.diffusion.solvers.first_order import (
    DDIM,
    DDPM,
    AncestralStep,
    FlowAncestralStep,
    FlowMap,
    LCMStep,
    ReverseDiffusion,
    SigmaUp,
    TCDStep,
)
from gen.diffusion.solvers.multistep import ERSDE, Past, SASolver, TauInterval, UniPC
from gen.diffusion.solvers.wrappers import Ancestral, Churn, FlowTime, Inverse, Langevin, PredictorCorrector

__all__ = [
    "DDIM", "DDPM", "DEIS", "ERSDE", "IPNDM", "LMS", "PLMS", "Adaptive", "Ancestral", "AncestralStep",
    "CFGpp2M", "CFGpp2S", "Churn", "DPMSolver2", "DPMSolver2M", "DPMSolver3", "DPMpp2M", "DPMpp2S", "DPMpp3M",
    "DPMpp3S", "Denoise", "FlowAdams", "FlowAncestralStep", "FlowMap", "FlowMapDenoiser", "FlowTime",
    "GradientEstimation", "Heun", "HeunPlusPlus", "Inverse", "LCMStep", "Langevin", "Past",
    "PredictorCorrector", "ReverseDiffusion", "SASolver", "SigmaUp", "Solver", "State", "TCDStep",
    "TauInterval", "UniPC", "Update", "VariableIPNDM", "flow_time",
]  # fmt: skip
