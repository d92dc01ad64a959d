"""Solvers that draw noise, and those built around others: published formulas, laws and marginals."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, level_at, no_noise
from exponential_oracle import ExponentialMultistep, ExponentialRungeKutta

from gen.diffusion import (
    DDIM,
    DDPM,
    Adaptive,
    Ancestral,
    Churn,
    Conditioning,
    Epsilon,
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
    sample,
)
from gen.diffusion.noise import NamedNoise
from gen.diffusion.solvers import (
    AncestralStep,
    FlowAncestralStep,
    FlowTime,
    Inverse,
    Langevin,
    LCMStep,
    PredictorCorrector,
    ReverseDiffusion,
    TauInterval,
    TCDStep,
    UniPC,
)
from thinning import striped

FLOW, EXPLODING, PRESERVING = RectifiedFlow(), VarianceExploding(), VariancePreserving()
X, Z, W = (
    torch.randn(1, 50, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for seed in (1, 2, 3)
)
MODEL = denoiser_of(Mixture())
GAUSSIAN_LAW: list[Solver] = [
    DDIM(0.5),
    DDIM(LCMStep()),
    DDIM(TCDStep(0.3, FLOW)),
    DDIM(FlowAncestralStep()),
    DDPM(),
    DDPM("large"),
    DDPM("learned"),
    Ancestral(ExponentialRungeKutta(2)),
    Ancestral(Heun(), FlowAncestralStep(0.8)),
    ExponentialMultistep(2, 1.0),
    ExponentialRungeKutta(1, eta=1.0),
    ReverseDiffusion(0.7),
]
OTHER_LAW: list[Solver] = [
    ExponentialRungeKutta(2, eta=1.0),
    PredictorCorrector(DDIM(1.0), Langevin()),
    Churn(Heun(), 0.2),
    Churn(DDIM(1.0), 0.2),
]
STOCHASTIC = [*GAUSSIAN_LAW, *OTHER_LAW]


def _denoise(x, level):
    return MODEL(x, level, Conditioning(), Memory())


def _learning(x, level, conditioning, memory):
    return Prediction(MODEL(x, level, conditioning, memory).x0, variance=x.tanh().square())


def _noise(_x, stream):
    return {"step": Z, "stage/step": W, "rest/step": Z, "churn": Z, "corrector/0": Z}[stream]


def _step(solver: Solver, t, s, denoise=_denoise, x=X):
    return solver.step((), x, denoise, t, s, noise=NamedNoise(_noise)).x


@pytest.mark.parametrize(
    "rule", [AncestralStep(0.4), LCMStep(), TCDStep(0.3, PRESERVING), FlowAncestralStep(0.7)], ids=repr
)
def test_the_ancestral_step_around_ddim_is_ddim_with_its_rule(rule) -> None:
    for process in PROCESSES.values():
        for t, s in ((1.0, 0.8), (0.7, 0.5), (0.3, 0.05), (0.5, 0.0)):
            a, b = process.level(t), process.level(s)
            torch.testing.assert_close(_step(Ancestral(DDIM(), rule), a, b), _step(DDIM(rule), a, b))
    assert AncestralStep(0.0)(FLOW.level(0.5), FLOW.level(0.4)) == 0
    torch.testing.assert_close(_step(DDIM(AncestralStep(0.4)), a, b), _step(DDIM(0.4), a, b))


def test_full_is_multistep_consistency_sampling() -> None:
    """Song et al. 2023, algorithm 1: x = f(x, t) + sqrt(s**2 - 0) z; LCM the same with alpha."""
    for process in PROCESSES.values():
        t, s = process.level(0.7), process.level(0.4)
        expected = s.alpha * _denoise(X, t).x0 + s.sigma * Z
        torch.testing.assert_close(_step(DDIM(LCMStep()), t, s), expected)


def test_gamma_is_the_published_strategic_sampling() -> None:
    """Zheng et al. 2024 (TCD), algorithm 4: DDIM to s' = (1 - gamma) s, then the forward chain to s."""
    level_t, level_s, down = (PRESERVING.level(t) for t in (0.8, 0.5, 0.35))
    prediction = _denoise(X, level_t)
    low = down.alpha * prediction.x0 + down.sigma * prediction.noise(X, level_t)
    ratio = level_s.alpha / down.alpha
    expected = ratio * low + math.sqrt(1 - ratio**2) * Z
    torch.testing.assert_close(_step(DDIM(TCDStep(0.3, PRESERVING)), level_t, level_s), expected)
    torch.testing.assert_close(
        _step(DDIM(TCDStep(1.0, PRESERVING)), level_t, level_s), _step(DDIM(LCMStep()), level_t, level_s)
    )
    torch.testing.assert_close(
        _step(DDIM(TCDStep(0.0, PRESERVING)), level_t, level_s), _step(DDIM(), level_t, level_s)
    )


