"""The number of function evaluations."""

from __future__ import annotations

import pytest
from exact import PROCESSES, Gaussian, denoiser_of

from gen import presets
from gen.diffusion import DDIM, Heun, NoiseSource, TimeGrid, count_nfe, grid_for_nfe, sample
from thinning import striped

FLOW = PROCESSES["flow"]


@pytest.mark.parametrize(("name", "nfe"), striped(presets.SOLVERS, [7, 20, 51], 3))
def test_one_more_step_would_cost_too_much(name: str, nfe: int) -> None:
    """Held against the count of runs with a real denoiser."""
    solver, denoiser = presets.solver(name), denoiser_of(Gaussian())

    def spent(grid: TimeGrid) -> int:
        return sample(denoiser, FLOW, grid, solver, noise=NoiseSource([0]), shape=(2,)).nfe

    grid = grid_for_nfe(nfe, FLOW, solver, TimeGrid.uniform)
    assert spent(grid) == count_nfe(FLOW, grid, solver) <= nfe
    assert spent(TimeGrid.uniform(grid.steps + 1)) > nfe


def test_the_steps_that_cost_less_are_counted_as_they_are() -> None:
    """The last step of Heun's method, to clean data, has one evaluation."""
    assert grid_for_nfe(21, FLOW, Heun(), TimeGrid.uniform).steps == 11
    assert count_nfe(FLOW, TimeGrid.uniform(11), Heun()) == 21
    assert grid_for_nfe(19, FLOW, Heun(), TimeGrid.uniform).steps == 10
    truncated = grid_for_nfe(19, FLOW, Heun(), lambda steps: TimeGrid.uniform(2 * steps).truncate(0.5))
    assert truncated.steps == 10


def test_renoising_costs_no_evaluation() -> None:
    grid = TimeGrid((1.0, 0.5, 1.0, 0.5, 0.0), (1,))
    assert count_nfe(FLOW, grid, DDIM()) == 3


def test_a_budget_below_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match="DDIM needs at least 1 evaluations, not 0"):
        grid_for_nfe(0, FLOW, DDIM(), TimeGrid.uniform)
    with pytest.raises(ValueError, match="Heun needs at least 2 evaluations, not 1"):
        grid_for_nfe(
            1, FLOW, Heun(), lambda steps: TimeGrid(tuple(0.9 - 0.5 * i / steps for i in range(steps + 1)))
        )
