"""Runs that begin just below pure noise are as good as others: every solver without noise beside Euler's."""

from __future__ import annotations

import functools
import itertools
import math

import pytest
import torch
from exact import Gaussian, denoiser_of, named
from torch import Tensor

from gen import presets
from gen.diffusion import (
    DDIM,
    Conditioning,
    DiscreteBetas,
    EDMProcess,
    Heun,
    Level,
    Memory,
    NoiseSource,
    Process,
    RectifiedFlow,
    Solver,
    TimeGrid,
    UniPC,
    sample,
)
from gen.diffusion.solvers import (
    DEIS,
    IPNDM,
    LMS,
    Adaptive,
    Ancestral,
    CFGpp2M,
    CFGpp2S,
    DPMpp2S,
    DPMpp3M,
    DPMSolver2,
    DPMSolver2M,
    FlowAdams,
    ReverseDiffusion,
    SASolver,
)

DATA = Gaussian(0.4, 1.55)
FLOW, COSINE = RectifiedFlow(), DiscreteBetas.cosine()
RUNS: list[tuple[Process, float]] = [(FLOW, 0.99999), (FLOW, 0.999), (FLOW, 0.99), (COSINE, 1.0)]
X = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
NAMED = [presets.solver(name) for name, preset in presets.SOLVERS.items() if not preset.stochastic]
OTHERS: list[Solver] = [
    *(DPMSolver2(r) for r in (0.25, 0.75, 1.0)),
    DPMSolver2M(kind="heun"),
    *(UniPC(order, variant, "eps") for order in (1, 2, 3) for variant in ("bh1", "bh2")),
    *(UniPC(order, variant) for order in (1, 2) for variant in ("bh1", "bh2")),
    *(UniPC(3, variant, target, corrector=False) for variant in ("bh1", "bh2") for target in ("x0", "eps")),
    *(Adaptive(order, target) for order in (2, 3) for target in ("x0", "eps")),
    *(FlowAdams(4, corrector, spread=spread) for corrector in (False, True) for spread in (1.0, 0.3)),
    *(SASolver(*orders, 0.0, simple) for orders in ((3, 4), (2, 2), (2, 0)) for simple in (False, True)),
    *(LMS(order) for order in (2, 3)),
    *(IPNDM(order) for order in (2, 3)),
    *(DEIS(order, lower_order_final=False) for order in (1, 2, 3)),
    DPMpp2S(1.0),
    DPMpp3M(lower_order_final=False),
    CFGpp2M(),
    CFGpp2M(kind="heun"),
]
ALL = {str(solver): solver for solver in (*NAMED, *OTHERS)}.values()
COARSE = {CFGpp2S: 2.5}
"""By how much others may err, as on every grid. ``ReverseDiffusion``, for hundreds of steps, is left out."""


@functools.cache
def _error(solver: Solver, process: Process, first: float, steps: int) -> float:
    """Root mean square distance from the exact flow, which keeps (x - alpha mean) / deviation of x."""
    grid = TimeGrid(tuple(first * (1 - i / steps) for i in range(steps + 1)))
    start = process.level(first)
    x = start.alpha * DATA.mean + math.hypot(start.alpha * DATA.std, start.sigma) * X
    end = sample(denoiser_of(DATA), process, grid, solver, noise=NoiseSource([0]), x=x).x
    return float((end - (DATA.mean + DATA.std * X)).square().mean().sqrt())


@pytest.mark.parametrize("solver", ALL, ids=named)
def test_a_run_from_nearly_pure_noise_is_as_good_as_that_of_euler(solver: Solver) -> None:
    """At most twice its error."""
    limit = COARSE.get(type(solver), 2.0)
    for (process, first), steps in itertools.product(RUNS, (10, 20)):
        found, euler = (_error(by, process, first, steps) for by in (solver, DDIM()))
        assert found < limit * euler, (first, steps)


@pytest.mark.parametrize(
    "solver",
    [Ancestral(DPMSolver2()), Ancestral(DPMSolver2(1.0)), Ancestral(Heun()), DPMSolver2M(1.0)],
    ids=named,
)
def test_noise_leaves_no_more_than_the_data_has(solver: Solver) -> None:
    """A Gaussian's deviation; the step of an ancestral one leads below sigma_s, near clean data."""
    x = torch.randn(1, 2000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    grid = TimeGrid(tuple(0.99999 * (1 - i / 10) for i in range(11)))
    end = sample(denoiser_of(DATA), FLOW, grid, solver, noise=NoiseSource([0]), x=x).x
    assert 0.8 * DATA.std < float(end.std()) < 1.2 * DATA.std


def test_coarse_solvers_converge_at_first_order() -> None:
    """Their errors in few steps from nearly pure noise are those of the published methods."""
    errors = [_error(ReverseDiffusion(0.0), FLOW, 0.99, steps) for steps in (80, 160, 320)]
    assert errors[1] < 0.65 * errors[0]
    assert errors[2] < 0.6 * errors[1]
    x = torch.randn(1, 4000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    deviations = []
    for steps in (10, 40):
        grid = TimeGrid(tuple(0.99 * (1 - i / steps) for i in range(steps + 1)))
        end = sample(denoiser_of(DATA), FLOW, grid, DPMSolver2M(0.5), noise=NoiseSource([0]), x=x).x
        deviations.append(float(end.std()) / DATA.std)
    assert deviations[0] > 1.2
    assert deviations[1] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("sigma_max", [150.0, 700.0])
def test_heun_is_that_of_edm_also_above_sigma_100(sigma_max: float) -> None:
    """Karras et al. 2022, algorithm 1, on their grid."""
    process, denoise = EDMProcess(0.002, sigma_max), denoiser_of(DATA)

    def slope(x: Tensor, level: Level[float]) -> Tensor:
        return (x - denoise(x, level, Conditioning(), Memory()).x0) / level.sigma

    for steps in (10, 20):
        grid = TimeGrid.karras(steps, process)
        x = X * sigma_max
        found = sample(denoise, process, grid, Heun(), noise=NoiseSource([0]), x=x).x
        for t, s in itertools.pairwise(grid.levels(process)):
            d, step = slope(x, t), s.sigma - t.sigma
            x = x + step * (d if s.sigma == 0 else (d + slope(x + step * d, s)) / 2)
        torch.testing.assert_close(found, x, rtol=1e-10, atol=1e-10)
