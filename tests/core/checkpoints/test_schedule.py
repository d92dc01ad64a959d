"""Schedules: the levels, the network's second input and the solver that diffusers' schedulers have."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import tiny

from gen.checkpoints.schedule import read_schedule
from gen.errors import ModelError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
FLUX = {"use_dynamic_shifting": True, "shift": 3.0}
LTX = {**FLUX, "base_shift": 0.95, "max_shift": 2.05, "base_image_seq_len": 1024, "shift_terminal": 0.1}


@dataclass(frozen=True)
class Case:
    """A configuration.

    Args:
        name: Class without "Scheduler".
        options: Of the class.
        solver: The solver that is expected.
        tokens: Of the state, where the shift depends on them.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    solver: str = "ddim"
    tokens: int = 0

    def __str__(self) -> str:
        own = (f"{key}={str(value)[:20]}" for key, value in self.options.items() if key not in SD)
        return "-".join((self.name, *own))


CASES = [
    *(
        Case(name, {**SD, "timestep_spacing": spacing, "steps_offset": int(spacing == "leading")}, solver)
        for name, solver in (
            ("DDIM", "ddim"),
            ("DDPM", "ddpm"),
            ("EulerDiscrete", "ddim"),
            ("EulerAncestralDiscrete", "euler_ancestral"),
            ("DPMSolverMultistep", "dpmpp_2m"),
            ("UniPCMultistep", "unipc_2"),
            ("DEISMultistep", "deis_2"),
            ("LMSDiscrete", "lms"),
        )
        for spacing in ("leading", "trailing", "linspace")
    ),
    Case("DDIM", {**SD, "set_alpha_to_one": False, "steps_offset": 1}),
    Case(
        "DDIM",
        {
            **SD,
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
            "prediction_type": "v_prediction",
        },
    ),
    Case("DDIM", {"beta_schedule": "squaredcos_cap_v2"}),
    Case("DDIM", {"trained_betas": np.linspace(0.01, 0.02, 1000).tolist()}),
    Case("DDPM", {"num_train_timesteps": 100, "prediction_type": "sample"}, "ddpm"),
    Case(
        "HeunDiscrete",
        {"beta_schedule": "exp", "num_train_timesteps": 1024, "prediction_type": "sample"},
        "heun",
    ),
    Case("LCM", SD, "lcm"),
    Case(
        "CogVideoXDDIM",
        {
            "snr_shift_scale": 3.0,
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
            "prediction_type": "v_prediction",
            "set_alpha_to_one": True,
        },
    ),
    *(
        Case("EulerDiscrete", {**SD, option: True, "timestep_spacing": "leading", "steps_offset": 1})
        for option in ("use_karras_sigmas", "use_exponential_sigmas")
    ),
    *(
        Case("DPMSolverMultistep", {**SD, option: True}, "dpmpp_2m")
        for option in ("use_karras_sigmas", "use_exponential_sigmas", "use_lu_lambdas")
    ),
    Case(
        "DPMSolverMultistep",
        {**SD, "final_sigmas_type": "sigma_min", "algorithm_type": "sde-dpmsolver++"},
        "dpmpp_2m_sde",
    ),
    Case("DPMSolverMultistep", {**SD, "solver_order": 3}, "dpmpp_3m"),
    Case(
        "DPMSolverMultistep",
        {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"},
        "dpmpp_2m",
    ),
    Case(
        "UniPCMultistep",
        {"use_flow_sigmas": True, "flow_shift": 5.0, "prediction_type": "flow_prediction"},
        "unipc_2",
    ),
    Case("FlowMatchEulerDiscrete", {"shift": 1.0}),
    Case("FlowMatchEulerDiscrete", FLUX, tokens=1024),
    Case("FlowMatchEulerDiscrete", {**FLUX, "time_shift_type": "linear"}, tokens=4096),
    Case("FlowMatchEulerDiscrete", LTX, tokens=2048),
    Case("FlowMatchEulerDiscrete", {"stochastic_sampling": True}, "lcm"),
    Case(
        "CosineDPMSolverMultistep",
        {
            "sigma_min": 0.3,
            "sigma_max": 500,
            "sigma_data": 1.0,
            "sigma_schedule": "exponential",
            "prediction_type": "v_prediction",
        },
        "dpmpp_2m_sde",
    ),
    Case("EDMEuler", {"sigma_max": 80.0}),
    Case("EDMDPMSolverMultistep", {"sigma_schedule": "exponential"}, "dpmpp_2m"),
    Case(
        "EulerDiscrete",
        {
            "sigma_min": 0.002,
            "sigma_max": 700.0,
            "use_karras_sigmas": True,
            "timestep_type": "continuous",
            "prediction_type": "v_prediction",
            "timestep_spacing": "leading",
            "steps_offset": 1,
        },
    ),
]


def their_levels(made: Any, steps: int, tokens: int) -> tuple[list[float], list[float]]:
    """The angle atan2(sigma, alpha) of each level, the last included, and each timestep."""
    options: dict[str, Any] = {}
    if made.config.get("use_dynamic_shifting"):
        low, high = made.config.base_image_seq_len, made.config.max_image_seq_len
        slope = (made.config.max_shift - made.config.base_shift) / (high - low)
        options = {
            "mu": made.config.base_shift + slope * (tokens - low),
            "sigmas": np.linspace(1.0, 1 / steps, steps),
        }
    made.set_timesteps(**({"num_inference_steps": steps} if "sigmas" not in options else {}), **options)
    timesteps = [float(t) for t in made.timesteps]
    if "Heun" in type(made).__name__:  # which has those between the first and the last twice
        made.sigmas, timesteps = made.sigmas.unique_consecutive(), list(dict.fromkeys(timesteps))
    if "Flow" in type(made).__name__ or made.config.get("use_flow_sigmas"):
        return [math.atan2(float(s), 1 - float(s)) for s in made.sigmas], timesteps
    if hasattr(made, "sigmas") and "LCM" not in type(made).__name__:
        return [math.atan(float(sigma)) for sigma in made.sigmas], timesteps
    kept = [float(made.alphas_cumprod[int(t)]) for t in timesteps]
    last = getattr(made, "final_alpha_cumprod", 1.0)
    return [math.acos(a**0.5) for a in [*kept, float(last)]], timesteps


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("steps", [4, 10])
def test_levels_and_timesteps(case: Case, steps: int) -> None:
    made = getattr(tiny.diffusers, f"{case.name}Scheduler")(**case.options)
    angles, timesteps = their_levels(made, steps, case.tokens)
    schedule = read_schedule(dict(made.config), f"{case.name}Scheduler")
    assert schedule.solver == case.solver
    grid = schedule.grid(steps, case.tokens)
    levels = grid.levels(schedule.process)
    ours = [math.atan2(level.sigma, level.alpha) for level in levels]
    # Between the steps of a chain theirs is linear in sigma or its logarithm, ours in the angle.
    between = any(abs(t - round(t)) > 1e-6 for t in timesteps) or "use_karras_sigmas" in case.options
    assert ours == pytest.approx(angles, rel=2e-3 if between else 2e-5, abs=2e-4)
    noises = [float(schedule.parameterization.c_noise(level)) for level in levels[:-1]]
    # Theirs are whole numbers for some of the classes that space levels.
    assert noises == pytest.approx(timesteps, rel=3e-3, abs=1.01)


def test_sd3_is_shifted_once() -> None:
    """FlowMatchEuler shifts the lower end of its grid twice: theirs and ours differ there."""
    made = tiny.diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    made.set_timesteps(10)
    ours = read_schedule(dict(made.config), "FlowMatchEulerDiscreteScheduler").grid(10).times
    assert ours[0] == float(made.sigmas[0]) == 1
    assert ours[-2] == pytest.approx(3 * 1e-3 / (1 + 2e-3))
    assert float(made.sigmas[-2]) == pytest.approx(3 * 0.002994 / (1 + 2 * 0.002994), rel=1e-3)


def test_predictions_are_bounded_where_the_configuration_says_so() -> None:
    for options, bounded in (
        ({"clip_sample": True}, True),
        ({"clip_sample": False}, False),
        ({"clip_sample": False, "thresholding": True}, True),
    ):
        schedule = read_schedule(dict(tiny.diffusers.DDIMScheduler(**options).config), "DDIMScheduler")

        def denoiser(*_: object) -> Any:
            return None

        assert (schedule.bound(denoiser) is not denoiser) == bounded
    pndm = dict(tiny.diffusers.PNDMScheduler(**SD).config)
    assert read_schedule(pndm, "PNDMScheduler").bound(denoiser) is denoiser


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "scheduler without a class is not known"),
        ({"_class_name": "MyScheduler"}, "scheduler MyScheduler is not known"),
        ({"_class_name": "DDIMScheduler", "beta_schedule": "mine"}, "cannot be used: 'mine'"),
        ({"_class_name": "DDIMScheduler", "trained_betas": [2.0]}, "cannot be used: betas must be"),
        ({"_class_name": "DDIMScheduler", "beta_start": "low"}, "cannot be used"),
    ],
)
def test_what_is_not_known(config: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_schedule(config)


def test_more_steps_than_the_chain_has() -> None:
    with pytest.raises(UsageError, match="the grid of the checkpoint: steps"):
        read_schedule({"_class_name": "DDIMScheduler"}).grid(2000)


def test_even_times_of_a_flow() -> None:
    """Some families space a flow's times evenly down to 0, whatever the scheduler does by itself."""
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    grid = read_schedule(config, even=True).grid(4)
    theirs = tiny.diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    assert grid.times == pytest.approx(theirs.sigmas.tolist(), abs=1e-6)