@pytest.mark.parametrize("eta", [1.0, 0.6])
def test_down_step_is_the_ancestral_step_of_flows(eta: float) -> None:
    """ComfyUI's formula: Euler to s (1 + (s / t - 1) eta), rescaled, and noise up to s."""
    t, s = FLOW.level(0.8), FLOW.level(0.5)
    down = 0.5 * (1 + (0.5 / 0.8 - 1) * eta)
    low = down / 0.8 * X + (1 - down / 0.8) * _denoise(X, t).x0
    renoise = math.sqrt(0.5**2 - (down * 0.5 / (1 - down)) ** 2)
    expected = 0.5 / (1 - down) * low + renoise * Z
    torch.testing.assert_close(_step(DDIM(FlowAncestralStep(eta)), t, s), expected)


def _ancestral(t: float, s: float) -> tuple[float, float]:
    """(sigma_down, sigma_up) of Euler ancestral."""
    up = math.sqrt(s**2 * (t**2 - s**2) / t**2)
    return math.sqrt(s**2 - up**2), up


def test_dpm2_and_dpmpp_2s_ancestral() -> None:
    """Written out on sigma as k-diffusion has them."""
    t, s = EXPLODING.level(0.6), EXPLODING.level(0.5)
    down, up = _ancestral(t.sigma, s.sigma)
    middle = level_at(EXPLODING, -math.log(math.sqrt(t.sigma * down)))
    slope = (X - _denoise(X, t).x0) / t.sigma
    halfway = X + slope * (middle.sigma - t.sigma)
    slope = (halfway - _denoise(halfway, middle).x0) / middle.sigma
    dpm2 = X + slope * (down - t.sigma) + up * Z
    torch.testing.assert_close(_step(Ancestral(ExponentialRungeKutta(2, "eps")), t, s), dpm2)
    ratio = down / t.sigma
    halfway = math.sqrt(ratio) * X + (1 - math.sqrt(ratio)) * _denoise(X, t).x0
    two_s = ratio * X + (1 - ratio) * _denoise(halfway, middle).x0 + up * Z
    torch.testing.assert_close(_step(Ancestral(ExponentialRungeKutta(2)), t, s), two_s)


def test_dpmpp_sde() -> None:
    """k-diffusion's formula with r = 1/2; but its two noises are those of one Brownian path."""
    t, s = EXPLODING.level(0.6), EXPLODING.level(0.5)
    middle = EXPLODING.level(0.55)
    down, up = _ancestral(t.sigma, middle.sigma)
    first = _denoise(X, t).x0
    halfway = down / t.sigma * X + (1 - down / t.sigma) * first + up * W
    down, up_all = _ancestral(t.sigma, s.sigma)
    _, up_rest = _ancestral(middle.sigma, s.sigma)
    carried = up * (s.sigma / middle.sigma) ** 2
    assert math.hypot(carried, up_rest) == pytest.approx(up_all)
    data = _denoise(halfway, middle).x0
    expected = down / t.sigma * X + (1 - down / t.sigma) * data + carried * W + up_rest * Z
    torch.testing.assert_close(_step(ExponentialRungeKutta(2, eta=1.0), t, s), expected)


