"""The adaptive solver: as exact as its tolerances, and no more costly."""

from __future__ import annotations

import math

import pytest
import torch
from exact import PROCESSES, Mixture, denoiser_of, flow_of, level_at
from exponential_oracle import ExponentialRungeKutta

from gen.diffusion import (
    Adaptive,
    Conditioning,
    Level,
    NoiseSource,
    RectifiedFlow,
    TimeGrid,
    VarianceExploding,
    sample,
)

FLOW, NOISE = RectifiedFlow(), NoiseSource([0])
START, END = -1.6, 2.4
STARTS = torch.linspace(-2, 2, 7, dtype=torch.float64)[None] * 5
MODEL = denoiser_of(Mixture())
EXACT = flow_of(Mixture(), STARTS, (START, END))[-1]


def _run(solver, process=FLOW, stops: int = 1):
    log_snrs = [START + (END - START) * i / stops for i in range(stops + 1)]
    grid = TimeGrid(tuple(process.t_of_log_snr(log_snr) for log_snr in log_snrs))
    first, last = level_at(process, START), level_at(process, END)
    result = sample(MODEL, process, grid, solver, noise=NOISE, x=STARTS * first.alpha)
    return float((result.x / last.alpha - EXACT).abs().max()), result


@pytest.mark.parametrize("target", ["x0", "eps"])
@pytest.mark.parametrize("order", [2, 3])
def test_the_error_follows_the_tolerance(order, target) -> None:
    """The estimate is that of the lower order, h**order a step, so the error falls at least as fast as it."""
    tolerances = (1e-3, 1e-4, 1e-5)
    runs = [_run(Adaptive(order, target, tolerance, tolerance)) for tolerance in tolerances]
    for (error, _), tolerance in zip(runs, tolerances, strict=True):
        assert error < 10 * tolerance
    # Steps grow as tolerance**(-1 / order).
    growth = math.log(runs[2][1].nfe / runs[0][1].nfe) / math.log(100)
    assert growth == pytest.approx(1 / order, abs=0.12)


def test_steps_are_spent_where_they_are_needed() -> None:
    error, result = _run(Adaptive(3, "x0", 1e-4, 1e-4))
    equal, _ = _run(ExponentialRungeKutta(3), stops=result.nfe // 3)
    assert error < equal


def test_the_size_is_carried_over_the_stops_of_the_grid() -> None:
    error, one = _run(Adaptive(3, "x0", 1e-4, 1e-4))
    error_of_four, four = _run(Adaptive(3, "x0", 1e-4, 1e-4), stops=4)
    assert error_of_four < 10 * error
    assert four.nfe < 1.3 * one.nfe


def test_only_log_snr_matters() -> None:
    runs = [_run(Adaptive(), process) for process in PROCESSES.values()]
    for error, result in runs[1:]:
        assert result.nfe == runs[0][1].nfe
        assert error == pytest.approx(runs[0][0], rel=1e-6)


def test_dpm_solver_12_is_the_published_algorithm() -> None:
    """Lu et al. 2022 (2206.00927), appendix C, on sigma, with the limiter of k-diffusion's controller."""
    rtol, atol, size = 0.02, 0.005, 0.3
    process = VarianceExploding()
    t, s = level_at(process, -1.5), level_at(process, 1.0)
    sigma, x, evaluations = t.sigma, 3 * STARTS, 0
    before = x
    while sigma > s.sigma:
        target = max(sigma * math.exp(-size), s.sigma)
        middle = math.sqrt(sigma * target)
        eps = (x - Mixture().x0(x, Level(0.5, 1.0, sigma))) / sigma
        low, halfway = x + (target - sigma) * eps, x + (middle - sigma) * eps
        high = x + (target - sigma) * (halfway - Mixture().x0(halfway, Level(0.5, 1.0, middle))) / middle
        delta = torch.clamp(rtol * torch.maximum(low.abs(), before.abs()), min=atol)
        error = float(((low - high) / delta).square().mean().sqrt())
        factor = 1 + math.atan((1 / (1e-8 + error)) ** (1 / 2) - 1)
        evaluations, size = evaluations + 2, size * factor
        if factor >= 0.81:
            x, before, sigma = high, low, target
    grid = TimeGrid((t.t, s.t))
    solver = Adaptive(2, "eps", rtol, atol, 0.3)
    result = sample(MODEL, process, grid, solver, noise=NOISE, x=3 * STARTS)
    torch.testing.assert_close(result.x, x, rtol=1e-7, atol=1e-7)
    assert result.nfe == evaluations


def test_both_orders_share_their_evaluations() -> None:
    """Every small step costs as many evaluations as its higher order has."""
    for order in (2, 3):
        assert _run(Adaptive(order))[1].nfe % order == 0


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize(
    "grid", [TimeGrid.uniform(1), TimeGrid.uniform(5), TimeGrid((1.0, 0.99, 0.01, 0.0))], ids=len
)
def test_runs_from_pure_noise_to_clean_data_end_well(process, grid) -> None:
    result = sample(MODEL, process, grid, Adaptive(), noise=NOISE, shape=(4,))
    assert result.x.isfinite().all()


def test_running_backwards_undoes_a_run() -> None:
    grid, x, solver = TimeGrid((0.9, 0.1)), STARTS / 5, Adaptive(3, "x0", 1e-5, 1e-5)
    s = sample(MODEL, FLOW, grid.reverse(), solver, noise=NOISE, x=x).x
    back = sample(MODEL, FLOW, grid, solver, noise=NOISE, x=s).x
    torch.testing.assert_close(back, x, rtol=0, atol=1e-3)


def test_tolerances_out_of_reach_are_refused() -> None:
    def rough(x, _level, _conditioning: Conditioning, memory):
        prediction = MODEL(x, FLOW.level(0.5), Conditioning(), memory)
        return type(prediction)(prediction.x0 + torch.sin(1e9 * x))

    with pytest.raises(ValueError, match="cannot be met"):
        sample(rough, FLOW, TimeGrid((0.9, 0.1)), Adaptive(3, "x0", 1e-7, 1e-7), noise=NOISE, x=STARTS)


@pytest.mark.parametrize(
    "options",
    [{"order": 1}, {"target": "v"}, {"rtol": 0.0}, {"atol": math.nan}, {"first": -1.0}, {"safety": 1.0}],
    ids=str,
)
def test_impossible_settings_are_refused(options) -> None:
    with pytest.raises(ValueError, match="must"):
        Adaptive(**options)
