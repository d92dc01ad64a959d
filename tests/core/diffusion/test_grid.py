"""Time grids: their ends, their spacing and their transforms."""

import itertools
import math

import pytest
from exact import PROCESSES

from gen.diffusion import DiscreteBetas, TimeGrid, VarianceExploding

EXPLODING = VarianceExploding(0.01, 50.0)


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("process", [*PROCESSES.values(), DiscreteBetas([0.1, 0.3, 1.0])], ids=str)
def test_every_grid_falls_from_noise_to_data(process, steps: int) -> None:
    for grid in (
        TimeGrid.uniform(steps),
        TimeGrid.trailing(steps),
        TimeGrid.karras(steps, process),
        TimeGrid.uniform_log_snr(steps, process),
    ):
        assert (grid.steps, len(grid)) == (steps, steps + 1)
        assert (grid.times[0], grid.times[-1]) == (1.0, 0.0)
        assert all(a > b for a, b in itertools.pairwise(grid))
        assert [level.t for level in grid.levels(process)] == list(grid)


def test_karras_is_the_published_formula() -> None:
    n, rho, end = 9, 5.0, 1e-3
    low, high = EXPLODING.sigma(end), EXPLODING.sigma(1.0)
    grid = TimeGrid.karras(n, EXPLODING, rho=rho, end=end)
    sigmas = [level.sigma for level in grid.levels(EXPLODING)]
    expected = [
        (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(n)
    ]
    assert sigmas == pytest.approx([*expected, 0.0], rel=1e-9)


def test_uniform_log_snr_has_equal_steps() -> None:
    for process in (PROCESSES["preserving"], EXPLODING):
        log_snr = [level.log_snr for level in TimeGrid.uniform_log_snr(12, process).levels(process)][:-1]
        steps = [b - a for a, b in itertools.pairwise(log_snr)]
        assert steps == pytest.approx([steps[0]] * 11, rel=1e-6)


def test_trailing_stands_on_the_steps_of_the_chain() -> None:
    grid = TimeGrid.trailing(7, 1000)
    assert [round(t * 1000, 9) % 1 for t in grid] == [0.0] * 8
    assert max(abs(a - b) for a, b in zip(grid, TimeGrid.uniform(7), strict=True)) <= 0.5 / 1000 + 1e-12


def test_shift_is_undone_by_its_inverse_and_keeps_the_ends() -> None:
    grid = TimeGrid.uniform(10)
    shifted = grid.shift(3.0)
    assert all(a >= b for a, b in zip(shifted, grid, strict=True))
    assert shifted.shift(1 / 3).times == pytest.approx(grid.times)
    flow = PROCESSES["flow"]
    assert flow.level(shifted.times[4]).log_snr == pytest.approx(flow.level(0.6).log_snr - math.log(3))


def test_truncate_keeps_the_last_steps() -> None:
    grid = TimeGrid.uniform(10)
    assert grid.truncate(0.3).times == grid.times[-4:]
    assert grid.truncate(0.001).steps == 1
    assert grid.truncate(1.0) == grid


def test_reverse_goes_back() -> None:
    grid = TimeGrid.uniform(4).reverse()
    assert grid.times == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert not grid.falling
    assert grid.reverse().falling


@pytest.mark.parametrize(
    "make",
    [
        lambda: TimeGrid((1.0,)),
        lambda: TimeGrid((1.0, 0.5, 0.5)),
        lambda: TimeGrid((1.0, 0.2, 0.5)),
        lambda: TimeGrid((1.5, 0.2)),
        lambda: TimeGrid((math.nan, 0.2)),
        lambda: TimeGrid.uniform(0),
        lambda: TimeGrid.uniform(-3),
        lambda: TimeGrid.uniform(2.5),
        lambda: TimeGrid.uniform(True),
        lambda: TimeGrid.trailing(11, 10),
        lambda: TimeGrid.karras(5, EXPLODING, rho=0),
        lambda: TimeGrid.karras(5, EXPLODING, start=1e-4),
        lambda: TimeGrid.uniform(4).shift(math.nan),
        lambda: TimeGrid.uniform(4).truncate(0),
        lambda: TimeGrid.uniform(4).truncate(1.1),
    ],
)
def test_impossible_grids_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        make()


def test_grids_are_values() -> None:
    assert TimeGrid.uniform(4) == TimeGrid((1.0, 0.75, 0.5, 0.25, 0.0))
    assert len({TimeGrid.uniform(4), TimeGrid.uniform(4), TimeGrid.uniform(5)}) == 2