def test_churn_is_the_published_algorithm() -> None:
    """Karras et al. 2022, algorithm 2."""
    t, s, gamma, s_noise = EXPLODING.level(0.6), EXPLODING.level(0.5), 0.3, 1.01
    high = t.sigma * (1 + gamma)
    churned = X + math.sqrt(high**2 - t.sigma**2) * s_noise * Z
    above = level_at(EXPLODING, -math.log(high))
    first = (churned - _denoise(churned, above).x0) / high
    euler = churned + (s.sigma - high) * first
    second = (euler - _denoise(euler, s).x0) / s.sigma
    expected = churned + (s.sigma - high) * (first + second) / 2
    solver = Churn(Heun(), gamma, s_noise=s_noise)
    torch.testing.assert_close(_step(solver, t, s), expected, rtol=1e-9, atol=1e-9)
    outside = Churn(Heun(), gamma, (0.0, 0.5 * t.sigma))
    assert torch.equal(outside.step((), X, _denoise, t, s, noise=no_noise).x, _step(Heun(), t, s))


def test_reverse_diffusion_is_the_published_predictor() -> None:
    """Song et al. 2021, algorithms 2 and 3."""
    t, s = EXPLODING.level(0.6), EXPLODING.level(0.5)
    score, gap = -_denoise(X, t).noise(X, t) / t.sigma, t.sigma**2 - s.sigma**2
    expected = X + gap * score + math.sqrt(gap) * Z
    torch.testing.assert_close(_step(ReverseDiffusion(), t, s), expected)
    t, s = PRESERVING.level(0.6), PRESERVING.level(0.59)
    score, beta = -_denoise(X, t).noise(X, t) / t.sigma, 1 - (t.alpha / s.alpha) ** 2
    expected = (2 - math.sqrt(1 - beta)) * X + beta * score + math.sqrt(beta) * Z
    torch.testing.assert_close(_step(ReverseDiffusion(), t, s), expected)


def test_langevin_is_the_published_corrector() -> None:
    level = EXPLODING.level(0.5)
    score = -_denoise(X, level).noise(X, level) / level.sigma
    e = 2 * (0.16 * Z.norm() / score.norm()) ** 2
    result = Langevin(0.16)(X, _denoise, level, noise=_noise)
    torch.testing.assert_close(result, X + e * score + (2 * e).sqrt() * Z)


def test_restart_is_a_grid_that_goes_back() -> None:
    """Xu et al. 2023, algorithm 2: down to t_min, noise of variance t_max**2 - t_min**2, and down again."""
    grid = TimeGrid.karras(8, EXPLODING, end=0.05)
    low, high = grid.times[6], grid.times[4]
    solver, source = Heun(), NoiseSource([3])
    restarting = grid.restart(2, 3, within=(low, high))
    assert len(restarting.renoise_steps) == 2
    x = EXPLODING.level(grid.times[0]).sigma * X
    result = sample(MODEL, EXPLODING, restarting, solver, noise=source, x=x).x
    levels = grid.levels(EXPLODING)

    def down(x, first, last):
        for i in range(first, last):
            x = _step(solver, levels[i], levels[i + 1], x=x)
        return x

    x = down(x, 0, 6)
    for index in restarting.renoise_steps:
        z = source.at(index)(x, "renoise")
        x = down(x + math.sqrt(levels[4].sigma ** 2 - levels[6].sigma ** 2) * z, 4, 6)
    torch.testing.assert_close(result, down(x, 6, grid.steps))


