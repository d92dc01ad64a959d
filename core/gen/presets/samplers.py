"""Names that stand for more than a solver, and names that are not offered."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gen.presets.specs import Sampler

LINEAR = "gen.diffusion:DiscreteBetas.linear"
COSINE = "gen.diffusion:DiscreteBetas.cosine"
FLOW = "gen.diffusion:RectifiedFlow"
EDM = "gen.diffusion:VarianceExploding"
SCALED = "gen.diffusion:DiscreteBetas.scaled_linear"
COGVIDEOX = "gen.presets.factories:cogvideox"
# k-diffusion's in diffusers: equal steps of beta between the ends of Stable Diffusion's.
NARROW = {"first": 0.00085, "last": 0.012}


def _sigmas(lowest: float, highest: float) -> dict[str, object]:
    return {"sigma_min": lowest, "sigma_max": highest}


SCHEDULERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "CogVideoXDDIMScheduler": Sampler(COGVIDEOX, "ddim", "leading"),
        "CogVideoXDPMScheduler": Sampler(COGVIDEOX, "dpmpp_2m_sde", "leading"),
        "CosineDPMSolverMultistepScheduler": Sampler(
            EDM, "dpmpp_2m_sde", "uniform_log_snr", _sigmas(0.3, 500.0)
        ),
        "DDIMParallelScheduler": Sampler(LINEAR, "ddim", "leading"),
        "DDIMScheduler": Sampler(LINEAR, "ddim", "leading"),
        "DDPMParallelScheduler": Sampler(LINEAR, "ddpm", "leading"),
        "DDPMScheduler": Sampler(LINEAR, "ddpm", "leading"),
        "DEISMultistepScheduler": Sampler(LINEAR, "deis_2", "linspace_closed"),
        "DPMSolverMultistepScheduler": Sampler(LINEAR, "dpmpp_2m", "linspace_open"),
        "DPMSolverSDEScheduler": Sampler(LINEAR, "dpmpp_sde", "diffusers_normal", NARROW),
        "EDMDPMSolverMultistepScheduler": Sampler(EDM, "dpmpp_2m", "karras"),
        "EDMEulerScheduler": Sampler(EDM, "ddim", "karras"),
        "EulerAncestralDiscreteScheduler": Sampler(LINEAR, "euler_ancestral", "diffusers_normal"),
        "EulerDiscreteScheduler": Sampler(LINEAR, "ddim", "diffusers_normal"),
        "FlowMapEulerDiscreteScheduler": Sampler(FLOW, "flow_map", "uniform"),
        "FlowMatchEulerDiscreteScheduler": Sampler(FLOW, "ddim", "diffusers_normal"),
        "FlowMatchHeunDiscreteScheduler": Sampler(FLOW, "flow_heun", "diffusers_normal"),
        "FlowMatchLCMScheduler": Sampler(FLOW, "lcm", "diffusers_normal"),
        "HeunDiscreteScheduler": Sampler(LINEAR, "heun", "diffusers_normal", NARROW),
        "KDPM2AncestralDiscreteScheduler": Sampler(LINEAR, "dpm_2_ancestral", "diffusers_normal", NARROW),
        "KDPM2DiscreteScheduler": Sampler(LINEAR, "dpm_2", "diffusers_normal", NARROW),
        "LCMScheduler": Sampler(SCALED, "lcm", "trailing"),
        "LMSDiscreteScheduler": Sampler(LINEAR, "lms", "diffusers_normal"),
        "LTXEulerAncestralRFScheduler": Sampler(FLOW, "euler_a_flow", "diffusers_normal"),
        "PNDMScheduler": Sampler(LINEAR, "plms", "leading"),
        "SASolverScheduler": Sampler(LINEAR, "diffusers_sa_solver", "linspace_closed"),
        "UnCLIPScheduler": Sampler(COSINE, "ddpm", "linspace"),
        "UniPCMultistepScheduler": Sampler(LINEAR, "unipc_2", "linspace_open"),
    }
)
"""The schedulers of diffusers, as they are when built without arguments.

