"""The samplers of diffusers and k-diffusion, with the same denoiser as ours.

Their networks are evaluated at the exact level of their state, so that no rounding of times to the steps of
a chain counts against them. k-diffusion is optional (``pip install k-diffusion``).
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import diffusers
from torch import Tensor

from gen.diffusion import Level

diffusers.utils.logging.set_verbosity_error()
warnings.filterwarnings("ignore", module="diffusers")

Denoise = Callable[[Tensor, Level[float]], Tensor]
"""(x, level) -> x0."""
SD_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SIGMA_MIN, SIGMA_MAX = 0.002, 80.0
SPACINGS: dict[str, dict[str, Any]] = {
    "linspace": {"timestep_spacing": "linspace"},
    "leading": {"timestep_spacing": "leading", "steps_offset": 1},
    "trailing": {"timestep_spacing": "trailing"},
    "karras": {"timestep_spacing": "linspace", "use_karras_sigmas": True},
    "exponential": {"timestep_spacing": "linspace", "use_exponential_sigmas": True},
    "beta": {"timestep_spacing": "linspace", "use_beta_sigmas": True},
}


@dataclass(frozen=True)
class Rival:
    """One sampler of theirs with one grid.

    Args:
        name: What is printed.
        family: "diffusers" or "k-diffusion".
        run: (denoise, z, steps) -> x0 (B, d), from the standard normal z (B, d).
        evaluations: Steps -> evaluations.
        stochastic: Whether it draws noise.
    """

    name: str
    family: str
    run: Callable[[Denoise, Tensor, int], Tensor]
    evaluations: Callable[[int], int] = lambda steps: steps
    stochastic: bool = False

    def steps(self, nfe: int) -> int:
        """The most steps that ``nfe`` evaluations allow; 0 where none."""
        return next((n for n in range(nfe, 0, -1) if self.evaluations(n) <= nfe), 0)


def rivals(process: str, *, stochastic: bool = False) -> list[Rival]:
    """Theirs for "chain" (Stable Diffusion's betas), "flow" or "exploding" (EDM)."""
    found = {"chain": _on_chain, "flow": _on_flow, "exploding": _on_sigma}[process]()
    return [rival for rival in found if rival.stochastic == stochastic]


def _diffusers(
    name: str,
    options: dict[str, Any],
    state: str,
    *,
    stepping: dict[str, Any] | None = None,
    setting: dict[str, Any] | None = None,
) -> Callable[[Denoise, Tensor, int], Tensor]:
    """A run of a scheduler whose state is that of a "chain", "sigma" (alpha = 1), "flow" or "edm"."""

    def level(made: Any, index: int, t: Tensor) -> Level[float]:
        if state == "chain":
            alpha_bar = float(made.alphas_cumprod[int(t)])
            return Level(0.5, math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar))
        if hasattr(made, "sigmas_interpol") and not made.state_in_first_order:
            shift = 0 if "Ancestral" not in name else -1
            return Level(0.5, 1.0, float(made.sigmas_interpol[index + shift]))
        if hasattr(made, "mid_point_sigma") and not made.state_in_first_order:
            return Level(0.5, 1.0, float(made.mid_point_sigma))
        sigma = float(made.sigmas[index])
        if state == "flow":
            return Level(0.5, 1 - sigma, sigma)
        if hasattr(made, "_sigma_to_alpha_sigma_t") and state == "split":
            norm = math.hypot(1, sigma)
            return Level(0.5, 1 / norm, sigma / norm)
        return Level(0.5, 1.0, sigma)

    def output(made: Any, x0: Tensor, x: Tensor, at: Level[float]) -> Tensor:
        if state == "edm":
            data = made.config.sigma_data
            norm = math.hypot(at.sigma, data)
            return (x0 - x * (data / norm) ** 2) / (at.sigma * data / norm)
        eps = (x - at.alpha * x0) / at.sigma
        return eps - x0 if state == "flow" else eps

    def run(denoise: Denoise, z: Tensor, steps: int) -> Tensor:
        made = getattr(diffusers, name)(**options)
        made.is_scale_input_called = True
        made.set_timesteps(steps, **(setting or {}))
        shape = (*z.shape, 1, 1)
        first = level(made, 0, made.timesteps[0])
        x = (z * math.hypot(first.alpha, first.sigma)).reshape(shape)
        for index, t in enumerate(made.timesteps):
            at = level(made, index, t)
            x0 = denoise(x.reshape(z.shape).double(), at).reshape(shape)
            x = made.step(output(made, x0, x, at), t, x, **(stepping or {}), return_dict=False)[0]
        return x.reshape(z.shape).double()

    return run


