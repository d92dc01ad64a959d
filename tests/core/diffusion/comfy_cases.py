"""What ComfyUI's samplers and ours are run on, for ``make_comfy_reference`` and ``test_names``."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from exact import Mixture
from torch import Tensor

from gen.diffusion import DiscreteBetas, Level, RectifiedFlow
from gen.diffusion.level import DATA

FILE = Path(__file__).with_name("comfy_reference.npz")
STEPS = (10, 20)
PARTS = ("to data", "before it", "flow to data", "flow before it")
"""Runs on Stable Diffusion's chain and on a rectified flow, with or without the step to clean data."""
DRAWS = {
    "euler_ancestral": 1,
    "dpm_2_ancestral": 1,
    "dpmpp_2s_ancestral": 1,
    "dpmpp_sde": 2,
    "dpmpp_2m_sde": 1,
    "dpmpp_2m_sde_heun": 1,
    "dpmpp_3m_sde": 1,
    "ddpm": 1,
    "lcm": 1,
    "res_multistep_ancestral": 1,
    "er_sde": 1,
    "seeds_2": 2,
    "seeds_3": 3,
    "exp_heun_2_x0_sde": 1,
    "sa_solver": 1,
    "sa_solver_pece": 1,
    "res_multistep_ancestral_cfg_pp": 1,
    "euler_ancestral_cfg_pp": 1,
    "dpmpp_2s_ancestral_cfg_pp": 1,
}
"""The samplers that draw noise, and how often in a step."""
NAMES = (
    "euler",
    "heun",
    "dpm_2",
    "dpm_3",
    "lms",
    "dpm_adaptive",
    "dpmpp_2m",
    "dpmpp_2s",
    "dpmpp_3s",
    "ipndm",
    "ipndm_v",
    "heunpp2",
    "res_multistep",
    "gradient_estimation",
    "exp_heun_2_x0",
    "uni_pc",
    "uni_pc_bh2",
    "euler_cfg_pp",
    "gradient_estimation_cfg_pp",
    "dpmpp_2m_cfg_pp",
    "res_multistep_cfg_pp",
    *DRAWS,
)
NOT_ON_FLOWS = (
    "ddpm",
    "dpm_3",
    "dpmpp_2s",
    "dpmpp_2s_ancestral_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
)
"""Without a run on a flow: three that are steps within samplers, and those whose noise is too much."""
NEARLY_NOISE = (
    "dpmpp_3s",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpmpp_sde",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_heun",
    "dpmpp_3m_sde",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
)
"""Samplers of log_snr, to which pure noise of a flow is the level t = 0.9999."""
BELOW_NOISE = (
    "dpmpp_2s_ancestral",
    "euler_ancestral_cfg_pp",
    "dpmpp_2m_cfg_pp",
    "res_multistep_cfg_pp",
    "gradient_estimation_cfg_pp",
)
"""Samplers whose reference begins at this level too: their step from pure noise is special, or NaN."""
SCALE = 0.6
START = torch.randn(1, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
CHAIN = DiscreteBetas.scaled_linear()
FLOW = RectifiedFlow()


def runs(name: str) -> list[tuple[int, str]]:
    """(steps, part) of the runs of a sampler."""
    return [
        (steps, part)
        for steps in STEPS
        for part in PARTS
        if not (part.startswith("flow") and name in NOT_ON_FLOWS) and not (name == "dpm_3" and "to" in part)
    ]


def sigma_of_time(t: float) -> float:
    level = CHAIN.level(t)
    return level.sigma / level.alpha


def sigmas(name: str, steps: int, part: str) -> list[float]:
    """Those of Karras et al. 2022 between Stable Diffusion's; of a flow those of equal steps, shifted."""
    if part.startswith("flow"):
        first = 0.9999 if name in BELOW_NOISE else 1.0
        left = [1 - i / steps for i in range(steps)]
        found = [first * u / (u + (1 - u) / 1.7) for u in left]
    else:
        high, low = (sigma_of_time(t) ** (1 / 7) for t in (1.0, 0.001))
        found = [(high + (low - high) * i / (steps - 1)) ** 7 for i in range(steps)]
    return [*found, 0.0] if part.endswith("to data") else found


def draw(index: int) -> Tensor:
    generator = torch.Generator().manual_seed(100 + index)
    return torch.randn(START.shape, generator=generator, dtype=torch.float64)


def level(sigma: float, part: str) -> Level[float]:
    """Of the chain, with alpha = 1 for clean data; or of the flow."""
    if sigma == 0:
        return DATA
    if part.startswith("flow"):
        return FLOW.level(sigma)
    alpha = 1 / math.hypot(1, sigma)
    return Level(CHAIN.t_of_log_snr(-math.log(sigma)), alpha, alpha * sigma)


def x0(x: Tensor, level: Level[float]) -> Tensor:
    return Mixture().x0(x, level)


def uncond_x0(x: Tensor, level: Level[float]) -> Tensor:
    return Mixture((-0.4, 0.9, 1.6), (0.5, 0.4, 0.6)).x0(x, level)


def guided_x0(x: Tensor, level: Level[float]) -> Tensor:
    return torch.lerp(uncond_x0(x, level), x0(x, level), SCALE)
