"""The clock of the data's scales: its promises as a clock, as a grid and within a solver."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, flow_of, level_at, slope_of
from exponential_oracle import ExponentialMultistep

from gen.diffusion import (
    DDIM,
    Conditioning,
    NoiseSource,
    RectifiedFlow,
    TimeGrid,
    VarianceExploding,
    sample,
    scale_grid,
)
from gen.diffusion.scale_clock import ScaleClock
from gen.diffusion.solvers import ScaleMultistep

CLOCK = ScaleClock(0.2, 10.0)
X = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]


def test_the_clock_is_finite_at_both_ends_and_runs_like_log_snr_between() -> None:
    assert CLOCK.of(0.0, 1.0) == pytest.approx(-math.log(10.0))
    assert CLOCK.of(1.0, 0.0) == pytest.approx(math.log(5.1))
    wide = ScaleClock(1e-6, 1e9)
    assert wide.of(0.6, 0.8) == pytest.approx(math.log(0.6 / 0.8), abs=1e-8)
    for log_snr in (-3.0, 0.0, 2.5):
        level = level_at(PROCESSES["preserving"], log_snr)
        assert CLOCK.log_snr(CLOCK.of(level.alpha, level.sigma)) == pytest.approx(log_snr)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_the_grid_has_equal_steps_of_the_clock(process) -> None:
    levels = scale_grid(6, process, fine=0.1, coarse=4.0).levels(process)
    clock = ScaleClock(0.1, 4.0)
    ticks = [clock.of(level.alpha, level.sigma) for level in levels]
    gaps = [b - a for a, b in itertools.pairwise(ticks)]
    assert max(gaps) == pytest.approx(min(gaps), rel=1e-6)
    assert levels[0] == process.level(1.0)
    assert levels[-1].sigma == 0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_whole_runs_keep_the_order(order: int) -> None:
    """From pure noise to clean data; the last step has no corrector, hence the order of the predictor."""
    process, distribution = RectifiedFlow(), Gaussian()
    exact = distribution.mean + distribution.std * X
    errors = {}
    for n in (40, 80, 160):
        grid = scale_grid(n, process, fine=0.2, coarse=10.0)
        end = sample(
            denoiser_of(distribution), process, grid, ScaleMultistep(order), noise=NoiseSource([0]), x=X
        ).x
        errors[n] = float((end - exact).abs().max())
    assert slope_of(errors) > order - 0.15


@pytest.mark.parametrize("order", [2, 3])
def test_the_order_within_a_run_of_a_mixture(order: int) -> None:
    process, distribution = PROCESSES["preserving"], Mixture()
    errors = {}
    for n in (80, 160, 320):
        log_snrs = tuple(-1.6 + 4.0 * i / n for i in range(n + 1))
        start = X * 2.5
        exact = flow_of(distribution, start, (log_snrs[0], log_snrs[-1]))[-1]
        grid = TimeGrid(tuple(process.t_of_log_snr(log_snr) for log_snr in log_snrs))
        x = start * process.level(grid.times[0]).alpha
        end = sample(
            denoiser_of(distribution), process, grid, ScaleMultistep(order), noise=NoiseSource([0]), x=x
        ).x
        errors[n] = float((end / process.level(grid.times[-1]).alpha - exact).abs().max())
    # The first steps have less to go by: order 2 with the corrector in the first, so 3 over the run.
    assert slope_of(errors) > 2.85


def test_order_1_without_history_is_ddim_in_its_first_step() -> None:
    process = VarianceExploding()
    grid = TimeGrid((0.8, 0.5))
    ends = [
        sample(denoiser_of(Mixture()), process, grid, solver, noise=NoiseSource([0]), x=X).x
        for solver in (ScaleMultistep(), DDIM())
    ]
    torch.testing.assert_close(*ends)


def test_wide_scales_give_the_multistep_method_in_log_snr() -> None:
    process = PROCESSES["preserving"]
    grid = TimeGrid((0.9, 0.7, 0.5, 0.4, 0.3))
    wide = ScaleMultistep(3, ScaleClock(1e-7, 1e7))
    ends = [
        sample(denoiser_of(Mixture()), process, grid, solver, noise=NoiseSource([0]), x=X).x
        for solver in (wide, ExponentialMultistep(3, corrector=4))
    ]
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-6)


def test_only_log_snr_matters() -> None:
    ends = []
    for process in PROCESSES.values():
        grid = TimeGrid((*(process.t_of_log_snr(-2 + 5 * i / 12) for i in range(13)), 0.0))
        x = X * 4 * process.level(grid.times[0]).alpha
        ends.append(
            sample(denoiser_of(Mixture()), process, grid, ScaleMultistep(), noise=NoiseSource([7]), x=x).x
        )
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-7, atol=1e-7)


def test_the_way_up_undoes_the_way_down() -> None:
    process, denoiser = RectifiedFlow(), denoiser_of(Gaussian())
    grid = scale_grid(60, process, fine=0.2, coarse=10.0)
    down = TimeGrid(grid.times[:-6])
    x = sample(denoiser, process, down, ScaleMultistep(), noise=NoiseSource([0]), x=X).x
    back = sample(denoiser, process, down.reverse(), ScaleMultistep(), noise=NoiseSource([0]), x=x).x
    torch.testing.assert_close(back, X, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scales", [(0.0, 1.0), (2.0, 1.0), (0.1, math.inf)])
def test_bad_scales_are_refused(scales: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="scales must be"):
        ScaleClock(*scales)
    with pytest.raises(ValueError, match="order must be"):
        ScaleMultistep(4)
    with pytest.raises(ValueError, match="steps must be"):
        scale_grid(0, RectifiedFlow(), fine=0.1, coarse=2.0)


def test_the_denoiser_is_asked_once_per_step() -> None:
    asked = []

    def denoise(x, level, conditioning: Conditioning, memory):
        asked.append(level)
        return denoiser_of(Gaussian())(x, level, conditioning, memory)

    grid = scale_grid(7, RectifiedFlow(), fine=0.1, coarse=4.0)
    run = sample(denoise, RectifiedFlow(), grid, ScaleMultistep(), noise=NoiseSource([0]), x=X)
    assert run.nfe == len(asked) == 7
