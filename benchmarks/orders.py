"""The observed order of convergence of every deterministic solver, as a table for docs/orders.md.

Each is run over equal steps of log_snr from -1.6 to 2.4, on a Gaussian and on a mixture of Gaussians, and
compared with the exact probability flow. The order is the slope of log(error) over log(steps). It is measured
twice: with an exact history at the start, on several processes, which is the order of the steps; and over
whole runs, which start without a history. Solvers that draw noise are listed without: their order is that of
each path.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
from pathlib import Path

import torch
from mixtures import Mixture, Problem
from scipy.integrate import solve_ivp
from torch import Tensor

from gen import presets
from gen.diffusion import (
    Conditioning,
    Level,
    Memory,
    Prediction,
    Process,
    RectifiedFlow,
    Solver,
    VariancePreserving,
)
from gen.diffusion.solvers import HeunPlusPlus, State, Update
from gen.plugin import SolverSpec

PROCESSES: dict[str, Process] = {
    "preserving": VariancePreserving(),
    "flow": RectifiedFlow(),
}
BEFORE, START, END = -2.0, -1.6, 2.4
STEPS = (160, 320)
HISTORY = 4
OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "orders.md"
HEAD = """# Orders of convergence

Written by `benchmarks/orders.py`: equal steps of log_snr from -1.6 to 2.4, on a Gaussian and on a mixture,
the slope of the error between 160 and 320 steps.

- order: that of the steps, with an exact history before the first; lowest and highest of two processes.
- of runs: that of whole runs from the first step on, which has no history. Without a corrector that step is
  of first order, which leaves 2 over a run; with one it is of second order, which leaves 3. These are
  limits: where the first error is small beside the others, or of the other sign, more or less is observed.
"""


@functools.cache
def problems() -> list[Problem]:
    """One Gaussian and one mixture, in three dimensions."""
    one = torch.ones(1, 3, dtype=torch.float64)
    gaussian = Mixture(0.4 * one, 0.7 * one, torch.zeros(1, dtype=torch.float64))
    centres = torch.tensor([[-1.0, 0.3, 0.6], [0.2, -0.5, 1.0], [1.1, 0.9, -0.8]], dtype=torch.float64)
    mixture = Mixture(
        centres, 0.5 * torch.ones(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    )
    return [Problem("Gaussian", gaussian), Problem("mixture", mixture)]


@functools.cache
def exact(problem: Problem, log_snrs: tuple[float, ...]) -> list[Tensor]:
    """x / alpha at each log_snr on the probability flow from a few fixed starts at BEFORE."""
    y = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4

    def slope(log_snr: float, flat: Tensor) -> Tensor:
        x = torch.from_numpy(flat).reshape(y.shape)
        return -(x - problem.x0(x, Level(0.5, 1.0, math.exp(-log_snr)))).flatten().numpy()

    span = (BEFORE, log_snrs[-1])
    solution = solve_ivp(slope, span, y.flatten().numpy(), "DOP853", log_snrs, rtol=1e-12, atol=1e-13)
    return [torch.from_numpy(column.copy()).reshape(y.shape) for column in solution.y.T]


def error(solver: Solver, process: Process, problem: Problem, steps: int, history: int) -> float:
    """The largest error of x / alpha at END, with an exact history of so many steps before START."""
    log_snrs = tuple(START + (END - START) * i / steps for i in range(-history, steps + 1))
    known = exact(problem, log_snrs)
    levels = [process.level(process.t_of_log_snr(log_snr)) for log_snr in log_snrs]
    if isinstance(solver, HeunPlusPlus):  # the others would lower their order over the last steps
        solver = solver.on(levels)

    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        return problem.denoise(x, level, Conditioning(), Memory())

    def step(state: State, x: Tensor, t: Level[float], s: Level[float]) -> Update:
        return solver.step(state, x, denoise, t, s, noise=no_noise)

    state: State = ()
    for i in range(history):
        state = step(state, known[i] * levels[i].alpha, levels[i], levels[i + 1]).state
    t, x = levels[history], known[history] * levels[history].alpha
    if state:
        # A corrector adds to what its predictor had found; a step to where it stands shows what.
        x = 2 * x - step(state, x, t, t).x
    for t, s in itertools.pairwise(levels[history:]):
        update = step(state, x, t, s)
        x, state = update.x, update.state
    return float((x / levels[-1].alpha - known[-1]).abs().max())


def no_noise(_: Tensor, stream: str) -> Tensor:
    """For solvers that draw none."""
    raise AssertionError(f"drew noise for {stream}")


def observed(
    solver: Solver, process: Process, problem: Problem, steps: tuple[int, int], history: int = HISTORY
) -> float:
    """The slope of log(error) over log(steps)."""
    few, many = (error(solver, process, problem, n, history) for n in steps)
    return math.log(few / many) / math.log(steps[1] / steps[0])


def row(preset: SolverSpec) -> str:
    """The line of a solver in the table."""
    solver, cells = presets.solver(preset.name), list[str]()
    for problem in problems():
        slopes = [observed(solver, process, problem, STEPS) for process in PROCESSES.values()]
        of_run = observed(solver, PROCESSES["preserving"], problem, STEPS, 0)
        cells += [f"{min(slopes):.2f} to {max(slopes):.2f}", f"{of_run:.2f}"]
    own, run = cells[::2], cells[1::2]
    return " | ".join([f"| {preset.name}", str(preset.order), *own, str(preset.run_order), *run, ""]).rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="Where the table goes.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    own = [preset for preset in presets.SOLVERS.values() if preset.evaluations and not preset.stochastic]
    noisy = [preset.name for preset in presets.SOLVERS.values() if preset.stochastic]
    lines = [
        HEAD,
        "| solver | order | Gaussian | mixture | of runs | Gaussian | mixture |",
        "|---|---|---|---|---|---|---|",
        *map(row, own),
        "",
        f"Of order 1 for each path of their noise, which this table does not measure: {', '.join(noisy)}.",
    ]
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
