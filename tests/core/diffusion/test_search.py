"""Grids found by search."""

from __future__ import annotations

import itertools

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of

from gen.diffusion import DDIM, Heun, NoiseSource, Prediction, TimeGrid, prior, sample, search_grid
from gen.diffusion.search import dense_grid, shortest_path

SHAPE = (8,)
LEARN, TEST = NoiseSource(range(16)), NoiseSource(range(100, 164))


@pytest.mark.parametrize("steps", [4, 6, 10])
@pytest.mark.parametrize("name", ["preserving", "exploding", "flow"])
def test_it_beats_the_grids_that_are_made_by_formula(name: str, steps: int) -> None:
    """On other seeds than it was found on, against the end of the exact trajectory."""
    process, denoiser = PROCESSES[name], denoiser_of(Mixture())

    def end(grid: TimeGrid, solver) -> torch.Tensor:
        return sample(denoiser, process, grid, solver, noise=TEST, x=prior(process, grid, TEST, SHAPE)).x

    exact = end(dense_grid(process, 800), Heun())
    found = search_grid(denoiser, process, steps, noise=LEARN, shape=SHAPE)
    assert (found.times[0], found.times[-1], found.steps) == (1.0, 0.0, steps)

    def error(grid: TimeGrid) -> float:
        return (end(grid, DDIM()) - exact).square().mean().sqrt().item()

    formulas = (
        TimeGrid.uniform(steps), TimeGrid.karras(steps, process), TimeGrid.uniform_log_snr(steps, process),
    )  # fmt: skip
    assert error(found) < min(error(grid) for grid in formulas)


def test_the_path_is_the_cheapest_of_all() -> None:
    points, generator = 8, torch.Generator().manual_seed(0)
    costs = [torch.rand(points - 1 - i, generator=generator).tolist() for i in range(points - 1)]

    def cost(path) -> float:
        return sum(costs[i][j - i - 1] for i, j in itertools.pairwise(path))

    for steps in range(1, points):
        every = [(0, *inner, points - 1) for inner in itertools.combinations(range(1, points - 1), steps - 1)]
        assert shortest_path(costs, steps) == min(every, key=cost)


def test_as_many_steps_as_candidates_are_the_candidates() -> None:
    candidates = TimeGrid.uniform(5)
    process, denoiser = PROCESSES["flow"], denoiser_of(Gaussian())
    x = prior(process, candidates, LEARN, SHAPE)
    assert search_grid(denoiser, process, 5, noise=LEARN, x=x, candidates=candidates) == candidates


def test_a_source_of_brownian_noise_does_for_solvers_that_draw_none() -> None:
    denoiser, process = denoiser_of(Gaussian()), PROCESSES["flow"]
    noise = NoiseSource(LEARN.seeds, brownian=True)
    options = {"shape": SHAPE, "candidates": TimeGrid.uniform(8)}
    found = search_grid(denoiser, process, 3, noise=noise, **options)
    assert found == search_grid(denoiser, process, 3, noise=LEARN, **options)


def test_a_first_order_search_evaluates_once_per_candidate_beyond_the_teacher() -> None:
    evaluated, exact = [], denoiser_of(Gaussian())

    def denoiser(x, level, conditioning, memory):
        evaluated.append(level.t)
        return exact(x, level, conditioning, memory)

    search_grid(
        denoiser, PROCESSES["flow"], 3,
        noise=LEARN, shape=SHAPE, candidates=TimeGrid.uniform(20), teacher=DDIM(),
    )  # fmt: skip
    assert len(evaluated) == 20 + 20


def test_the_grid_of_complex_states_is_that_of_their_parts() -> None:
    def halves(x, *_):
        return Prediction(x * 0.5)

    process, candidates = PROCESSES["flow"], TimeGrid.uniform(8)
    x = LEARN.prior((3, 2))
    real, other = (
        search_grid(halves, process, 3, noise=LEARN, x=state, candidates=candidates)
        for state in (x, torch.view_as_complex(x))
    )
    assert real == other


@pytest.mark.parametrize(
    ("steps", "options", "message"),
    [
        (0, {"shape": SHAPE}, "cannot be chosen"),
        (9, {"shape": SHAPE, "candidates": TimeGrid.uniform(8)}, "cannot be chosen"),
        (2, {"shape": SHAPE, "candidates": TimeGrid.uniform(8).reverse()}, "cannot be chosen"),
        (2, {"shape": SHAPE, "solver": DDIM(1.0)}, "draw no noise"),
        (2, {}, "give either x"),
        (2, {"x": torch.zeros(0, 2)}, "at least one trajectory"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(steps: int, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search_grid(denoiser_of(Gaussian()), PROCESSES["flow"], steps, noise=LEARN, **options)
