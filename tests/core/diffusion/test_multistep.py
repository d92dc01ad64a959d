"""Multistep methods: orders, the published formulas, noise, ends, predictions with an eps of their own."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from exact import (
    PROCESSES,
    Distribution,
    Gaussian,
    Mixture,
    denoiser_of,
    flow_of,
    level_at,
    named,
    no_noise,
    slope_of,
)
from exponential_oracle import ExponentialMultistep
from scipy.integrate import quad
from torch import Tensor

from gen.diffusion import (
    DDIM,
    EDM,
    LMS,
    Conditioning,
    DPMpp2M,
    DPMpp3M,
    Epsilon,
    FlowAdams,
    Level,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Sample,
    SASolver,
    Score,
    Solver,
    TimeGrid,
    UniPC,
    Velocity,
    VPrediction,
    iterate,
    sample,
)
from gen.diffusion.solvers import DEIS, IPNDM, PLMS, DPMSolver2M, GradientEstimation, Past
from gen.diffusion.solvers.multistep import lagrange, moments
from thinning import striped


def unipc(order: int, variant="bh2", target="x0") -> UniPC:
    return UniPC(order, variant, target)


def strong_in_the_middle(level: Level[float]) -> float:
    return 1.0 if abs(level.log_snr) < 1 else 0.0


ORDERS: list[tuple[Solver, int]] = [
    (ExponentialMultistep(1, target="eps"), 1),
    (ExponentialMultistep(2, target="eps"), 2),
    (ExponentialMultistep(3, target="eps"), 3),
    (ExponentialMultistep(2, quadrature="midpoint", target="eps"), 2),
    (ExponentialMultistep(2, quadrature="endpoint"), 2),
    (ExponentialMultistep(1, corrector=1), 1),
    (unipc(1), 2),
    (unipc(1, "bh1"), 2),
    (unipc(2), 3),
    (unipc(2, "bh1", "eps"), 3),
    (unipc(3), 4),
    (unipc(3, "bh2", "eps"), 4),
    (UniPC(3, corrector=False), 3),
    (SASolver(3, 0, 0.0), 3),
    (SASolver(3, 4, 0.0), 4),
    (DPMpp2M(), 2),
    (DPMpp2M(kind="heun"), 2),
    (DPMpp3M(), 2),
    (DPMSolver2M(), 2),
    (DEIS(2), 2),
    (DEIS(3), 3),
    (LMS(1), 1),
    (LMS(2), 2),
    (LMS(3), 3),
    (LMS(4), 4),
    (IPNDM(4), 2),
    (FlowAdams(1), 1),
    (FlowAdams(2), 2),
    (FlowAdams(3), 3),
    (FlowAdams(4), 4),
    (FlowAdams(1, corrector=True), 2),
    (FlowAdams(2, corrector=True), 3),
    (FlowAdams(3, corrector=True), 4),
    (FlowAdams(2, spread=0.3), 2),
    (FlowAdams(3, corrector=True, spread=0.3), 4),
    (GradientEstimation(1.5), 2),
]
VARIANTS = {"B1": "bh1", "B2": "bh2"}
PARAMETERIZATIONS = [Epsilon(), Sample(), VPrediction(), Velocity(), Velocity(-1), Score(), EDM()]
STARTS = torch.linspace(-2, 2, 7, dtype=torch.float64)[None] * 5
X = torch.randn(1, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Z = [
    torch.randn(1, 50, generator=torch.Generator().manual_seed(i), dtype=torch.float64) for i in range(2, 12)
]
MODEL = denoiser_of(Mixture())
FLOW = RectifiedFlow()


def _denoise(x: Tensor, level: Level[float]) -> Prediction:
    return MODEL(x, level, Conditioning(), Memory())


def _eps(x: Tensor, level: Level[float]) -> Tensor:
    return _denoise(x, level).noise(x, level)


def _past(solver: Solver, prediction: Prediction, x: Tensor, level: Level[float]) -> Tensor:
    """What this solver interpolates."""
    if isinstance(solver, FlowAdams):
        return prediction.noise(x, level) - prediction.x0 / (solver.spread * solver.scale)
    target = "x0" if isinstance(solver, (DPMpp2M, DPMpp3M, SASolver)) else getattr(solver, "target", "eps")
    return prediction.x0 if target == "x0" else prediction.noise(x, level)


@functools.cache
def _flow(distribution, log_snrs: tuple[float, ...]) -> list[Tensor]:
    return flow_of(distribution, STARTS, log_snrs)


def _error(solver: Solver, process, parameterization, distribution, log_snrs: tuple[float, ...]) -> float:
    """The largest error at the end; the first three levels only give the history, from the exact flow."""
    exact = _flow(distribution, log_snrs)
    levels = [level_at(process, log_snr) for log_snr in log_snrs]
    model = denoiser_of(distribution, parameterization)

    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        return model(x, level, Conditioning(), Memory())

    state: tuple[Past, ...] = ()
    for level, y in zip(levels[:3], exact, strict=False):
        x = y * level.alpha
        prediction = denoise(x, level)
        state = (Past(level, _past(solver, prediction, x, level)), *state)
    x = exact[3] * levels[3].alpha
    for t, s in itertools.pairwise(levels[3:]):
        update = solver.step(state, x, denoise, t, s, noise=no_noise)
        x, state = update.x, update.state
    return float((x / levels[-1].alpha - exact[-1]).abs().max())


def _order(solver: Solver, process, parameterization, distribution) -> float:
    # A mixture has sharp turns as its modes part; beyond them the asymptotic order shows at finer steps only.
    start, length = (-1.0, 2.5) if isinstance(distribution, Mixture) else (-1.6, 4.0)
    errors = {}
    for n in (160, 320):
        log_snrs = tuple(start + length * i / n for i in range(-3, n + 1))
        errors[n] = _error(solver, process, parameterization, distribution, log_snrs)
    return slope_of(errors)


PROBLEMS = [("preserving", Gaussian()), ("flow", Mixture()), ("cosine", Gaussian()), ("exploding", Mixture())]


@pytest.mark.parametrize(("method", "problem"), striped(ORDERS, PROBLEMS, 4))
def test_order_on_every_process(method: tuple[Solver, int], problem: tuple[str, Distribution]) -> None:
    (solver, order), (process, distribution) = method, problem
    assert _order(solver, PROCESSES[process], VPrediction(), distribution) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize(
    ("parameterization", "method"),
    striped(
        PARAMETERIZATIONS,
        [(ExponentialMultistep(3, target="eps"), 3), (unipc(2), 3), (LMS(4), 4), (FlowAdams(3), 3)],
        2,
    ),
    ids=named,
)
def test_order_with_every_parameterization(parameterization, method: tuple[Solver, int]) -> None:
    solver, order = method
    observed = _order(solver, PROCESSES["preserving"], parameterization, Gaussian())
    assert observed == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("corrector", [False, True])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_flow_time_keeps_the_order_from_pure_noise_to_clean_data(order: int, corrector: bool) -> None:
    """The last step has no corrector, so it has the order of the predictor; the first has no history."""
    errors = {}
    for n in (40, 80, 160):
        grid, solver = TimeGrid.flow_power(n, FLOW), FlowAdams(order, corrector)
        end = sample(denoiser_of(Gaussian()), FLOW, grid, solver, noise=NoiseSource([0]), x=X).x
        errors[n] = float((end - Gaussian().mean - Gaussian().std * X).abs().max())
    assert slope_of(errors) > min(order, 3 if corrector else 2) - 0.15


@pytest.mark.parametrize("spread", [0.001, 0.3, 1.0])
def test_flow_time_takes_one_exact_step_to_data_in_one_place(spread: float) -> None:
    """Where x0 and eps never change, whatever share of a step each has."""
    place = Gaussian(0.4, 1e-9)
    solver, grid = FlowAdams(3, True, spread=spread), TimeGrid.flow_power(4, FLOW)
    end = sample(denoiser_of(place), FLOW, grid, solver, noise=NoiseSource([0]), x=X).x
    torch.testing.assert_close(end, torch.full_like(X, 0.4), rtol=0, atol=1e-8)


def test_a_small_spread_integrates_x0_as_dpmpp_does() -> None:
    """x_s = (sigma_s / sigma_t) x_t + sigma_s times the integral of x0 over alpha / sigma, for x0 linear in
    flow time."""
    before, t, s = levels = [FLOW.level(u) for u in (0.95, 0.8, 0.5)]
    x0 = {before: X.new_tensor([[2.0]]), t: X.new_tensor([[-1.0]])}
    solver, state, x = FlowAdams(2, spread=1e-7), (), torch.ones(1, 1, dtype=X.dtype)
    ends = []
    for start, end in itertools.pairwise(levels):
        update = solver.step(
            state, x, lambda _x, level: Prediction(x0[level]), start, end, noise=NoiseSource([0]).at(0)
        )
        ends.append(x := update.x)
        state = update.state
    line = quad(lambda u: (2.0 * (u - 0.8) - (0.95 - u)) / 0.15 / u**2, 0.5, 0.8, epsabs=0, epsrel=1e-13)[0]
    assert float(x) == pytest.approx(s.sigma / t.sigma * float(ends[0]) + s.sigma * line, rel=1e-5)


@pytest.mark.parametrize("spread", [0.0, 1.1, math.nan])
def test_a_spread_is_a_share(spread: float) -> None:
    with pytest.raises(ValueError, match="spread must"):
        FlowAdams(spread=spread)


def test_steps_above_a_flow_time_have_order_1() -> None:
    grid = TimeGrid.uniform(5)

    def end(solver: Solver, grid: TimeGrid = grid) -> float:
        one = torch.ones(1, 1, dtype=X.dtype)
        return float(sample(MODEL, FLOW, grid, solver, noise=NoiseSource([0]), x=one).x)

    assert end(FlowAdams(3, first_order_above=0.0)) == end(FlowAdams(1))
    assert end(FlowAdams(3, first_order_above=1.0)) == end(FlowAdams(3))
    assert end(FlowAdams(3, first_order_above=0.5)) not in (end(FlowAdams(1)), end(FlowAdams(3)))
    first = TimeGrid(grid.times[:4])  # steps from 1, 0.8 and 0.6
    assert end(FlowAdams(3, first_order_above=0.5), first) == end(FlowAdams(1), first)
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="first_order_above must lie in"):
            FlowAdams(first_order_above=wrong)


@pytest.mark.parametrize("corrector", [False, True])
def test_data_of_another_scale_have_the_same_error_in_their_units(corrector: bool) -> None:
    ends = []
    for scale in (1.0, 5.0):
        data = Gaussian(0.3 * scale, 0.7 * scale)
        solver, grid = FlowAdams(2, corrector, scale, spread=0.5), TimeGrid.flow_power(6, FLOW, shift=scale)
        ends.append(sample(denoiser_of(data), FLOW, grid, solver, noise=NoiseSource([0]), x=X).x / scale)
    torch.testing.assert_close(*ends, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", [LMS(4), IPNDM(4)], ids=named)
def test_equal_steps_in_rho_give_the_weights_by_index_their_full_order(solver: Solver) -> None:
    errors = {}
    for n in (80, 160, 320):
        log_snrs = tuple(-math.log(2 - 1.8 * i / n) for i in range(-3, n + 1))
        errors[n] = _error(solver, PROCESSES["exploding"], VPrediction(), Gaussian(), log_snrs)
    assert slope_of(errors) == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize("rate", [-30.0, -2.0, -1.0, -0.3, -1e-9, 0.0, 1e-4, 0.7, 1.0, 1.1, 40.0])
def test_moments_are_their_integrals(rate: float) -> None:
    result = moments(rate, 4)
    for k, moment in enumerate(result):
        exact = quad(lambda u, k=k: math.exp(-rate * (1 - u)) * u**k, 0, 1, epsabs=0, epsrel=1e-13)[0]
        assert moment == pytest.approx(exact, rel=1e-12)


def test_weights_integrate_polynomials() -> None:
    nodes = [1.0, 0.0, -0.7, -1.9]
    for n in (1, 2, 3, 4):
        weights = lagrange(nodes[:n], [1 / (k + 1) for k in range(n)])
        for k in range(n):
            total = sum(w * node**k for w, node in zip(weights, nodes, strict=False))
            assert total == pytest.approx(1 / (k + 1))


# the published formulas


def _levels(process=FLOW, log_snrs=(-1.9, -1.2, -0.8, -0.1, 0.3, 1.0, 1.4)) -> list[Level[float]]:
    return [level_at(process, log_snr) for log_snr in log_snrs]


def _run(solver: Solver, levels, x=X, denoise=_denoise) -> list[Tensor]:
    states, state = [x], ()
    for i, (t, s) in enumerate(itertools.pairwise(levels)):
        update = solver.step(state, states[-1], denoise, t, s, noise=lambda *_, i=i: Z[i])
        states.append(update.x)
        state = update.state
    return states


def _same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def _value(target: str, x: Tensor, level: Level[float]) -> Tensor:
    return _denoise(x, level).x0 if target == "x0" else _eps(x, level)


def _uni(nodes, values, b_of_h: str, t, s, x: Tensor, target: str) -> Tensor:
    """Zhao et al. 2023, algorithms 5 to 8: x_s, nodes r_m = (lambda_m - lambda_t) / h."""
    h = s.log_snr - t.log_snr
    hh = h if target == "eps" else -h
    b = hh if b_of_h == "B1" else math.expm1(hh)
    phi = [math.expm1(hh) / hh]  # phi_1, phi_2, ... of theirs
    for k in range(1, 5):
        phi.append((phi[-1] - 1 / math.factorial(k)) / hh)
    (origin, *others), p = values, len(nodes)
    if target == "eps":
        base, factor = s.alpha / t.alpha * x - s.sigma * math.expm1(hh) * origin, -s.sigma
    else:
        base, factor = s.sigma / t.sigma * x - s.alpha * math.expm1(hh) * origin, -s.alpha
    if p == 1:
        a = np.array([0.5])
    else:
        matrix = np.array([[r ** (k - 1) for r in nodes] for k in range(1, p + 1)])
        rhs = [hh * math.factorial(k) * phi[k] / b for k in range(1, p + 1)]
        a = np.linalg.solve(matrix, rhs)
    steps = [(value - origin) / r for r, value in zip(nodes, others, strict=True)]
    return base + factor * b * sum(float(weight) * step for weight, step in zip(a, steps, strict=True))


def _unipc(levels, order: int, b_of_h: str, target: str, corrector: bool = True) -> list[Tensor]:
    """What each step predicts; all but the last are corrected before the next one sets out."""
    x, states = X, [X]
    known: list[tuple[Level[float], Tensor]] = []  # newest first
    for i, t in enumerate(levels[:-1]):
        value = _value(target, states[-1], t)
        if i > 0 and corrector:
            (before, origin), *older = known[: min(order, i)]
            h = t.log_snr - before.log_snr
            nodes = [*((level.log_snr - before.log_snr) / h for level, _ in older), 1.0]
            values = [origin, *(v for _, v in older), value]
            x = _uni(nodes, values, b_of_h, before, t, x, target)
        else:
            x = states[-1]
        known.insert(0, (t, value))
        older = known[1 : min(order, i + 1)]
        h = levels[i + 1].log_snr - t.log_snr
        nodes = [(level.log_snr - t.log_snr) / h for level, _ in older]
        values = [value, *(v for _, v in older)]
        if nodes:
            states.append(_uni(nodes, values, b_of_h, t, levels[i + 1], x, target))
        else:
            states.append(_first_order(x, value, t, levels[i + 1], target))
    return states


def _first_order(x: Tensor, value: Tensor, t, s, target: str) -> Tensor:
    h = s.log_snr - t.log_snr
    if target == "eps":
        return s.alpha / t.alpha * x - s.sigma * math.expm1(h) * value
    return s.sigma / t.sigma * x - s.alpha * math.expm1(-h) * value


@pytest.mark.parametrize("target", ["x0", "eps"])
@pytest.mark.parametrize(("b_of_h", "quadrature"), [("B1", "endpoint"), ("B2", "midpoint")])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unip_and_unipc_as_published(order: int, b_of_h: str, quadrature, target) -> None:
    """For k = 2 and B2 the predictor alone is DPM-Solver++ 2M, see test_equivalences."""
    predictor = ExponentialMultistep(order, quadrature=quadrature, target=target)
    _same(_run(predictor, _levels()), _unipc(_levels(), order, b_of_h, target, corrector=False))
    _same(
        _run(predictor, _levels()), _run(UniPC(order, VARIANTS[b_of_h], target, corrector=False), _levels())
    )
    _same(_run(unipc(order, VARIANTS[b_of_h], target), _levels()), _unipc(_levels(), order, b_of_h, target))


def test_dpm_solver_2m_in_eps() -> None:
    """Lu et al. 2022 (DPM-Solver++), appendix: the multistep forms in eps, as ODE and as SDE."""
    before, t, s = _levels()[:3]
    x1 = _first_order(X, _eps(X, before), before, t, "eps")
    h, r = s.log_snr - t.log_snr, (t.log_snr - before.log_snr) / (s.log_snr - t.log_snr)
    slope = (_eps(x1, t) - _eps(X, before)) / r
    for quadrature, factor in (("midpoint", math.expm1(h) / 2), ("exact", math.expm1(h) / h - 1)):
        state = (Past(before, _eps(X, before)),)
        solver = ExponentialMultistep(2, quadrature=quadrature, target="eps")
        got = solver.step(state, x1, _denoise, t, s, noise=no_noise).x
        expected = _first_order(x1, _eps(x1, t), t, s, "eps") - s.sigma * factor * slope
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
        got = dataclasses.replace(solver, eta=1.0).step(state, x1, _denoise, t, s, noise=lambda *_: Z[0])
        sde = s.alpha / t.alpha * x1 - 2 * s.sigma * math.expm1(h) * _eps(x1, t)
        sde = sde - 2 * s.sigma * factor * slope + s.sigma * math.sqrt(math.expm1(2 * h)) * Z[0]
        torch.testing.assert_close(got.x, sde, rtol=1e-9, atol=1e-9)


def _lagrange(nodes: list[float], i: int, u: float) -> float:
    return math.prod((u - other) / (nodes[i] - other) for j, other in enumerate(nodes) if j != i)


@pytest.mark.parametrize(
    ("solver", "of_rho"),
    [
        *((LMS(k), lambda rho: rho) for k in (1, 2, 3, 4)),
        *((ExponentialMultistep(k, target="eps"), math.log) for k in (1, 2, 3)),
        *((DEIS(k), math.log) for k in (1, 2, 3)),
    ],
    ids=named,
)
def test_lms_and_deis_integrate_their_polynomials_over_rho(solver, of_rho) -> None:
    """Zhang & Chen 2023 (DEIS), in the coordinates x / alpha and rho; in rho also k-diffusion's LMS."""
    levels = _levels()
    rhos = [level.sigma / level.alpha for level in levels]
    states, values = [X], []
    for i in range(len(levels) - 1):
        values.append(_eps(states[-1], levels[i]))
        used = range(i, max(-1, i - solver.order), -1)
        nodes = [of_rho(rhos[j]) for j in used]
        y = states[-1] / levels[i].alpha
        for k, j in enumerate(used):
            weight = quad(lambda rho, n=nodes, k=k: _lagrange(n, k, of_rho(rho)), rhos[i], rhos[i + 1])[0]
            y = y + weight * values[j]
        states.append(y * levels[i + 1].alpha)
    _same(_run(solver, levels), states)


