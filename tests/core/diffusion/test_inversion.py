"""Inversion: what a solver turns into the data, for every solver that draws no noise."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from exact import PROCESSES, Distribution, Gaussian, Mixture, denoiser_of, level_at, slope_of

from gen import presets
from gen.diffusion import (
    DDIM,
    ClassifierFree,
    Condition,
    Conditioning,
    NoiseSource,
    Prediction,
    Process,
    TimeGrid,
    guided,
    invert,
    sample,
)
from thinning import striped

NOTHING = NoiseSource([0])
DATA = torch.linspace(-1.5, 2, 20, dtype=torch.float64)[None]
SOLVERS = {
    preset.name: presets.solver(preset.name)
    for preset in presets.SOLVERS.values()
    if not preset.stochastic and presets.solver(preset.name).stochastic is False
}


def _grid(process, steps: int, high: float = 3.0, low: float = -3.0) -> TimeGrid:
    """Equal steps of log_snr from low to high."""
    values = (low + (high - low) * i / steps for i in range(steps + 1))
    return TimeGrid(tuple(process.t_of_log_snr(value) for value in values))


@pytest.mark.parametrize(("name", "process"), striped(SOLVERS, list(PROCESSES.values()), 4))
def test_the_way_back_misses_by_the_order_of_the_solver(name: str, process: Process) -> None:
    solver, denoiser = SOLVERS[name], denoiser_of(Gaussian())
    errors = {}
    for steps in (40, 80, 160):
        grid = _grid(process, steps)
        x = DATA * process.level(grid.times[-1]).alpha
        noise = invert(denoiser, process, grid, solver, x).x
        errors[steps] = (
            (sample(denoiser, process, grid, solver, noise=NOTHING, x=noise).x - x).abs().max().item()
        )
    # A multistep method starts with order 1, which costs one error of order 2 at either end.
    assert slope_of(errors) > min(presets.SOLVERS[name].order, 2) - 0.25 or errors[160] < 1e-5


@pytest.mark.parametrize(
    ("name", "case"), striped(SOLVERS, list(product(PROCESSES, (Gaussian(), Mixture()))), 8)
)
def test_data_comes_back(name: str, case: tuple[str, Distribution]) -> None:
    """From t = 0 itself to the noisiest level and back, with the grid of an ordinary run."""
    process, distribution = PROCESSES[case[0]], case[1]
    grid = TimeGrid.karras(300, process)
    denoiser = denoiser_of(distribution)
    latent = invert(denoiser, process, grid, SOLVERS[name], DATA)
    assert latent.x.isfinite().all()
    back = sample(denoiser, process, grid, SOLVERS[name], noise=NOTHING, x=latent.x).x
    torch.testing.assert_close(back, DATA, rtol=0, atol=0.1)


def test_the_step_from_data_undoes_the_step_to_data_to_fourth_order() -> None:
    process, denoiser = PROCESSES["cosine"], denoiser_of(Mixture())
    errors = {}
    for ratio in (10, 20, 40, 80):
        t = process.t_of_log_snr(torch.tensor(float(ratio)).log().item())
        near = TimeGrid((t, 0.0))
        x = invert(denoiser, process, near, DDIM(), DATA).x
        errors[ratio] = (
            (sample(denoiser, process, near, DDIM(), noise=NOTHING, x=x).x - DATA).abs().max().item()
        )
    assert slope_of(errors) == pytest.approx(4, abs=0.3)


def test_what_is_found_is_where_the_flow_leads() -> None:
    """The flow of a Gaussian is known: it keeps each quantile."""
    process, data = PROCESSES["flow"], Gaussian()
    grid = _grid(process, 200, high=9.0, low=-3.0)
    end = level_at(process, -3.0)
    found = invert(denoiser_of(data), process, grid, presets.solver("dpmpp_2m"), DATA).x
    spread = ((end.alpha * data.std) ** 2 + end.sigma**2) ** 0.5
    exact = end.alpha * data.mean + spread * (DATA - data.mean) / data.std
    torch.testing.assert_close(found, exact, rtol=0, atol=2e-3)


def test_guidance_is_inverted_with_the_rest() -> None:
    process = PROCESSES["flow"]

    def denoiser(x, level, conditioning, memory):
        return Prediction(
            Gaussian(std=0.7, mean=0.0).x0(x, level) + conditioning["mean"].value * level.sigma**2
        )

    def given(value: float) -> Conditioning:
        return Conditioning({"mean": Condition(torch.full((1, 1), value, dtype=torch.float64), "global")})

    conditioning = given(1.0).with_uncond(given(0.0))
    strong, grid = guided(denoiser, ClassifierFree(3.0)), _grid(process, 200)
    evaluations = []
    noise = invert(
        strong,
        process,
        grid,
        DDIM(),
        DATA,
        conditioning=conditioning,
        on_step=lambda s: evaluations.append(s.nfe),
    )
    assert evaluations == [1] * 200
    assert noise.nfe == 200
    plain = invert(denoiser, process, grid, DDIM(), DATA, conditioning=conditioning).x
    assert (noise.x - plain).abs().min() > 0.1
    back = sample(strong, process, grid, DDIM(), noise=NOTHING, x=noise.x, conditioning=conditioning).x
    torch.testing.assert_close(back, DATA, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("grid", "solver", "message"),
    [
        (TimeGrid.uniform(4), DDIM(1.0), "draws noise"),
        (TimeGrid.uniform(4).reverse(), DDIM(), "falls from noise"),
        (TimeGrid((1.0, 0.5, 1.0, 0.0), (1,)), DDIM(), "without renoising"),
    ],
)
def test_what_cannot_be_inverted_is_refused(grid, solver, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert(denoiser_of(Gaussian()), PROCESSES["flow"], grid, solver, DATA)