def test_ddpm_has_three_variances() -> None:
    """Ho et al. 2020, sec. 3.2, and Nichol & Dhariwal 2021, eq. 15, on a step of the chain."""
    t, s = PRESERVING.level(0.6), PRESERVING.level(0.58)
    beta = 1 - (t.alpha / s.alpha) ** 2
    tilde = s.sigma**2 / t.sigma**2 * beta
    small, large = (DDPM(kind).step((), X, _denoise, t, s, noise=_noise) for kind in ("small", "large"))
    assert small.std == pytest.approx(math.sqrt(tilde))
    assert large.std == pytest.approx(math.sqrt(beta))
    torch.testing.assert_close(small.x, _step(DDIM(1.0), t, s))
    v = X.tanh().square()
    learned = DDPM("learned").step(
        (), X, lambda x, level: _learning(x, level, Conditioning(), Memory()), t, s, noise=_noise
    )
    torch.testing.assert_close(
        torch.as_tensor(learned.std, dtype=X.dtype) ** 2,
        torch.exp(v * math.log(beta) + (1 - v) * math.log(tilde)),
    )
    for update in (large, learned):
        torch.testing.assert_close(update.x - update.std * Z, small.x - small.std * Z)
    with pytest.raises(ValueError, match="predicts no variance"):
        _step(DDPM("learned"), t, s)


def test_a_network_with_twice_the_channels_learns_the_variance() -> None:
    def network(x, _c_noise, _conditioning):
        return torch.cat([x * 0.5, torch.full_like(x, -1.0)], 1)

    x, level = torch.randn(2, 3, 4), PRESERVING.level(0.4)
    plain = ModelDenoiser(lambda x, _c, _k: x * 0.5, PRESERVING, Epsilon())(
        x, level, Conditioning(), Memory()
    )
    prediction = ModelDenoiser(network, PRESERVING, Epsilon(), learned_variance=True)(
        x, level, Conditioning(), Memory()
    )
    assert torch.equal(prediction.x0, plain.x0)
    assert prediction.variance is not None
    assert torch.equal(prediction.variance, torch.zeros_like(x))
    with pytest.raises(ValueError, match="must return"):
        ModelDenoiser(network, PRESERVING, Epsilon())(x, level, Conditioning(), Memory())


@pytest.mark.parametrize("solver", GAUSSIAN_LAW, ids=str)
def test_a_step_draws_from_the_law_that_it_reports(solver: Solver) -> None:
    n = 40_000
    x, t, s = torch.full((1, n), 0.3, dtype=torch.float64), FLOW.level(0.6), FLOW.level(0.5)

    def denoise(x, level):
        return _learning(x, level, Conditioning(), Memory())

    update = solver.step((), x, denoise, t, s, noise=NoiseSource([4]).at(0))
    assert update.z is not None
    std = torch.as_tensor(update.std, dtype=x.dtype).broadcast_to(x.shape)
    mean = update.x - std * update.z
    assert float(mean.max() - mean.min()) < 1e-12  # the state and the levels alone say the mean
    assert float(std.max() - std.min()) < 1e-12
    assert float(update.x.mean() - mean[0, 0]) == pytest.approx(0, abs=5 * float(std[0, 0]) / math.sqrt(n))
    assert float(update.x.std()) == pytest.approx(float(std[0, 0]), rel=5 / math.sqrt(2 * n))


@pytest.mark.parametrize("solver", OTHER_LAW, ids=str)
def test_a_step_of_another_law_reports_none(solver: Solver) -> None:
    update = solver.step((), X, _denoise, FLOW.level(0.6), FLOW.level(0.5), noise=NoiseSource([4]).at(0))
    assert (update.std, update.z) == (0.0, None)
    assert solver.stochastic


MARGINALS: list[Solver] = [
    *(
        solver
        for solver in STOCHASTIC
        if solver not in (DDIM(LCMStep()), DDIM(TCDStep(0.3, FLOW)), DDPM("learned"))
    ),
    PredictorCorrector(ReverseDiffusion(), Langevin(0.05, 2)),
]


