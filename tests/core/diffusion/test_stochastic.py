"""Stochastic solvers reach the distribution's own mean and variance, and draw as they say."""

from __future__ import annotations

import math

import pytest
import torch
from exact import PROCESSES, Gaussian, denoiser_of, level_at
from exponential_oracle import ExponentialMultistep

from gen.diffusion import DDIM, NoiseSource, Solver, TimeGrid, sample

SOLVERS = [
    DDIM(0.5),
    DDIM(1.0),
    ExponentialMultistep(1, 1.0),
    ExponentialMultistep(2, 0.5),
    ExponentialMultistep(2, 1.0),
    ExponentialMultistep(2, 1.0, "midpoint"),
    ExponentialMultistep(3, 1.0),
]


@pytest.mark.parametrize("end", [0.5, math.inf], ids=["midway", "data"])
@pytest.mark.parametrize("process", ["preserving", "flow"])
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_marginal_mean_and_variance(solver: Solver, process: str, end: float) -> None:
    data, chain = Gaussian(), PROCESSES[process]
    log_snrs = [-3 + (min(end, 6) + 3) * i / 150 for i in range(151)]
    times = [chain.t_of_log_snr(log_snr) for log_snr in log_snrs]
    grid = TimeGrid((*times, 0.0) if end == math.inf else tuple(times))
    first, last = level_at(chain, -3), chain.level(grid.times[-1])
    start = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x = first.alpha * data.mean + math.hypot(first.alpha * data.std, first.sigma) * start
    result = sample(denoiser_of(data), chain, grid, solver, noise=NoiseSource([11]), x=x).x
    std = math.hypot(last.alpha * data.std, last.sigma)
    # Four standard errors of a sample of this size, and the solver's own error at 150 steps.
    bias = 0.04 if isinstance(solver, DDIM) or solver.order == 1 else 0.015
    assert float(result.mean()) == pytest.approx(
        last.alpha * data.mean, abs=4 * std / math.sqrt(20_000) + 0.005
    )
    assert float(result.std()) == pytest.approx(std, rel=4 / math.sqrt(2 * 20_000) + bias)
    assert abs(float(torch.corrcoef(torch.cat([start, result]))[0, 1])) < 0.97


def test_deterministic_solvers_keep_the_noise_and_stochastic_ones_replace_it() -> None:
    data, chain = Gaussian(), PROCESSES["flow"]
    x = torch.randn(1, 1000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for solver, kept in ((DDIM(), True), (DDIM(1.0), False), (ExponentialMultistep(2, 1.0), False)):
        end = sample(denoiser_of(data), chain, TimeGrid.uniform(50), solver, noise=NoiseSource([1]), x=x).x
        correlation = abs(float(torch.corrcoef(torch.cat([x, end]))[0, 1]))
        assert (correlation > 0.999) == kept
        assert solver.stochastic != kept
