"""What ComfyUI's samplers and ours are run on, for ``make_comfy_reference`` and ``test_names``."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from exact import Mixture
from torch import Tensor

from gen.diffusion import DiscreteBetas, Level

FILE = Path(__file__).with_name("comfy_reference.npz")
STEPS = (10, 20)
PARTS = ("to data", "before it")
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
    "lms",
    "dpm_adaptive",
    "dpmpp_2m",
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
SCALE = 0.6
START = torch.randn(1, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
CHAIN = DiscreteBetas.scaled_linear()


def sigma_of_time(t: float) -> float:
    level = CHAIN.level(t)
    return level.sigma / level.alpha


def sigmas(steps: int, part: str) -> list[float]:
    """Those of Karras et al. 2022 between Stable Diffusion's, with or without the data at their end."""
    high, low = (sigma_of_time(t) ** (1 / 7) for t in (1.0, 0.001))
    found = [(high + (low - high) * i / (steps - 1)) ** 7 for i in range(steps)]
    return [*found, 0.0] if part == "to data" else found


def draw(index: int) -> Tensor:
    generator = torch.Generator().manual_seed(100 + index)
    return torch.randn(START.shape, generator=generator, dtype=torch.float64)


def x0(x: Tensor, sigma: float) -> Tensor:
    return Mixture().x0(x, Level(0.5, 1.0, sigma))


def uncond_x0(x: Tensor, sigma: float) -> Tensor:
    return Mixture((-0.4, 0.9, 1.6), (0.5, 0.4, 0.6)).x0(x, Level(0.5, 1.0, sigma))


def guided_x0(x: Tensor, sigma: float) -> Tensor:
    return torch.lerp(uncond_x0(x, sigma), x0(x, sigma), SCALE)


def level(sigma: float) -> Level[float]:
    """Of the chain, with alpha = 1 for clean data."""
    if sigma == 0:
        return Level(0.0, 1.0, 0.0)
    alpha = 1 / math.hypot(1, sigma)
    return Level(CHAIN.t_of_log_snr(-math.log(sigma)), alpha, alpha * sigma)