@pytest.mark.parametrize(
    ("solver", "run"),
    striped(MARGINALS, list(itertools.product(["preserving", "exploding", "flow"], [0.5, math.inf])), 3),
    ids=str,
)
def test_marginal_mean_and_variance(solver: Solver, run: tuple[str, float]) -> None:
    """At a level midway or of the data."""
    (process, end), data, n, steps = run, Gaussian(), 10_000, 150
    chain = PROCESSES[process]
    if isinstance(solver, Churn):
        solver = Churn(solver.inner, 0.02)  # a share of the variance in every step: less for many steps
    if isinstance(solver, PredictorCorrector):
        solver = PredictorCorrector(solver.predictor, Langevin(0.05, solver.corrector.steps))
    log_snrs = [-3 + (min(end, 6) + 3) * i / steps for i in range(steps + 1)]
    times = [chain.t_of_log_snr(log_snr) for log_snr in log_snrs]
    grid = TimeGrid((*times, 0.0) if end == math.inf else tuple(times))
    first, last = level_at(chain, -3), chain.level(grid.times[-1])
    start = torch.randn(1, n, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x = first.alpha * data.mean + math.hypot(first.alpha * data.std, first.sigma) * start
    result = sample(denoiser_of(data), chain, grid, solver, noise=NoiseSource([11]), x=x).x
    std = math.hypot(last.alpha * data.std, last.sigma)
    assert float(result.mean()) == pytest.approx(last.alpha * data.mean, abs=4 * std / math.sqrt(n) + 0.005)
    assert float(result.std()) == pytest.approx(std, rel=4 / math.sqrt(2 * n) + 0.04)
    assert abs(float(torch.corrcoef(torch.cat([start, result]))[0, 1])) < 0.97


@pytest.mark.parametrize("solver", STOCHASTIC, ids=str)
def test_runs_from_pure_noise_to_clean_data_end_well(solver: Solver) -> None:
    for name, steps in itertools.product(PROCESSES, (1, 2, 7)):
        grid, noise = TimeGrid.uniform(steps), NoiseSource([1])
        result = sample(_learning, PROCESSES[name], grid, solver, noise=noise, shape=(4,))
        assert result.x.isfinite().all(), (name, steps)


@pytest.mark.parametrize("brownian", [False, True])
@pytest.mark.parametrize("solver", [*STOCHASTIC, Adaptive()], ids=str)
def test_a_batch_equals_its_single_runs_bit_for_bit(solver: Solver, brownian: bool) -> None:
    seeds, grid = [3, 0, 17], TimeGrid.uniform(4)

    def run(seeds):
        return sample(_learning, FLOW, grid, solver, noise=NoiseSource(seeds, brownian), shape=(2, 8)).x

    if isinstance(solver, Adaptive):  # sizes are shared; see its docstring
        assert not torch.equal(run(seeds), torch.cat([run([seed]) for seed in seeds]))
    else:
        assert torch.equal(run(seeds), torch.cat([run([seed]) for seed in seeds]))
    assert run([]).shape == (0, 2, 8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DDIM(1.1),
        lambda: AncestralStep(-0.1),
        lambda: TCDStep(1.5, FLOW),
        lambda: FlowAncestralStep(math.nan),
        lambda: DDPM("medium"),
        lambda: Ancestral(Heun(), 2.0),
        lambda: Ancestral(DDIM(1.0)),
        lambda: Ancestral(Inverse(UniPC())),
        lambda: Churn(FlowTime(UniPC()), 0.1),
        lambda: Churn(Heun(), -0.1),
        lambda: Churn(Heun(), 0.1, (1.0, 0.5)),
        lambda: Churn(Heun(), 0.1, s_noise=0.0),
        lambda: Langevin(0.0),
        lambda: Langevin(0.1, 0),
        lambda: TauInterval(-1.0),
        lambda: TauInterval(1.0, -0.1, 0.2),
    ],
)
def test_impossible_settings_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"must|already"):
        make()
