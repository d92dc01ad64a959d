"""Writes comfy_reference.npz: ends of runs of ComfyUI's samplers, and its grids, to compare ours with.

    python tests/core/diffusion/make_comfy_reference.py CHECKOUT

CHECKOUT is a folder with ComfyUI's package ``comfy``, of which ``k_diffusion``, ``extra_samplers`` and the
schedulers in ``samplers.py`` are run; the few lines below replace what they import beside them. Needs
torchsde and scipy.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import itertools
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy_cases as cases
import numpy as np
import scipy.stats
import torch
from torch import Tensor

torch.set_default_dtype(torch.float64)


class Schedule:
    """Stable Diffusion's, as far as samplers and schedulers read it."""

    noise_scale = 1.0

    def __init__(self) -> None:
        self.sigmas = torch.tensor([self.sigma_of(i) for i in range(1000)])
        self.sigma_min, self.sigma_max = self.sigmas[0], self.sigmas[-1]

    def sigma_of(self, step: int) -> float:
        return cases.sigma_of_time((step + 1) / 1000)

    def timestep(self, sigma: Tensor) -> Tensor:
        return (sigma.log() - self.sigmas.log()).abs().argmin()

    def sigma(self, timestep: Tensor) -> Tensor:
        low = timestep.floor().long()
        logs = self.sigmas.log()
        return torch.lerp(logs[low], logs[(low + 1).clamp(max=999)], timestep.double() - low).exp()

    def percent_to_sigma(self, percent: float) -> float:
        return cases.sigma_of_time((999 * (1 - percent) + 1) / 1000)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, x: Tensor) -> Tensor:
        return x + noise * sigma


class CONST:
    """The base class by which samplers know a flow."""


class Flow(CONST, Schedule):
    """That of a flow without a shift."""

    def sigma_of(self, step: int) -> float:
        return (step + 1) / 1000

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma * 1000

    def sigma(self, timestep: Tensor) -> Tensor:
        return timestep / 1000

    def percent_to_sigma(self, percent: float) -> float:
        return 1 - percent

    def noise_scaling(self, sigma: Tensor, noise: Tensor, x: Tensor) -> Tensor:
        return (1 - sigma) * x + noise * sigma


class Model:
    """The denoiser, with the attributes that samplers look up."""

    def __init__(self, part: str) -> None:
        self.part = part
        schedule = Flow() if part.startswith("flow") else Schedule()
        self.model_sampling = schedule
        self.model_patcher = types.SimpleNamespace(get_model_object=lambda _: schedule)
        self.inner_model: Any = types.SimpleNamespace(
            inner_model=types.SimpleNamespace(model_sampling=schedule), model_patcher=self.model_patcher
        )

    def __call__(
        self, x: Tensor, sigma: Tensor, model_options: Any = None, seed: int | None = None
    ) -> Tensor:
        level = cases.level(float(sigma[0]), self.part)
        x = x if self.part.startswith("flow") else x * level.alpha
        if model_options is None or "post_cfg" not in model_options:
            return cases.x0(x, level)
        uncond, guided = cases.uncond_x0(x, level), cases.guided_x0(x, level)
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
        "model_sampling": {"CONST": CONST},
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


def run(name: str, part: str, sampling: Any, uni_pc: Any, sigmas: Tensor) -> Tensor:
    """The end of a run of theirs."""
    model, x, calls = Model(part), cases.START * sigmas[0], [0] * len(sigmas)

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
    if name == "dpm_3":
        solver, times = sampling.DPMSolver(model), -sigmas.log()
        for t, s in itertools.pairwise(times):
            x, _ = solver.dpm_solver_3_step(x, t, s)
        return x
    stepping = {"dpmpp_2s": "dpmpp_2s_ancestral", "dpmpp_3s": "seeds_3"}.get(name, name)
    drawn: dict[str, Any] = {"noise_sampler": noise_sampler} if name in cases.DRAWS else {}
    drawn |= {"eta": 0.0} if name != stepping else {}
    return getattr(sampling, f"sample_{stepping}")(model, x, sigmas, extra_args={}, disable=True, **drawn)


def grids(checkout: Path, sampling: Any) -> dict[str, Callable[[Any, int], Tensor]]:
    """Their schedulers by the names of ours."""
    tree = ast.parse((checkout / "comfy" / "samplers.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and "schedule" in node.name]
    found: dict[str, Any] = {"math": math, "numpy": np, "scipy": scipy, "torch": torch}
    exec(compile(ast.Module(functions, []), "samplers.py", "exec"), found)

    def between(make: Callable[..., Tensor]) -> Callable[[Any, int], Tensor]:
        return lambda schedule, steps: make(steps, float(schedule.sigma_min), float(schedule.sigma_max))

    return {
        "normal": found["normal_scheduler"],
        "sgm_uniform": lambda schedule, steps: found["normal_scheduler"](schedule, steps, sgm=True),
        "simple": found["simple_scheduler"],
        "ddim_uniform": found["ddim_scheduler"],
        "beta": found["beta_scheduler"],
        "linear_quadratic": found["linear_quadratic_schedule"],
        "kl_optimal": between(found["kl_optimal_scheduler"]),
        "karras": between(sampling.get_sigmas_karras),
        "exponential": between(sampling.get_sigmas_exponential),
        "polyexponential": between(sampling.get_sigmas_polyexponential),
        "laplace": between(sampling.get_sigmas_laplace),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkout", type=Path, help="A folder with the package comfy.")
    checkout = parser.parse_args().checkout
    sampling, uni_pc = load(checkout)
    ends = {}
    for name, scheduler in grids(checkout, sampling).items():
        for steps in cases.STEPS:
            for kind, schedule in (("chain", Schedule()), ("flow", Flow())):
                ends[f"{name}/{steps}/{kind}"] = scheduler(schedule, steps).double().numpy()
    for name in cases.NAMES:
        for steps, part in cases.runs(name):
            sigmas = torch.tensor(cases.sigmas(name, steps, part))
            ends[f"{name}/{steps}/{part}"] = run(name, part, sampling, uni_pc, sigmas).numpy()
    np.savez_compressed(cases.FILE, **ends)


if __name__ == "__main__":
    main()