@pytest.mark.parametrize("start", ["euler", "heun"])
def test_ipndm_and_plms_as_published(start) -> None:
    """Liu et al. 2022 (PNDM), eq. 9 for the transfer and eq. 12 for the weights."""
    levels = _levels(PROCESSES["preserving"])
    tables = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]]

    def transfer(x: Tensor, eps: Tensor, t: Level[float], s: Level[float]) -> Tensor:
        now, then = t.alpha**2, s.alpha**2
        below = math.sqrt(now) * (math.sqrt((1 - then) * now) + math.sqrt((1 - now) * then))
        return math.sqrt(then / now) * x - (then - now) / below * eps

    x, values, states = X, [], [X]
    for i, (t, s) in enumerate(itertools.pairwise(levels)):
        values.insert(0, _eps(x, t))
        eps = sum(w * value for w, value in zip(tables[min(i, 3)], values, strict=False))
        if i == 0 and start == "heun":
            eps = (eps + _eps(transfer(x, eps, t, s), s)) / 2
        x = transfer(x, eps, t, s)
        states.append(x)
    _same(_run(IPNDM(4) if start == "euler" else PLMS(), levels), states)


def _sa_solver(levels, predictor: int, corrector: int, eta, target: str) -> list[Tensor]:
    """Xue et al. 2023, algorithm 1 by numerical integration; ``corrector`` counts its nodes."""

    def move(x, z, t, s, nodes, values):
        tau2, h = eta(t), s.log_snr - t.log_snr
        if target == "x0":
            result = s.sigma / t.sigma * math.exp(-tau2 * h) * x
            result = result + s.sigma * math.sqrt(-math.expm1(-2 * tau2 * h)) * z
        else:
            result = s.alpha / t.alpha * x + s.sigma * math.sqrt(tau2 * math.expm1(2 * h)) * z
        for i, value in enumerate(values):

            def integrand(log_snr: float, i: int = i) -> float:
                if target == "x0":
                    kernel = s.sigma * math.exp(-tau2 * (s.log_snr - log_snr) + log_snr)
                else:
                    kernel = -s.alpha * math.exp(-log_snr)
                return (1 + tau2) * kernel * _lagrange(nodes, i, log_snr)

            result = result + quad(integrand, t.log_snr, s.log_snr)[0] * value
        return result

    x, states, known = X, [X], []
    for i, t in enumerate(levels[:-1]):
        value = _value(target, states[-1], t)
        if i > 0 and corrector > 0:
            used = [(t.log_snr, value), *known][:corrector]
            x = move(x, Z[i - 1], levels[i - 1], t, *zip(*used, strict=True))
        else:
            x = states[-1]
        known.insert(0, (t.log_snr, value))
        states.append(move(x, Z[i], t, levels[i + 1], *zip(*known[:predictor], strict=True)))
    return states


