"""Runge-Kutta solvers: their orders, and the published formulas that they are."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, flow_of, level_at, no_noise, slope_of
from exponential_oracle import ExponentialRungeKutta

from gen.diffusion import (
    DDIM,
    Conditioning,
    Heun,
    Memory,
    NoiseSource,
    RectifiedFlow,
    Solver,
    TimeGrid,
    VarianceExploding,
    VariancePreserving,
    sample,
)
from gen.diffusion.solvers import ReverseDiffusion

ORDERS: list[tuple[Solver, int]] = [
    *((ExponentialRungeKutta(order, target), order) for order in (1, 2, 3) for target in ("x0", "eps")),
    (ExponentialRungeKutta(2, "x0", 1 / 3), 2),
    (ExponentialRungeKutta(2, "x0", 1.0), 2),
    (ExponentialRungeKutta(2, "eps", 1.0), 2),
    (ReverseDiffusion(0.0), 1),
]
START, END, STEPS = -1.6, 2.4, (40, 80, 160)
STARTS = torch.linspace(-2, 2, 7, dtype=torch.float64)[None] * 5
X = torch.randn(1, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MODEL = denoiser_of(Mixture())


def _denoise(x, level):
    return MODEL(x, level, Conditioning(), Memory())


def _step(solver: Solver, t, s, x=X):
    return solver.step((), x, _denoise, t, s, noise=no_noise).x


@functools.cache
def _end(distribution):
    return flow_of(distribution, STARTS, (START, END))[-1]


@pytest.mark.parametrize("distribution", [Gaussian(), Mixture()], ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize(("solver", "order"), ORDERS, ids=str)
def test_order_on_every_process(solver: Solver, order: int, process: str, distribution) -> None:
    chain, errors = PROCESSES[process], {}
    first, last = level_at(chain, START), level_at(chain, END)
    for n in STEPS:
        log_snrs = [START + (END - START) * i / n for i in range(n + 1)]
        grid = TimeGrid(tuple(chain.t_of_log_snr(log_snr) for log_snr in log_snrs))
        x = STARTS * first.alpha
        end = sample(denoiser_of(distribution), chain, grid, solver, noise=NoiseSource([0]), x=x).x
        errors[n] = float((end / last.alpha - _end(distribution)).abs().max())
    assert slope_of(errors) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("target", ["x0", "eps"])
def test_first_order_is_ddim(target: str) -> None:
    for process in PROCESSES.values():
        for t, s in ((0.9, 0.7), (0.3, 0.05), (0.5, 0.0)):
            a, b = process.level(t), process.level(s)
            torch.testing.assert_close(_step(ExponentialRungeKutta(1, target), a, b), _step(DDIM(), a, b))


def test_heun_is_the_eps_method_with_its_node_at_the_end() -> None:
    for process in PROCESSES.values():
        t, s = process.level(0.7), process.level(0.5)
        torch.testing.assert_close(_step(ExponentialRungeKutta(2, "eps", 1.0), t, s), _step(Heun(), t, s))


def test_dpm2_is_the_midpoint_in_log_sigma() -> None:
    """Euler to the geometric mean of both sigmas, and from the start again with the slope at it."""
    process = VarianceExploding()
    t, s = process.level(0.6), process.level(0.5)
    middle = process.level(0.55)
    assert middle.sigma == pytest.approx(math.sqrt(t.sigma * s.sigma))
    slope = (X - _denoise(X, t).x0) / t.sigma
    halfway = X + (middle.sigma - t.sigma) * slope
    slope = (halfway - _denoise(halfway, middle).x0) / middle.sigma
    expected = X + (s.sigma - t.sigma) * slope
    torch.testing.assert_close(_step(ExponentialRungeKutta(2, "eps"), t, s), expected)


@pytest.mark.parametrize("r", [0.5, 0.3, 1.0])
def test_dpm_solver_plus_plus_2s(r: float) -> None:
    """Lu et al. 2022 (2211.01095), algorithm 1."""
    process = VariancePreserving()
    t, s = level_at(process, -0.5), level_at(process, 0.2)
    h = s.log_snr - t.log_snr
    middle = level_at(process, t.log_snr + r * h)
    first = _denoise(X, t).x0
    u = middle.sigma / t.sigma * X - middle.alpha * math.expm1(-r * h) * first
    data = (1 - 1 / (2 * r)) * first + 1 / (2 * r) * _denoise(u, middle).x0
    expected = s.sigma / t.sigma * X - s.alpha * math.expm1(-h) * data
    result = _step(ExponentialRungeKutta(2, "x0", r), t, s)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


def test_dpm_solver_3() -> None:
    """Lu et al. 2022 (2206.00927), algorithm 2."""
    process, r1, r2 = VariancePreserving(), 1 / 3, 2 / 3
    t, s = level_at(process, -0.5), level_at(process, 0.2)
    h = s.log_snr - t.log_snr
    one, two = (level_at(process, t.log_snr + r * h) for r in (r1, r2))

    def eps(x, level):
        return _denoise(x, level).noise(x, level)

    zero = eps(X, t)
    u1 = one.alpha / t.alpha * X - one.sigma * math.expm1(r1 * h) * zero
    d1 = eps(u1, one) - zero
    u2 = (
        two.alpha / t.alpha * X
        - two.sigma * math.expm1(r2 * h) * zero
        - two.sigma * r2 / r1 * (math.expm1(r2 * h) / (r2 * h) - 1) * d1
    )
    d2 = eps(u2, two) - zero
    expected = (
        s.alpha / t.alpha * X - s.sigma * math.expm1(h) * zero - s.sigma / r2 * (math.expm1(h) / h - 1) * d2
    )
    result = _step(ExponentialRungeKutta(3, "eps"), t, s)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


def test_reverse_diffusion_without_noise_is_the_published_probability_flow() -> None:
    """Song et al. 2021, eq. 47 for the chain x_i = sqrt(1 - beta) x_{i-1} + sqrt(beta) z."""
    process = VariancePreserving()
    t, s = process.level(0.6), process.level(0.59)
    beta = 1 - (t.alpha / s.alpha) ** 2
    score = -_denoise(X, t).noise(X, t) / t.sigma
    expected = (2 - math.sqrt(1 - beta)) * X + beta * score / 2
    torch.testing.assert_close(_step(ReverseDiffusion(0.0), t, s), expected)


@pytest.mark.parametrize("solver", [s for s, _ in ORDERS if isinstance(s, ExponentialRungeKutta)], ids=str)
def test_only_log_snr_matters(solver: Solver) -> None:
    ends = []
    for process in PROCESSES.values():
        log_snrs = [-2 + 5 * i / 12 for i in range(13)]
        grid = TimeGrid((*(process.t_of_log_snr(log_snr) for log_snr in log_snrs), 0.0))
        x = X * 4 * process.level(grid.times[0]).alpha
        ends.append(sample(MODEL, process, grid, solver, noise=NoiseSource([7]), x=x).x)
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("solver", [ExponentialRungeKutta(2), ExponentialRungeKutta(3, "eps")], ids=str)
def test_running_backwards_undoes_a_run(solver: Solver) -> None:
    grid = TimeGrid(tuple(0.9 - 0.8 * i / 100 for i in range(101)))
    latent = sample(MODEL, RectifiedFlow(), grid.reverse(), solver, noise=NoiseSource([0]), x=X).x
    back = sample(MODEL, RectifiedFlow(), grid, solver, noise=NoiseSource([0]), x=latent).x
    torch.testing.assert_close(back, X, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExponentialRungeKutta(4),
        lambda: ExponentialRungeKutta(2, "velocity"),
        lambda: ExponentialRungeKutta(2, node=0.0),
        lambda: ExponentialRungeKutta(2, node=1.0, eta=1.0),
        lambda: ExponentialRungeKutta(3, eta=1.0),
        lambda: ExponentialRungeKutta(2, "eps", eta=1.0),
        lambda: ExponentialRungeKutta(2, eta=math.nan),
        lambda: ReverseDiffusion(-1.0),
    ],
)
def test_impossible_settings_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must"):
        make()
