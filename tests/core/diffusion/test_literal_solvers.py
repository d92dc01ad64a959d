"""Every solver that is a case of the exponential integrator equals it, and what is at the ends of a run."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, level_at, named, no_noise
from exponential_oracle import ExponentialMultistep, ExponentialRungeKutta
from torch import Tensor

from gen.diffusion import (
    Ancestral,
    Churn,
    DPMpp2M,
    DPMpp3M,
    FlowAdams,
    Heun,
    Level,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    SASolver,
    Solver,
    TimeGrid,
    UniPC,
    sample,
)
from gen.diffusion.solvers import (
    DEIS,
    CFGpp2M,
    DPMpp2S,
    DPMpp3S,
    DPMSolver2,
    DPMSolver2M,
    DPMSolver3,
    Langevin,
    PredictorCorrector,
)

MULTISTEP, RUNGE_KUTTA = ExponentialMultistep, ExponentialRungeKutta
X = torch.randn(1, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
SAME: list[tuple[Solver, Solver]] = [
    (DPMpp2M(), MULTISTEP(2, quadrature="midpoint")),
    (DPMpp2M(kind="heun"), MULTISTEP(2)),
    (DPMpp2M(1.0), MULTISTEP(2, 1.0, "midpoint")),
    (DPMpp2M(0.5, "heun"), MULTISTEP(2, 0.5)),
    (DPMSolver2M(), MULTISTEP(2, 0.0, "midpoint", "eps")),
    (DPMSolver2M(kind="heun"), MULTISTEP(2, target="eps")),
    (DPMSolver2M(1.0), MULTISTEP(2, 1.0, "midpoint", "eps")),
    (DPMSolver2M(0.3), MULTISTEP(2, 0.3, "midpoint", "eps")),
    (DPMpp2S(), RUNGE_KUTTA(2)),
    (DPMpp2S(1 / 3), RUNGE_KUTTA(2, node=1 / 3)),
    (DPMpp2S(eta=1.0), RUNGE_KUTTA(2, eta=1.0)),
    (DPMpp2S(0.4, eta=0.5), RUNGE_KUTTA(2, node=0.4, eta=0.5)),
    (DPMpp3S(), RUNGE_KUTTA(3)),
    (DPMSolver2(), RUNGE_KUTTA(2, "eps")),
    (DPMSolver2(0.7), RUNGE_KUTTA(2, "eps", 0.7)),
    (DPMSolver3(), RUNGE_KUTTA(3, "eps")),
    (Heun(), RUNGE_KUTTA(2, "eps", 1.0)),
    *((DEIS(order), MULTISTEP(order, target="eps")) for order in (1, 2, 3)),
    *(
        (
            UniPC(order, variant, target, corrector),
            MULTISTEP(order, 0.0, quadrature, target, order + 1 if corrector else 0),
        )
        for order in (1, 2, 3)
        for variant, quadrature in (("bh1", "endpoint"), ("bh2", "midpoint"))
        for target in ("x0", "eps")
        for corrector in (True, False)
    ),
    *(
        (
            SASolver(predictor, corrector, tau, simple),
            MULTISTEP(predictor, tau**2, "endpoint" if simple else "exact", corrector=corrector),
        )
        for predictor in (1, 2, 3)
        for corrector in (0, 1, 2, 3, 4)
        for tau in (0.0, 0.7, 1.0)
        for simple in (False, True)
    ),
]


def _denoise(x: Tensor, level: Level[float]) -> Prediction:
    return Prediction(Mixture().x0(x, level))


def _run(solver: Solver, levels: list[Level[float]]) -> list[Tensor]:
    x, state, found = X, (), []
    for i, (t, s) in enumerate(itertools.pairwise(levels)):
        update = solver.step(state, x, _denoise, t, s, noise=NoiseSource([3]).at(i))
        x, state = update.x, update.state
        found.append(x)
    return found


@pytest.mark.parametrize(("solver", "oracle"), SAME, ids=named)
def test_the_solver_is_its_case_of_the_exponential_integrator(solver: Solver, oracle: Solver) -> None:
    for process in PROCESSES.values():
        levels = [level_at(process, value) for value in (-1.9, -1.2, -0.8, -0.1, 0.3, 1.0, 1.4)]
        for found, expected in zip(_run(solver, levels), _run(oracle, levels), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def _error(solver: Solver, times: list[float]) -> float:
    """Root mean square distance from the exact flow of a Gaussian."""
    data = Gaussian(0.4, 1.55)
    start = RectifiedFlow().level(times[0])
    spread = torch.linspace(-2, 2, 41, dtype=torch.float64)[None]
    std = (start.alpha**2 * data.std**2 + start.sigma**2) ** 0.5
    x = start.alpha * data.mean + std * spread
    end = sample(
        denoiser_of(data), RectifiedFlow(), TimeGrid(tuple(times)), solver, noise=NoiseSource([0]), x=x
    ).x
    return float((end - (data.mean + data.std * spread)).square().mean().sqrt())


@pytest.mark.parametrize("steps", [5, 10, 20])
def test_heun_from_nearly_pure_noise_is_as_good_as_from_pure_noise(steps: int) -> None:
    grid = [1 - i / steps for i in range(steps + 1)]
    assert _error(Heun(), [0.999, *grid[1:]]) < 1.1 * _error(Heun(), grid) < 0.2


@pytest.mark.parametrize("solver", [DPMpp2M(), DPMpp3M(), UniPC(1), UniPC(2), UniPC(3), DEIS()], ids=named)
def test_a_run_from_pure_noise_is_as_good_as_one_from_nearly_pure_noise(solver: Solver) -> None:
    """The prediction at alpha = 0 counts, and UniPC in x0 corrects the first step."""
    grid = [1 - i / 5 for i in range(6)]
    assert _error(solver, grid) < 1.1 * _error(solver, [0.999, *grid[1:]])


@pytest.mark.parametrize("steps", [8, 10])
@pytest.mark.parametrize(
    "solver", [DPMpp3M(), UniPC(), UniPC(variant="bh1"), DEIS(), SASolver(tau=0.0)], ids=named
)
def test_the_order_is_lowered_before_a_last_step_that_is_small(solver: Solver, steps: int) -> None:
    """In equal steps, but the step before the last goes as far as 0.001."""
    times = [*(1 - i / (steps - 1) for i in range(steps - 1)), 0.001, 0.0]
    unlowered = replace(solver, lower_order_final=False)
    assert _error(solver, times) < 0.8 * _error(unlowered, times)


@pytest.mark.parametrize(
    "corrector", [UniPC(), SASolver(tau=0.0), SASolver(2, 2, 0.0), FlowAdams(corrector=True)], ids=named
)
def test_what_moves_x_between_the_steps_refuses_a_corrector(corrector: Solver) -> None:
    for make in (
        Ancestral,
        lambda inner: Churn(inner, 0.1),
        lambda inner: PredictorCorrector(inner, Langevin()),
    ):
        with pytest.raises(ValueError, match="must have no corrector"):
            make(corrector)


@pytest.mark.parametrize("inner", [DPMpp2M(), DPMpp3M(), UniPC(3, corrector=False), DEIS()], ids=named)
def test_multistep_solvers_without_a_corrector_go_with_ancestral_steps_and_churn(inner: Solver) -> None:
    """The marginals stay those of the data; an extrapolation across new noise takes small steps."""
    data = Gaussian()
    for solver, steps in ((Ancestral(inner), 160), (Churn(inner, 0.05), 40)):
        grid = TimeGrid.uniform(steps)
        end = sample(
            denoiser_of(data), RectifiedFlow(), grid, solver, noise=NoiseSource([1]), shape=(4000,)
        ).x
        assert float(end.mean()) == pytest.approx(data.mean, abs=0.06)
        assert float(end.std()) == pytest.approx(data.std, rel=0.06)


def test_an_ancestral_step_lowers_the_order_of_its_solver_where_that_lowers_it() -> None:
    levels = [RectifiedFlow().level(1 - i / 6) for i in range(7)]
    runs = [
        _run(Ancestral(inner).on(levels), levels)[-2] for inner in (DEIS(), DEIS(lower_order_final=False))
    ]
    assert not torch.equal(*runs)


def test_a_step_of_order_one_needs_no_noise() -> None:
    level, end = RectifiedFlow().level(0.5), RectifiedFlow().level(0.0)
    for solver in (DPMpp2M(1.0), DPMpp3M(1.0), DPMpp2S(eta=1.0), SASolver()):
        update = solver.step((), X, _denoise, level, end, noise=no_noise)
        torch.testing.assert_close(update.x, update.x0)


def test_cfg_pp_without_guidance_is_the_solver_itself() -> None:
    levels = [RectifiedFlow().level(1 - i / 6) for i in range(7)]
    for ours, plain in (
        (CFGpp2M(), DPMpp2M()),
        (CFGpp2M(kind="heun"), DPMpp2M(kind="heun")),
    ):
        for a, b in zip(_run(ours, levels), _run(plain, levels), strict=True):
            torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="kind must be"):
        CFGpp2M(kind="midway")