Without their clipping and the Runge-Kutta steps of PNDM, which its pipelines leave out too. PNDM ends at the
data (``set_alpha_to_one``), where theirs keeps the noise of the first step of the chain.
"""

NEAREST: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "CMStochasticIterativeScheduler": ("lcm", "its results keep the noise of its lowest level"),
        "ConsistencyDecoderScheduler": ("lcm", "its two levels, steps 1008 and 512 of 1024, are fixed"),
        "DDPMWuerstchenScheduler": ("ddpm", "its runs end at sigma = 0.01"),
        "DPMSolverSinglestepScheduler": (
            "dpmpp_2s",
            "every second step is a stage of the one before",
        ),
        "IPNDMScheduler": ("diffusers_ipndm", "its first step leaves out what the network predicts"),
        "KarrasVeScheduler": ("heun", "its levels are squares of sigma, and noise is added to them"),
        "MiniMaxH3Scheduler": ("ddim", "its n steps are n - 1, of `uniform` with a shift of 12"),
        "SCMScheduler": ("lcm", "its two levels are fixed angles"),
        "ScoreSdeVeScheduler": ("predictor_corrector", "its Langevin steps come before the others"),
        "ScoreSdeVpScheduler": ("reverse_diffusion", "its steps are those of the time of an SDE"),
        "TCDScheduler": ("tcd", "it rounds the levels that it goes down to"),
    }
)
"""Schedulers of diffusers that are not offered: the solver that is nearest, and the difference."""

_TOKENS = "it draws tokens: see `{}` in gen.diffusion.categorical"
_SEARCHED = "it is found for a network: see `search_grid` in gen.diffusion; the nearest is `flow_power`"
_SPACING = "no grid here is the same; the nearest is `{}`"

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "AmusedScheduler": _TOKENS.format("Unmask"),
        "BlockRefinementScheduler": _TOKENS.format("Unmask"),
        "DiscreteDDIMScheduler": _TOKENS.format("PosteriorSample"),
        "EntropyBoundScheduler": _TOKENS.format("EntropyBound"),
        "VQDiffusionScheduler": _TOKENS.format("PosteriorSample"),
        **{name: f"{reason}; the nearest is `{solver}`" for name, (solver, reason) in NEAREST.items()},
        "DDIMInverseScheduler": "see `invert` in gen.diffusion, for every solver without noise, with `ddim`",
        "DPMSolverMultistepInverseScheduler": (
            "see `invert` in gen.diffusion, for every solver without noise, with `dpmpp_2m`"
        ),
        "RePaintScheduler": "it fills a mask: see `MaskBlend` with `ddpm` on a `TimeGrid.restart`",
        "HeliosScheduler": "its state changes size between stages; within one it is `ddim` or `unipc_2`",
        "HeliosDMDScheduler": "its state changes size between stages; within one it is `lcm`",
        "PiflowScheduler": "its network gives a policy and no prediction; the nearest is `flow_map`",
        "RFD4ProteinaScheduler": "it is made for protein backbones; the nearest is `reverse_diffusion`",
        "dpm_fast": "it chooses its own levels; the nearest is `dpm_3` on `uniform_log_snr`",
        "euler_maruyama": "its steps are those of the time of an SDE; the nearest is `reverse_diffusion`",
        "comfy_ddpm": "on flows it adds more noise than they have; `ddpm` is the same elsewhere",
        "cfgpp_ud10_ab": "the nearest is `dpmpp_2m_cfg_pp`",
        "diffusers_dpmpp_3m_sde": "its last term has the wrong sign; the nearest is `dpmpp_3m_sde`",
        "comfy_deis": "its integrals are sums; the nearest is `deis`, whose are exact",
        "restart": "it is a grid that goes back up: `heun` with `TimeGrid.restart` of gen.diffusion",
        "karras_exponential": _SPACING.format("karras"),
        **dict.fromkeys(
            ("scale", "scale_2", "scale_3", "scale_3_fine"),
            "version 0.2 had it; `flow_abm_2` on the grid `flow_power` is nearer to the exact solution",
        ),
        **dict.fromkeys(
            ("scale_coarse", "scale_medium", "scale_fine", "scale_finest"),
            "version 0.2 had it; the grid `flow_power` takes its place",
        ),
        "gits": _SEARCHED,
        "optimal_steps": _SEARCHED,
        "automatic": "name a grid, or leave it out to have the one of the model",
    }
)
"""Names of diffusers, A1111 and ComfyUI that are not offered, and their substitutes."""
