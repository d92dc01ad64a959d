"""Every deterministic solver converges at its stated order, for every process and parameterization."""

from __future__ import annotations

import functools

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, flow_of, level_at, no_noise, slope_of
from exponential_oracle import ExponentialMultistep

from gen.diffusion import (
    DDIM,
    EDM,
    Conditioning,
    Epsilon,
    Heun,
    Memory,
    NoiseSource,
    Parameterization,
    Process,
    Sample,
    Score,
    Solver,
    TimeGrid,
    Velocity,
    VPrediction,
    sample,
)
from gen.diffusion.solvers import Past

ORDERS: list[tuple[Solver, int]] = [
    (DDIM(), 1),
    (Heun(), 2),
    (ExponentialMultistep(1), 1),
    (ExponentialMultistep(2), 2),
    (ExponentialMultistep(2, quadrature="midpoint"), 2),
    (ExponentialMultistep(3), 3),
]
PARAMETERIZATIONS = [Epsilon(), Sample(), VPrediction(), Velocity(), Velocity(-1), Score(), EDM()]
START, END, WARM, STEPS = -1.6, 2.4, 2, (80, 160, 320)
STARTS = torch.linspace(-2, 2, 7, dtype=torch.float64)[None] * 5


@functools.cache
def _flow(distribution, log_snrs: tuple[float, ...]):
    return flow_of(distribution, STARTS, log_snrs)


def _error(
    solver: Solver, process: Process, parameterization: Parameterization, distribution, steps: int
) -> float:
    """The largest error at the end, with the history of a multistep method taken from the exact flow."""
    h = (END - START) / steps
    log_snrs = tuple(START + i * h for i in range(-WARM, steps + 1))
    exact = _flow(distribution, log_snrs)
    levels = [level_at(process, log_snr) for log_snr in log_snrs]
    model = denoiser_of(distribution, parameterization)

    def denoise(x, level):
        return model(x, level, Conditioning(), Memory())

    state = tuple(
        Past(levels[i], denoise(exact[i] * levels[i].alpha, levels[i]).x0) for i in reversed(range(WARM))
    )
    x = exact[WARM] * levels[WARM].alpha
    for t, s in zip(levels[WARM:], levels[WARM + 1 :], strict=False):
        update = solver.step(state, x, denoise, t, s, noise=no_noise)
        x, state = update.x, update.state
    return float((x / levels[-1].alpha - exact[-1]).abs().max())


@pytest.mark.parametrize("distribution", [Gaussian(), Mixture()], ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize(("solver", "order"), ORDERS, ids=str)
def test_order_on_every_process(solver: Solver, order: int, process: str, distribution) -> None:
    errors = {n: _error(solver, PROCESSES[process], VPrediction(), distribution, n) for n in STEPS}
    assert slope_of(errors) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS, ids=repr)
@pytest.mark.parametrize(("solver", "order"), ORDERS, ids=str)
def test_order_with_every_parameterization(solver: Solver, order: int, parameterization) -> None:
    process = PROCESSES["preserving"]
    errors = {n: _error(solver, process, parameterization, Gaussian(), n) for n in STEPS}
    assert slope_of(errors) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("solver", [solver for solver, _ in ORDERS], ids=str)
def test_whole_runs_from_noise_to_data_converge(solver: Solver) -> None:
    """From t = 1, where a flow has no signal at all, the loop's own start and end included."""
    process, distribution = PROCESSES["flow"], Gaussian()
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    errors = {}
    for n in (40, 80, 160):
        grid = TimeGrid.uniform(n)
        end = sample(denoiser_of(distribution), process, grid, solver, noise=NoiseSource([0]), x=x).x
        errors[n] = float((end - (distribution.mean + distribution.std * x)).abs().max())
    assert slope_of(errors) > 0.85  # the last step, to t = 0, is of first order for every solver
    assert errors[160] < 0.02
