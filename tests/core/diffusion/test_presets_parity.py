"""A scheduler's name gives its whole run: process, grid and solver together, on a non-linear denoiser.

Numbers of steps are such that every time of theirs is a whole step of the chain: between the steps theirs is
linear in sigma / alpha or in its logarithm, ours in the angle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from parity import (
    START,
    difference,
    draw,
    eps_of,
    in_double,
    on_chain,
    on_flow,
    on_sigma,
    on_solver_sigma,
    ours,
    scheduler,
    theirs,
    velocity_of,
)

from gen import presets
from gen.diffusion import Level

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]


def _edm(x0: torch.Tensor, x: torch.Tensor, level: Level[float]) -> torch.Tensor:
    norm = math.hypot(level.sigma, 0.5)
    return (x0 - x * (0.5 / norm) ** 2) / (level.sigma * 0.5 / norm)


@dataclass(frozen=True)
class Run:
    """A scheduler as built by name, with what its pipelines switch off or on.

    Args:
        name: Class of diffusers.
        level: Where theirs evaluate the network.
        output: What theirs want from the network.
        options: Of their class.
        calls: Calls of theirs per step.
        steps: How many; each must fit the chain.
    """

    name: str
    level: Callable[[Any, int], Level[float]]
    output: Callable[..., torch.Tensor] = eps_of
    options: dict[str, Any] = field(default_factory=dict)
    calls: int = 1
    steps: tuple[int, ...] = (4, 10, 38)

    def __str__(self) -> str:
        return self.name


UNCLIPPED = {"clip_sample": False}
RUNS = [
    Run("DDIMScheduler", on_chain, options=UNCLIPPED),
    # Theirs chooses among 50 steps.
    Run("LCMScheduler", on_chain, options={**UNCLIPPED, "timestep_scaling": 1e9}, steps=(2, 10)),
    Run("DDPMScheduler", on_chain, options=UNCLIPPED),
    Run("DPMSolverMultistepScheduler", on_solver_sigma),
    Run("UniPCMultistepScheduler", on_solver_sigma),
    Run("EulerDiscreteScheduler", on_sigma),
    Run("EulerAncestralDiscreteScheduler", on_sigma),
    Run("LMSDiscreteScheduler", on_sigma),
    Run("HeunDiscreteScheduler", on_sigma, calls=2),
    # Without its Runge-Kutta steps, as every pipeline has it.
    Run("PNDMScheduler", on_chain, options={"skip_prk_steps": True, "set_alpha_to_one": True}),
    Run("FlowMatchEulerDiscreteScheduler", on_flow, velocity_of),
    Run("FlowMatchLCMScheduler", on_flow, velocity_of),
    Run("EDMEulerScheduler", on_sigma, _edm),
    Run("EDMDPMSolverMultistepScheduler", on_sigma, _edm),
]


@pytest.mark.parametrize(("run", "steps"), [(run, n) for run in RUNS for n in run.steps], ids=str)
def test_the_name_gives_their_run(run: Run, steps: int) -> None:
    made, found = scheduler(run.name, **run.options), presets.sampler(run.name)
    process = found.build_process()
    levels = presets.grid(found.grid, steps, process).levels(process)
    draws = [draw(i) for i in range(steps + 1)]
    with in_double(type(made).__module__):
        made.set_timesteps(steps)
    made.is_scale_input_called = True
    first = run.level(made, 0)
    x = START * math.hypot(first.alpha, first.sigma)
    expected = theirs(made, steps, run.level, run.output, x, draws=draws)
    # Their evaluations that lie within a step of ours, and the state at clean data.
    within = {1} if run.name == "PNDMScheduler" else set()
    kept = [
        i for i in range(len(expected)) if (i not in within and i % run.calls == 0) or i == len(expected) - 1
    ]
    result = ours(
        presets.solver(run.name), levels, START * math.hypot(levels[0].alpha, levels[0].sigma), draws
    )
    evaluated = [run.level(made, i) for i in range(len(made.timesteps)) if i not in (within and {2})][
        :: run.calls
    ]
    for t, level in zip(levels, evaluated, strict=False):
        angles = [math.atan2(level.sigma, level.alpha) for level in (t, level)]
        assert angles[0] == pytest.approx(angles[1], rel=1e-4, abs=0)
    scales = [math.hypot(level.alpha, level.sigma) for level in evaluated]
    of_theirs = [expected[i] / scale for i, scale in zip(kept, [*scales, 1.0], strict=True)]
    of_ours = [x / math.hypot(level.alpha, level.sigma) for x, level in zip(result, levels, strict=True)]
    assert difference(of_ours, of_theirs) < 1e-5