@pytest.mark.parametrize("target", ["x0", "eps"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("corrector", [0, 1, 2, 3, 4])
def test_sa_solver_as_published(predictor: int, corrector: int, target) -> None:
    for eta in (lambda _: 0.0, lambda _: 0.6, strong_in_the_middle):
        solver = ExponentialMultistep(predictor, eta, target=target, corrector=corrector)
        _same(_run(solver, _levels()), _sa_solver(_levels(), predictor, corrector, eta, target))


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_endpoint_is_what_the_authors_of_sa_solver_add_at_two_nodes(tau: float) -> None:
    """Their code replaces the first moment of the kernel by h**2 / 2, for predictor and corrector."""
    before, t, s = _levels()[:3]
    state, rise = (Past(before, torch.sin(X)),), 1 + tau**2
    h = s.log_snr - t.log_snr
    exact = s.alpha * (h - (1 - math.exp(-rise * h)) / rise)
    added = s.alpha * rise * (h**2 / 2) - exact
    slope = (_denoise(X, t).x0 - state[0].value) / (t.log_snr - before.log_snr)
    runs = [
        ExponentialMultistep(2, tau**2, quadrature).step(state, X, _denoise, t, s, noise=lambda *_: Z[0])
        for quadrature in ("exact", "endpoint")
    ]
    torch.testing.assert_close(runs[1].x - runs[0].x, added * slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("target", ["x0", "eps"])
def test_no_noise_is_the_probability_flow_bit_for_bit(target) -> None:
    flow = ExponentialMultistep(3, target=target, corrector=4)
    silent = dataclasses.replace(flow, eta=lambda _: 0.0)
    assert silent.stochastic
    assert not flow.stochastic
    for a, b in zip(_run(flow, _levels()), _run(silent, _levels()), strict=True):
        assert torch.equal(a, b)


# predictions with an eps of their own

FIRST = [
    ExponentialMultistep(1),
    ExponentialMultistep(1, target="eps"),
    UniPC(1, corrector=False),
    DEIS(1),
    LMS(1),
    IPNDM(1),
    FlowAdams(1),
    GradientEstimation(1.0),
]
HIGHER = [
    ExponentialMultistep(3),
    ExponentialMultistep(2, target="eps"),
    unipc(2),
    unipc(3, "bh2", "eps"),
    DPMpp2M(),
    DPMpp3M(),
    DPMSolver2M(),
    DEIS(),
    LMS(),
    PLMS(),
    GradientEstimation(),
    FlowAdams(2),
    FlowAdams(3),
    FlowAdams(2, corrector=True),
    SASolver(3, 4, 0.0),
]


def _apart(x: Tensor, level: Level[float]) -> Prediction:
    """A guided x0 beside an unguided eps, as in CFG++."""
    return Prediction(_denoise(x, level).x0 * 1.4, _eps(x, level))


@pytest.mark.parametrize("end", [1.0, 0.3, 0.0], ids=["from noise", "midway", "to data"])
@pytest.mark.parametrize("solver", FIRST, ids=named)
def test_first_order_follows_a_separate_eps_as_ddim_does(solver: Solver, end: float) -> None:
    """Chung et al. 2024 (CFG++), algorithm 2: x_s = alpha_s x0 + sigma_s eps."""
    levels = [FLOW.level(t) for t in ((1.0, 0.7, 0.5) if end == 1 else (0.7, 0.5, end))]
    _same(_run(solver, levels, denoise=_apart), _run(DDIM(), levels, denoise=_apart))


def test_the_first_order_sde_follows_a_separate_eps_as_ddpm_does() -> None:
    _same(*(_run(solver, _levels(), denoise=_apart) for solver in (ExponentialMultistep(1, 1.0), DDIM(1.0))))


@pytest.mark.parametrize("solver", HIGHER, ids=named)
def test_the_implied_eps_changes_nothing(solver: Solver) -> None:
    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        return Prediction(_denoise(x, level).x0, _eps(x, level))

    _same(_run(solver, _levels(), denoise=denoise), _run(solver, _levels()))


@pytest.mark.parametrize("solver", HIGHER, ids=named)
def test_a_constant_prediction_is_reached_by_every_order(solver: Solver) -> None:
    """x0 and eps that never change: the end is alpha x0 + sigma eps whatever the history."""
    levels = _levels()
    ends = _run(solver, levels, denoise=lambda *_: Prediction(Z[0], Z[1]))
    for level, x in zip(levels[1:], ends[1:], strict=True):
        torch.testing.assert_close(x, level.alpha * Z[0] + level.sigma * Z[1])


# noise

STOCHASTIC = [
    ExponentialMultistep(2, 1.0, target="eps"),
    ExponentialMultistep(3, 0.5, target="eps"),
    ExponentialMultistep(2, 1.0, corrector=2),
    ExponentialMultistep(3, 0.5, "endpoint", corrector=4),
    ExponentialMultistep(2, 1.0, target="eps", corrector=3),
    ExponentialMultistep(3, strong_in_the_middle, corrector=4),
    DPMpp2M(1.0),
    DPMpp3M(1.0),
    DPMSolver2M(1.0),
    SASolver(3, 4, 1.0),
]


@pytest.mark.parametrize(
    ("solver", "run"),
    striped(STOCHASTIC, list(itertools.product(["preserving", "flow"], [0.5, math.inf])), 2),
    ids=named,
)
def test_marginal_mean_and_variance(solver: Solver, run: tuple[str, float]) -> None:
    """At a level midway or of the data."""
    (process, end), data = run, Gaussian()
    chain = PROCESSES[process]
    log_snrs = [-3 + (min(end, 6) + 3) * i / 150 for i in range(151)]
    times = [chain.t_of_log_snr(log_snr) for log_snr in log_snrs]
    grid = TimeGrid((*times, 0.0) if end == math.inf else tuple(times))
    first, last = level_at(chain, -3), chain.level(grid.times[-1])
    start = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x = first.alpha * data.mean + math.hypot(first.alpha * data.std, first.sigma) * start
    result = sample(denoiser_of(data), chain, grid, solver, noise=NoiseSource([11]), x=x).x
    std = math.hypot(last.alpha * data.std, last.sigma)
    # Four standard errors of a sample of this size, and the solver's own error at 150 steps.
    assert float(result.mean()) == pytest.approx(last.alpha * data.mean, abs=4 * std / 20_000**0.5 + 0.005)
    assert float(result.std()) == pytest.approx(std, rel=4 / 40_000**0.5 + 0.015)
    assert abs(float(torch.corrcoef(torch.cat([start, result]))[0, 1])) < 0.97


@pytest.mark.parametrize("solver", STOCHASTIC, ids=named)
def test_a_step_tells_its_mean_and_its_noise(solver: Solver) -> None:
    """From one state, the step before corrected, two draws have one mean and the draws they say."""
    first, second, third = FLOW.level(0.6), FLOW.level(0.5), FLOW.level(0.4)
    made = solver.step((), X, _denoise, first, second, noise=lambda *_: Z[0])
    pair = [
        solver.step(made.state, made.x, _denoise, second, third, noise=lambda *_, z=z: z)
        for z in (Z[1], Z[2])
    ]
    assert pair[0].std == pair[1].std > 0
    torch.testing.assert_close(pair[0].x - pair[0].std * Z[1], pair[1].x - pair[1].std * Z[2])
    end = solver.step(made.state, made.x, _denoise, second, FLOW.level(0.0), noise=no_noise)
    assert (end.std, end.z) == (0.0, None)


# runs

RUNS = [*HIGHER, *STOCHASTIC[1:5:3], *STOCHASTIC[6:]]


def _network(x, c_noise, _):
    return torch.tanh(x * 1.3) - 0.4 * x * c_noise[:, None, None, None]


@pytest.mark.parametrize("solver", RUNS, ids=named)
def test_a_batch_equals_its_single_runs_bit_for_bit(solver: Solver) -> None:
    def run(*seeds: int) -> Tensor:
        model = ModelDenoiser(_network, FLOW, Velocity())
        return sample(model, FLOW, TimeGrid.uniform(7), solver, noise=NoiseSource(seeds), shape=(3, 8, 8)).x

    batch = run(3, 0, 17)
    for i, seed in enumerate((3, 0, 17)):
        assert torch.equal(batch[i : i + 1], run(seed))


@pytest.mark.parametrize("solver", RUNS, ids=named)
def test_a_pickled_step_resumes_to_the_same_bits(solver: Solver) -> None:
    noise, grid = NoiseSource([5]), TimeGrid.uniform(6)
    steps = list(iterate(MODEL, FLOW, grid, solver, x=X, noise=noise))
    for step in steps[:-1]:
        copy = pickle.loads(pickle.dumps(step))
        *_, last = iterate(MODEL, FLOW, grid, solver, x=X, noise=noise, after=copy)
        assert torch.equal(last.x, steps[-1].x)


@pytest.mark.parametrize("solver", RUNS, ids=named)
def test_only_log_snr_matters(solver: Solver) -> None:
    ends = []
    for process in PROCESSES.values():
        times = (process.t_of_log_snr(-2 + 5 * i / 12) for i in range(13))
        grid = TimeGrid((*times, 0.0))
        x = X * 4 * process.level(grid.times[0]).alpha
        ends.append(sample(MODEL, process, grid, solver, noise=NoiseSource([7]), x=x).x)
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("solver", RUNS, ids=named)
def test_runs_from_pure_noise_to_clean_data_are_finite(solver: Solver) -> None:
    for name, steps in itertools.product(PROCESSES, (1, 2, 3, 10)):
        grid, noise = TimeGrid.uniform(steps), NoiseSource([1])
        end = sample(denoiser_of(Gaussian()), PROCESSES[name], grid, solver, noise=noise, shape=(4,)).x
        assert end.isfinite().all(), (name, steps)


@pytest.mark.parametrize("solver", HIGHER, ids=named)
def test_a_step_from_pure_noise_and_to_clean_data_is_ddim(solver: Solver) -> None:
    noise, near, data = FLOW.level(1.0), FLOW.level(0.8), FLOW.level(0.0)
    start = solver.step((), X, _denoise, noise, near, noise=no_noise)
    torch.testing.assert_close(start.x, DDIM().step((), X, _denoise, noise, near, noise=no_noise).x)
    end = solver.step(start.state, start.x, _denoise, near, data, noise=no_noise)
    if not isinstance(solver, (LMS, PLMS, FlowAdams)):  # whose variable is finite at pure noise
        torch.testing.assert_close(end.x, end.x0)


@pytest.mark.parametrize("solver", HIGHER, ids=named)
def test_running_backwards_undoes_a_run(solver: Solver) -> None:
    """From little noise to pure noise and back; the error falls with the steps."""
    errors = []
    for steps in (100, 200):
        grid = TimeGrid(tuple(1 - 0.98 * i / steps for i in range(steps + 1)))
        x = torch.linspace(-1.5, 2, 20, dtype=torch.float64)[None]
        denoiser, noise = denoiser_of(Gaussian()), NoiseSource([0])
        s = sample(denoiser, FLOW, grid.reverse(), solver, noise=noise, x=x).x
        back = sample(denoiser, FLOW, grid, solver, noise=noise, x=s).x
        errors.append(float((back - x).abs().max()))
    first_order = isinstance(solver, GradientEstimation)
    assert errors[1] < min(0.03 if first_order else 0.01, max(errors[0] / 1.8, 1e-4))


@pytest.mark.parametrize("solver", RUNS, ids=named)
def test_history_from_before_a_turn_is_no_node(solver: Solver) -> None:
    """Where noise is added between steps, a level returns: the step is that of a fresh start."""
    t, s = FLOW.level(0.6), FLOW.level(0.4)
    for earlier in (0.6, 0.5, 0.3):
        state = (Past(FLOW.level(earlier), Z[3]),)
        steps = [solver.step(before, X, _denoise, t, s, noise=lambda *_: Z[0]).x for before in ((), state)]
        assert torch.equal(*steps)


@pytest.mark.parametrize("solver", HIGHER, ids=named)
def test_a_step_to_the_same_level_changes_nothing(solver: Solver) -> None:
    """Where a process keeps its end, two times may share a level."""
    levels = _levels()
    states = _run(solver, [*levels[:4], levels[3], levels[4]])
    if not solver.corrects:  # which would change the step before
        torch.testing.assert_close(states[4], states[3])
    assert states[5].isfinite().all()


@pytest.mark.parametrize("solver", [unipc(2), unipc(3, "bh2", "eps")], ids=named)
def test_a_state_moved_by_someone_else_is_not_corrected(solver: UniPC) -> None:
    first, second, third, fourth = (FLOW.level(t) for t in (0.8, 0.7, 0.65, 0.5))
    state = solver.step((), X, _denoise, first, second, noise=no_noise).state
    plain = dataclasses.replace(solver, corrector=False)
    history = plain.step((), X, _denoise, first, second, noise=no_noise).state
    moved = solver.step(state, X * 0.9, _denoise, third, fourth, noise=no_noise).x
    torch.testing.assert_close(moved, plain.step(history, X * 0.9, _denoise, third, fourth, noise=no_noise).x)


@pytest.mark.parametrize(("solver", "order"), [(s, o) for s, o in ORDERS if o > 1], ids=named)
def test_no_more_states_than_the_order_and_two(solver: Solver, order: int) -> None:
    held = 3 if isinstance(solver, DPMpp3M) else max(order, getattr(solver, "order", order))
    for step in iterate(MODEL, FLOW, TimeGrid.uniform(8), solver, x=X, noise=NoiseSource([0])):
        tensors = [part for past in step.state for part in past if isinstance(part, Tensor)]
        assert len(tensors) + len(("x", "x before", "prediction")) <= held + 2


def test_evaluations() -> None:
    for solver, expected in (
        (unipc(3), 10),
        (LMS(4), 10),
        (PLMS(), 11),
    ):
        grid = TimeGrid(tuple(0.95 - 0.09 * i for i in range(11)))
        assert sample(MODEL, FLOW, grid, solver, noise=NoiseSource([0]), x=X).nfe == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExponentialMultistep(0),
        lambda: ExponentialMultistep(2, -0.1),
        lambda: ExponentialMultistep(2, target="v"),
        lambda: ExponentialMultistep(2, quadrature="bh3"),
        lambda: ExponentialMultistep(2, corrector=-1),
        lambda: UniPC(4),
        lambda: UniPC(2, "bh3"),
        lambda: UniPC(2, target="v"),
        lambda: SASolver(4),
        lambda: SASolver(2, 5),
        lambda: SASolver(tau=-1.0),
        lambda: _run(SASolver(tau=lambda t, s: -t.alpha), _levels()),
        lambda: DPMpp2M(-0.1),
        lambda: DPMpp2M(kind="exact"),
        lambda: DPMpp3M(math.nan),
        lambda: DPMSolver2M(-1.0),
        lambda: DPMSolver2M(kind="exact"),
        lambda: DEIS(4),
        lambda: LMS(5),
        lambda: IPNDM(0),
        lambda: FlowAdams(5),
        lambda: FlowAdams(True),
        lambda: GradientEstimation(math.inf),
        lambda: _run(ExponentialMultistep(2, lambda level: -level.alpha), _levels()),
    ],
)
def test_impossible_settings_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must"):
        make()


def test_items_whose_velocity_changes_to_and_fro_take_uncorrected_steps_of_euler() -> None:
    """The second item is smooth. The first turns back at the third level, and its next step is Euler's."""
    velocities = torch.tensor([[0.0, 1.0, 0.5, 0.2], [0.0, 1.0, 1.5, 1.8]], dtype=torch.float64)
    grid = TimeGrid.uniform(4)

    def end(rows: Sequence[int], **settings: float) -> torch.Tensor:
        calls = itertools.count()

        def denoise(
            x: torch.Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
        ) -> Prediction:
            return Prediction(x - level.sigma * velocities[rows, next(calls)][:, None])

        x, noise = torch.ones(len(rows), 1, dtype=torch.float64), NoiseSource(rows)
        return sample(denoise, FLOW, grid, FlowAdams(2, True, **settings), noise=noise, x=x).x

    def integral(levels: Sequence[int], start: float, stop: float) -> float:
        u = [grid.times[i] for i in levels]
        whole = np.polyint(np.polyfit(u, velocities[0, list(levels)].numpy(), len(u) - 1))
        return float(np.polyval(whole, stop) - np.polyval(whole, start))

    turned = 1 + integral((0, 1), 1.0, 0.75) + integral((0, 1), 0.75, 0.5)  # not corrected to (0, 1, 2)
    turned += integral((1, 2, 3), 0.5, 0.25) + integral((2, 3), 0.25, 0.0)  # Euler's, corrected
    both = end([0, 1], stable_above=0.0)
    assert float(both[0]) == pytest.approx(turned, rel=1e-12)
    assert torch.equal(both[1:], end([1]))
    assert torch.equal(both[:1], end([0], stable_above=0.0))
    assert not torch.equal(both[:1], end([0]))
    for wrong in (-1.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="stable_above must lie in"):
            FlowAdams(stable_above=wrong)
