"""One method under its several published names: each formula is written out from its source."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from exact import PROCESSES, Mixture, denoiser_of, level_at
from exponential_oracle import ExponentialMultistep
from scipy.integrate import quad

from gen.diffusion import (
    DDIM,
    Conditioning,
    DiscreteBetas,
    Heun,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Solver,
    TimeGrid,
    VarianceExploding,
    VariancePreserving,
    VPrediction,
    sample,
)
from gen.diffusion.solvers import Past

X = torch.randn(1, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Z = torch.randn(1, 50, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
MODEL = denoiser_of(Mixture())


def _denoise(x, level):
    return MODEL(x, level, Conditioning(), Memory())


def _noise(_x, _stream):
    return Z


def _step(solver: Solver, t, s, state=(), x=X):
    return solver.step(state, x, _denoise, t, s, noise=_noise).x


def test_ddpm_is_ddim_with_eta_1() -> None:
    """Ho et al. 2020, eq. 7: the Markov posterior of a chain."""
    betas = np.linspace(1e-4, 0.02, 1000)
    process, alpha_bar = DiscreteBetas(betas.tolist()), np.cumprod(1 - betas)
    for i in (3, 250, 900):
        t, s = process.level((i + 1) / 1000), process.level(i / 1000)
        x0 = _denoise(X, t).x0
        now, before, beta = alpha_bar[i], alpha_bar[i - 1], betas[i]
        mean = math.sqrt(before) * beta / (1 - now) * x0 + math.sqrt(1 - beta) * (1 - before) / (1 - now) * X
        expected = mean + math.sqrt((1 - before) / (1 - now) * beta) * Z
        torch.testing.assert_close(_step(DDIM(1.0), t, s), expected, rtol=1e-9, atol=1e-9)


def test_euler_ancestral_is_ddim_with_eta_1() -> None:
    process = VarianceExploding()
    t, s = process.level(0.6), process.level(0.5)
    up = math.sqrt(s.sigma**2 * (t.sigma**2 - s.sigma**2) / t.sigma**2)
    down = math.sqrt(s.sigma**2 - up**2)
    slope = (X - _denoise(X, t).x0) / t.sigma
    torch.testing.assert_close(_step(DDIM(1.0), t, s), X + slope * (down - t.sigma) + Z * up)


def test_euler_on_a_flow_and_on_sigma_are_ddim() -> None:
    t, s = RectifiedFlow().level(0.8), RectifiedFlow().level(0.65)
    x0 = _denoise(X, t).x0
    velocity = (X - x0) / 0.8
    torch.testing.assert_close(_step(DDIM(), t, s), X + (0.65 - 0.8) * velocity)
    t, s = VarianceExploding().level(0.6), VarianceExploding().level(0.5)
    slope = (X - _denoise(X, t).x0) / t.sigma
    torch.testing.assert_close(_step(DDIM(), t, s), X + (s.sigma - t.sigma) * slope)


def test_ddim_is_the_published_formula() -> None:
    """Song et al. 2021, eq. 12 with their eq. 16."""
    t, s, eta = VariancePreserving().level(0.7), VariancePreserving().level(0.6), 0.4
    x0 = _denoise(X, t).x0
    eps = (X - t.alpha * x0) / t.sigma
    sigma_up = eta * s.sigma / t.sigma * math.sqrt(1 - t.alpha**2 / s.alpha**2)
    expected = s.alpha * x0 + math.sqrt(s.sigma**2 - sigma_up**2) * eps + sigma_up * Z
    torch.testing.assert_close(_step(DDIM(eta), t, s), expected)


def test_heun_is_the_published_algorithm() -> None:
    """Karras et al. 2022, algorithm 1."""
    process = VarianceExploding()
    t, s = process.level(0.6), process.level(0.5)
    first = (X - _denoise(X, t).x0) / t.sigma
    euler = X + (s.sigma - t.sigma) * first
    second = (euler - _denoise(euler, s).x0) / s.sigma
    expected = X + (s.sigma - t.sigma) * (first + second) / 2
    torch.testing.assert_close(_step(Heun(), t, s), expected)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_first_order_multistep_is_ddim(eta: float) -> None:
    for process in PROCESSES.values():
        for t, s in ((0.9, 0.7), (0.3, 0.05), (0.5, 0.0)):
            a, b = process.level(t), process.level(s)
            torch.testing.assert_close(_step(ExponentialMultistep(1, eta), a, b), _step(DDIM(eta), a, b))


def _history(process, log_snrs):
    levels = [level_at(process, log_snr) for log_snr in log_snrs]
    return levels, tuple(Past(level, torch.sin(X * (i + 1))) for i, level in enumerate(levels))


def test_two_step_midpoint_is_dpm_solver_plus_plus_2m() -> None:
    """Lu et al. 2022 (DPM-Solver++), algorithm 2."""
    process = VariancePreserving()
    (before,), past = _history(process, [-0.9])
    t, s = level_at(process, -0.5), level_at(process, 0.2)
    h, r = s.log_snr - t.log_snr, (t.log_snr - before.log_snr) / (s.log_snr - t.log_snr)
    data = (1 + 1 / (2 * r)) * _denoise(X, t).x0 - 1 / (2 * r) * past[0].value
    ode = s.sigma / t.sigma * X - s.alpha * math.expm1(-h) * data
    solver = ExponentialMultistep(2, quadrature="midpoint")
    torch.testing.assert_close(_step(solver, t, s, past), ode, rtol=1e-9, atol=1e-9)
    sde = (
        s.sigma / t.sigma * math.exp(-h) * X
        - s.alpha * math.expm1(-2 * h) * data
        + s.sigma * math.sqrt(-math.expm1(-2 * h)) * Z
    )
    solver = ExponentialMultistep(2, 1.0, "midpoint")
    torch.testing.assert_close(_step(solver, t, s, past), sde, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("order", [2, 3])
def test_multistep_integrates_the_interpolating_polynomial(order: int, eta: float) -> None:
    """Exponential Adams-Bashforth: the integral by numerical quadrature of the Lagrange polynomial."""
    process = RectifiedFlow()
    _, past = _history(process, [-0.9, -1.7][: order - 1])
    t, s = level_at(process, -0.5), level_at(process, 0.2)
    h = s.log_snr - t.log_snr
    nodes = [t.log_snr, *(p.level.log_snr for p in past)]
    values = [_denoise(X, t).x0, *(p.value for p in past)]
    expected = s.sigma / t.sigma * math.exp(-eta * h) * X
    for i, value in enumerate(values):

        def integrand(log_snr: float, i: int = i) -> float:
            others = [node for j, node in enumerate(nodes) if j != i]
            basis = math.prod((log_snr - other) / (nodes[i] - other) for other in others)
            return (1 + eta) * math.exp(-(1 + eta) * (s.log_snr - log_snr)) * basis

        expected = expected + s.alpha * quad(integrand, t.log_snr, s.log_snr)[0] * value
    expected = expected + s.sigma * math.sqrt(-math.expm1(-2 * eta * h)) * Z
    result = _step(ExponentialMultistep(order, eta), t, s, past)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "solver", [DDIM(), DDIM(1.0), Heun(), ExponentialMultistep(3), ExponentialMultistep(2, 1.0)], ids=str
)
def test_only_log_snr_matters(solver: Solver) -> None:
    """The same run in x / alpha on every process, when the grids agree in log_snr."""
    ends = []
    for process in PROCESSES.values():
        log_snrs = [-2 + 5 * i / 12 for i in range(13)]
        grid = TimeGrid((*(process.t_of_log_snr(log_snr) for log_snr in log_snrs), 0.0))
        x = X * 4 * process.level(grid.times[0]).alpha
        ends.append(sample(MODEL, process, grid, solver, noise=NoiseSource([7]), x=x).x)
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-7, atol=1e-7)


def test_a_network_answers_on_the_levels_of_any_process() -> None:
    """The prediction on another process is that of the network's own at equal log_snr."""
    own, other = VariancePreserving(), VarianceExploding()

    def network(x, c_noise, _):
        return torch.sin(3 * x) * c_noise[:, None]

    denoiser = ModelDenoiser(network, own, VPrediction())
    x = X.float()
    foreign = level_at(other, -0.8)
    native = level_at(own, -0.8)
    expected = denoiser(x * native.alpha, native, Conditioning(), Memory()).x0
    torch.testing.assert_close(
        denoiser(x, foreign, Conditioning(), Memory()).x0, expected, rtol=1e-5, atol=1e-5
    )


def test_an_independent_eps_is_followed() -> None:
    """What CFG++ needs: the noise of one prediction with the data of another."""
    t, s = RectifiedFlow().level(0.8), RectifiedFlow().level(0.6)
    update = DDIM().step((), X, lambda x, _: Prediction(x * 0.5, Z), t, s, noise=_noise)
    torch.testing.assert_close(update.x, 0.4 * (X * 0.5) + 0.6 * Z)
