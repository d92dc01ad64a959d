"""Writes comfy_reference.npz: ends of runs of ComfyUI's samplers, to which ours of those names are compared.

    python tests/core/diffusion/make_comfy_reference.py CHECKOUT

CHECKOUT is a folder with ComfyUI's package ``comfy``, of which ``k_diffusion`` and ``extra_samplers`` are
run; the few lines below replace what they import beside them. Needs torchsde and scipy.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy_cases as cases
import numpy as np
import torch
from torch import Tensor

torch.set_default_dtype(torch.float64)


class Schedule:
    """Stable Diffusion's, as far as samplers read it."""

    noise_scale = 1.0

    def percent_to_sigma(self, percent: float) -> float:
        return cases.sigma_of_time((999 * (1 - percent) + 1) / 1000)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, x: Tensor) -> Tensor:
        return x + noise * sigma


class Model:
    """The denoiser, with the attributes that samplers look up."""

    def __init__(self) -> None:
        schedule = Schedule()
        self.model_sampling = schedule
        self.model_patcher = types.SimpleNamespace(get_model_object=lambda _: schedule)
        self.inner_model: Any = types.SimpleNamespace(
            inner_model=types.SimpleNamespace(model_sampling=schedule), model_patcher=self.model_patcher
        )

    def __call__(
        self, x: Tensor, sigma: Tensor, model_options: Any = None, seed: int | None = None
    ) -> Tensor:
        if model_options is None or "post_cfg" not in model_options:
            return cases.x0(x, float(sigma[0]))
        uncond, guided = cases.uncond_x0(x, float(sigma[0])), cases.guided_x0(x, float(sigma[0]))
        return model_options["post_cfg"]({"denoised": guided, "uncond_denoised": uncond})


def load(checkout: Path) -> tuple[Any, Any]:
    """(comfy.k_diffusion.sampling, comfy.extra_samplers.uni_pc)"""
    package = types.ModuleType("comfy")
    package.__path__ = [str(checkout / "comfy")]
    sys.modules["comfy"] = package

    def remember(options: dict[str, Any], function: Callable[..., Any], **_: Any) -> dict[str, Any]:
        return {**options, "post_cfg": function}

    for name, attributes in {
        "model_patcher": {"set_model_options_post_cfg_function": remember},
        "model_sampling": {"CONST": type("CONST", (), {})},
        "memory_management": {"aimdo_allocator": None},
        "utils": {"model_trange": lambda count, **_: range(count)},
    }.items():
        module = types.ModuleType(f"comfy.{name}")
        vars(module).update(attributes)
        sys.modules[module.__name__] = module
        setattr(package, name, module)
    return importlib.import_module("comfy.k_diffusion.sampling"), importlib.import_module(
        "comfy.extra_samplers.uni_pc"
    )


def run(name: str, sampling: Any, uni_pc: Any, sigmas: Tensor) -> Tensor:
    """The end of a run of theirs."""
    model, x, calls = Model(), cases.START * sigmas[0], [0] * len(sigmas)

    def noise_sampler(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        if math.isclose(sigma, sigma_next, rel_tol=1e-9):
            return torch.zeros_like(x)
        step = int((sigmas >= float(sigma) * (1 - 1e-9)).sum()) - 1
        calls[step] += 1
        return cases.draw(step * cases.DRAWS[name] + calls[step] - 1)

    if name.startswith("uni_pc"):
        function = uni_pc.sample_unipc_bh2 if name.endswith("bh2") else uni_pc.sample_unipc
        return function(model, x, sigmas.clone(), extra_args={}, disable=True)
    if name == "dpm_adaptive":
        lowest = float(sigmas[sigmas > 0].min())
        return sampling.sample_dpm_adaptive(model, x, lowest, float(sigmas[0]), disable=True)
    function = getattr(sampling, f"sample_{name}")
    drawn = {"noise_sampler": noise_sampler} if name in cases.DRAWS else {}
    return function(model, x, sigmas, extra_args={}, disable=True, **drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkout", type=Path, help="A folder with the package comfy.")
    sampling, uni_pc = load(parser.parse_args().checkout)
    ends = {}
    for name in cases.NAMES:
        for steps in cases.STEPS:
            for part in cases.PARTS:
                sigmas = torch.tensor(cases.sigmas(steps, part))
                ends[f"{name}/{steps}/{part}"] = run(name, sampling, uni_pc, sigmas).numpy()
    np.savez_compressed(cases.FILE, **ends)


if __name__ == "__main__":
    main()