def _on_chain() -> list[Rival]:
    def double(n: int) -> int:
        return 2 * n - 1

    multistep: list[tuple[str, str, dict[str, Any]]] = [
        ("DPM++ 2M", "DPMSolverMultistepScheduler", {}),
        ("DPM++ 2M heun", "DPMSolverMultistepScheduler", {"solver_type": "heun"}),
        ("DPM++ 3M", "DPMSolverMultistepScheduler", {"solver_order": 3}),
        (
            "DPM 2M",
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
        ),
        ("UniPC 2", "UniPCMultistepScheduler", {}),
        ("UniPC 3", "UniPCMultistepScheduler", {"solver_order": 3}),
        ("UniPC 3 bh1", "UniPCMultistepScheduler", {"solver_order": 3, "solver_type": "bh1"}),
        ("DEIS 2", "DEISMultistepScheduler", {}),
        ("DEIS 3", "DEISMultistepScheduler", {"solver_order": 3}),
        ("DPM++ S", "DPMSolverSinglestepScheduler", {}),
    ]
    found = []
    for grid, spacing in SPACINGS.items():
        for label, name, extra in multistep:
            chosen = spacing
            if name == "DPMSolverSinglestepScheduler":
                chosen = {k: v for k, v in spacing.items() if k not in ("timestep_spacing", "steps_offset")}
                if grid in ("leading", "trailing"):
                    continue
            run = _diffusers(name, {**SD_BETAS, **chosen, **extra}, "split")
            found.append(Rival(f"{label}, {grid}", "diffusers", run))
        for label, name in (("Euler", "EulerDiscreteScheduler"), ("LMS", "LMSDiscreteScheduler")):
            found.append(
                Rival(
                    f"{label}, {grid}",
                    "diffusers",
                    _diffusers(name, {**SD_BETAS, **spacing_of(grid)}, "sigma"),
                )
            )
        for label, name in (("Heun", "HeunDiscreteScheduler"), ("DPM2", "KDPM2DiscreteScheduler")):
            run = _diffusers(name, {**SD_BETAS, **spacing_of(grid)}, "sigma")
            found.append(Rival(f"{label}, {grid}", "diffusers", run, double))
        for label, name, options, state in (
            ("Euler a", "EulerAncestralDiscreteScheduler", {}, "sigma"),
            ("DPM++ 2M SDE", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "split"),
            (
                "DPM++ 3M SDE",
                "DPMSolverMultistepScheduler",
                {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
                "split",
            ),
            ("SA-Solver", "SASolverScheduler", {}, "split"),
        ):
            if name.startswith("Euler") and grid not in ("linspace", "leading", "trailing"):
                continue
            run = _diffusers(name, {**SD_BETAS, **spacing_of(grid), **options}, state)
            found.append(Rival(f"{label}, {grid}", "diffusers", run, stochastic=True))
    for grid in ("leading", "trailing"):
        options = {**SD_BETAS, **spacing_of(grid), "clip_sample": False, "set_alpha_to_one": True}
        found.append(Rival(f"DDIM, {grid}", "diffusers", _diffusers("DDIMScheduler", options, "chain")))
        options = {**SD_BETAS, **spacing_of(grid), "skip_prk_steps": True, "set_alpha_to_one": True}
        run = _diffusers("PNDMScheduler", options, "chain")
        found.append(Rival(f"PLMS, {grid}", "diffusers", run, lambda n: n + 1))
    return found + _k_diffusion(*_sd_sigmas())


def spacing_of(grid: str) -> dict[str, Any]:
    return SPACINGS[grid]


def _sd_sigmas() -> tuple[float, float]:
    alpha_bars = diffusers.DDIMScheduler(**SD_BETAS).alphas_cumprod.double()
    sigmas = ((1 - alpha_bars) / alpha_bars).sqrt()
    return float(sigmas[0]), float(sigmas[-1])


def _on_flow() -> list[Rival]:
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    found = []
    for shift in (1.0, 3.0):
        grid = f"shift {shift:g}"
        for label, name, extra in (
            ("DPM++ 2M", "DPMSolverMultistepScheduler", {}),
            ("DPM++ 3M", "DPMSolverMultistepScheduler", {"solver_order": 3}),
            ("UniPC 2", "UniPCMultistepScheduler", {}),
            ("UniPC 3", "UniPCMultistepScheduler", {"solver_order": 3}),
            ("DEIS 2", "DEISMultistepScheduler", {}),
            ("DPM++ S", "DPMSolverSinglestepScheduler", {}),
        ):
            run = _diffusers(name, {**flow, **extra, "flow_shift": shift}, "flow")
            found.append(Rival(f"{label}, {grid}", "diffusers", run))
        run = _diffusers(
            "DPMSolverMultistepScheduler",
            {**flow, "flow_shift": shift, "algorithm_type": "sde-dpmsolver++"},
            "flow",
        )
        found.append(Rival(f"DPM++ 2M SDE, {grid}", "diffusers", run, stochastic=True))
        for kind in ("", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"):
            run = _diffusers(
                "FlowMatchEulerDiscreteScheduler", {"shift": shift, **({kind: True} if kind else {})}, "flow"
            )
            found.append(Rival(f"Euler, {grid} {kind[4:-7]}".rstrip(), "diffusers", run))
        run = _diffusers("FlowMatchHeunDiscreteScheduler", {"shift": shift}, "flow")
        found.append(Rival(f"Heun, {grid}", "diffusers", run, lambda n: 2 * n - 1))
    return found


def _on_sigma() -> list[Rival]:
    found = []
    for grid in ("karras", "exponential"):
        options = {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "sigma_schedule": grid}
        found.append(
            Rival(f"EDM Euler, {grid}", "diffusers", _diffusers("EDMEulerScheduler", options, "edm"))
        )
        for order in (2, 3):
            run = _diffusers("EDMDPMSolverMultistepScheduler", {**options, "solver_order": order}, "edm")
            found.append(Rival(f"EDM DPM++ {order}M, {grid}", "diffusers", run))
        run = _diffusers(
            "EDMDPMSolverMultistepScheduler", {**options, "algorithm_type": "sde-dpmsolver++"}, "edm"
        )
        found.append(Rival(f"EDM DPM++ 2M SDE, {grid}", "diffusers", run, stochastic=True))
    return found + _k_diffusion(SIGMA_MIN, SIGMA_MAX)


def k_sampling() -> Any:
    """``k_diffusion.sampling``, without the package's ``__init__``, which imports what training needs."""
    if "k_diffusion" not in sys.modules:
        spec = importlib.util.find_spec("k_diffusion")
        if spec is None or spec.submodule_search_locations is None:
            return None
        package = types.ModuleType("k_diffusion")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["k_diffusion"] = package
    try:
        return importlib.import_module("k_diffusion.sampling")
    except ImportError as error:
        print(f"k-diffusion is left out: {error}", file=sys.stderr)
        return None


def _k_diffusion(sigma_min: float, sigma_max: float) -> list[Rival]:
    k = k_sampling()
    if k is None:
        return []
    grids = {
        "karras": lambda n: k.get_sigmas_karras(n, sigma_min, sigma_max),
        "exponential": lambda n: k.get_sigmas_exponential(n, sigma_min, sigma_max),
        "polyexponential": lambda n: k.get_sigmas_polyexponential(n, sigma_min, sigma_max, rho=0.7),
    }
    samplers: list[tuple[str, dict[str, Any], Callable[[int], int], bool]] = [
        ("euler", {}, lambda n: n, False),
        ("heun", {}, lambda n: 2 * n - 1, False),
        ("dpm_2", {}, lambda n: 2 * n - 1, False),
        ("lms", {}, lambda n: n, False),
        ("dpmpp_2m", {}, lambda n: n, False),
        ("dpmpp_2s_ancestral", {"eta": 0.0}, lambda n: 2 * n - 1, False),
        ("euler_ancestral", {}, lambda n: n, True),
        ("dpmpp_2s_ancestral", {}, lambda n: 2 * n - 1, True),
        ("dpmpp_sde", {}, lambda n: 2 * n - 1, True),
        ("dpmpp_2m_sde", {}, lambda n: n, True),
        ("dpmpp_3m_sde", {}, lambda n: n, True),
    ]
    found = []
    for (name, options, evaluations, stochastic), (grid, make) in itertools.product(samplers, grids.items()):
        label = "dpmpp_2s" if options else name

        def run(
            denoise: Denoise,
            z: Tensor,
            steps: int,
            name: str = name,
            options: Any = options,
            make: Any = make,
        ) -> Tensor:
            sigmas = make(steps).double()
            x = z * math.hypot(1, float(sigmas[0]))
            sampler = getattr(k, f"sample_{name}")
            return sampler(
                lambda x, s: denoise(x, Level(0.5, 1.0, float(s[0]))), x, sigmas, disable=True, **options
            )

        found.append(Rival(f"{label}, {grid}", "k-diffusion", run, evaluations, stochastic))
    fast = lambda denoise, z, n: k.sample_dpm_fast(  # noqa: E731
        lambda x, s: denoise(x, Level(0.5, 1.0, float(s[0]))),
        z * math.hypot(1, sigma_max),
        sigma_min,
        sigma_max,
        n,
        disable=True,
    )
    return [*found, Rival("dpm_fast", "k-diffusion", fast, lambda n: n)]


def counted(denoise: Denoise) -> tuple[Denoise, Iterator[int]]:
    """``denoise``, and the number of its evaluations."""
    counter = [0]

    def counting(x: Tensor, level: Level[float]) -> Tensor:
        counter[0] += 1
        return denoise(x, level)

    return counting, iter(lambda: counter[0], -1)
