"""What a sampler itself costs per step: our whole loop and one ``step`` of diffusers, with a free network.

Both run here, in turn, on a 1 x 4 x 64 x 64 float32 state; the best of the repeats is printed with the ratio.
Ours includes what diffusers' ``step`` leaves to its pipelines: the loop, the denoiser's conversion, the
check for NaN and the network call itself. Needs diffusers (the extra ``hub``).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import diffusers
import torch
from torch import Tensor

from gen import presets
from gen.diffusion import (
    Conditioning,
    Epsilon,
    ModelDenoiser,
    NoiseSource,
    Process,
    RectifiedFlow,
    TimeGrid,
    VariancePreserving,
    Velocity,
    prior,
    sample,
)

SHAPE = (4, 64, 64)
GOAL_MS = 0.1
PAIRS = [
    ("ddim", "variance preserving", "DDIMScheduler", {}),
    ("ddim", "rectified flow", "FlowMatchEulerDiscreteScheduler", {}),
    ("ddim", "variance preserving", "EulerDiscreteScheduler", {}),
    ("ddpm", "variance preserving", "EulerAncestralDiscreteScheduler", {}),
    ("dpmpp_2m", "variance preserving", "DPMSolverMultistepScheduler", {}),
    ("dpmpp_3m", "variance preserving", "DPMSolverMultistepScheduler", {"solver_order": 3}),
    ("dpmpp_3m", "variance preserving", "UniPCMultistepScheduler", {"solver_order": 3}),
    (
        "dpmpp_2m_sde",
        "variance preserving",
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++"},
    ),
    ("heun", "variance preserving", "HeunDiscreteScheduler", {}),
]


def free_network(x: Tensor, _c_noise: Tensor, _conditioning: Conditioning) -> Tensor:
    """A network that costs nothing."""
    return x


def ours(solver_name: str, process: Process, steps: int) -> Callable[[], float]:
    """A function that samples once and returns milliseconds per evaluation."""
    parameterization = Velocity() if isinstance(process, RectifiedFlow) else Epsilon()
    denoiser = ModelDenoiser(free_network, process, parameterization)
    grid, noise, solver = TimeGrid.uniform(steps), NoiseSource([0]), presets.solver(solver_name)
    x = prior(process, grid, noise, SHAPE)

    def run() -> float:
        begin = time.perf_counter()
        end = sample(denoiser, process, grid, solver, x=x, noise=noise)
        return (time.perf_counter() - begin) * 1e3 / end.nfe

    return run


def theirs(class_name: str, options: dict[str, object], steps: int) -> Callable[[], float]:
    """A function that calls ``step`` over a whole schedule and returns milliseconds per call."""
    stepper = getattr(diffusers, class_name)(**options)

    def run() -> float:
        stepper.set_timesteps(steps)
        x = torch.randn(1, *SHAPE)
        spent = 0.0
        for t in stepper.timesteps:
            begin = time.perf_counter()
            x = stepper.step(x * 0.1, t, x).prev_sample
            spent += time.perf_counter() - begin
        return spent * 1e3 / len(stepper.timesteps)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity_error()
    processes = {"variance preserving": VariancePreserving(), "rectified flow": RectifiedFlow()}
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}, milliseconds per evaluation")
    print(f"{'ours':14}{'ms':>8}  {'diffusers':42}{'ms':>8}{'ratio':>8}")
    for solver_name, process_name, class_name, options in PAIRS:
        mine = ours(solver_name, processes[process_name], arguments.steps)
        other = theirs(class_name, options, arguments.steps)
        times: tuple[list[float], list[float]] = ([], [])
        with torch.no_grad():
            for _ in range(arguments.repeats):
                times[0].append(mine())
                times[1].append(other())
        a, b = min(times[0]), min(times[1])
        label = f"{class_name} {' '.join(map(str, options.values()))}"
        note = "" if a <= GOAL_MS else f"  over {GOAL_MS} ms"
        print(
            f"{solver_name:14}{a:8.4f}  {label:42}{b:8.4f}{a / b:8.2f}{note}"
            f"  (medians {statistics.median(times[0]):.4f}, {statistics.median(times[1]):.4f})"
        )


if __name__ == "__main__":
    main()
