"""Time grids: their ends, their spacing and their transforms."""

import itertools
import math

import numpy as np
import pytest
import scipy.special
import torch
from exact import PROCESSES

from gen.diffusion import (
    DiscreteBetas,
    EDMProcess,
    Level,
    NoiseSource,
    Process,
    RectifiedFlow,
    TimeGrid,
    VarianceExploding,
)
from gen.diffusion.grid import ALIGN_YOUR_STEPS, beta_quantile

EXPLODING = VarianceExploding(0.01, 50.0)
CHAIN = DiscreteBetas.scaled_linear()


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("process", [*PROCESSES.values(), DiscreteBetas([0.1, 0.3, 1.0])], ids=str)
def test_every_grid_falls_from_noise_to_data(process, steps: int) -> None:
    for grid in (
        TimeGrid.uniform(steps),
        TimeGrid.quadratic(steps),
        TimeGrid.beta(steps),
        TimeGrid.trailing(steps),
        TimeGrid.simple(steps),
        TimeGrid.beta_sigmas(steps, process),
        TimeGrid.linear_quadratic(steps, process),
        TimeGrid.kl_optimal(steps, process),
        TimeGrid.laplace(steps, process),
        TimeGrid.linspace(steps),
        TimeGrid.linspace(steps, rounded=False),
        TimeGrid.karras(steps, process),
        TimeGrid.uniform_log_snr(steps, process),
    ):
        assert (grid.steps, len(grid)) == (steps, steps + 1)
        assert (grid.times[0], grid.times[-1]) == (1.0, 0.0)
        assert all(a > b for a, b in itertools.pairwise(grid))
        assert [level.t for level in grid.levels(process)] == list(grid)


def test_a_thousand_steps_are_a_thousand_times() -> None:
    for process in PROCESSES.values():
        for grid in (TimeGrid.karras(1000, process), TimeGrid.uniform_log_snr(1000, process)):
            assert len(set(grid.times)) == 1001
            assert all(a > b for a, b in itertools.pairwise(grid))


def test_karras_is_the_published_formula() -> None:
    n, rho, end = 9, 5.0, 1e-3
    low, high = EXPLODING.sigma(end), EXPLODING.sigma(1.0)
    grid = TimeGrid.karras(n, EXPLODING, rho=rho, end=end)
    sigmas = [level.sigma for level in grid.levels(EXPLODING)]
    expected = [
        (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(n)
    ]
    assert sigmas == pytest.approx([*expected, 0.0], rel=1e-9)


def test_time_0_is_clean_data_on_every_process() -> None:
    for process in PROCESSES.values():
        assert TimeGrid.uniform(4).levels(process)[-1] == Level(0.0, 1.0, 0.0)


def test_the_first_level_of_a_process_can_come_before_clean_data() -> None:
    process = EDMProcess()  # sigma_min = 0.002, sigma_max = 80
    grid = TimeGrid.of_sigmas([80.0, 1.0, 0.002, 0.0], process)
    assert [level.sigma for level in grid.levels(process)] == pytest.approx([80.0, 1.0, 0.002, 0.0])
    assert [level.sigma for level in grid.reverse().levels(process)][:2] == [0.0, 0.002]
    for spaced in (TimeGrid.karras(5, process), TimeGrid.uniform_log_snr(5, process)):
        sigmas = [level.sigma for level in spaced.levels(process)]
        assert (sigmas[0], sigmas[-2], sigmas[-1]) == pytest.approx((80.0, 0.002, 0.0), rel=1e-9)


def test_steps_may_be_of_any_integer_type() -> None:
    assert TimeGrid.uniform(np.int64(4)) == TimeGrid.uniform(4)
    assert TimeGrid.trailing(np.int32(4), np.int64(50)) == TimeGrid.trailing(4, 50)
    flow = RectifiedFlow()
    assert TimeGrid.flow_power(np.int64(4), flow) == TimeGrid.flow_power(4, flow)


def test_seeds_may_be_of_any_integer_type() -> None:
    assert NoiseSource(np.arange(3)) == NoiseSource([0, 1, 2])


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_the_flow_power_grid_has_equal_steps_of_the_root_of_flow_time(process: Process) -> None:
    levels = TimeGrid.flow_power(6, process, power=1.5, shift=3.0).levels(process)
    assert levels[0] == process.level(1.0)
    assert levels[-1] == Level(0.0, 1.0, 0.0)
    # Unshifted, u = sigma / (alpha + sigma) is that of data of three times the scale.
    v = [(level.sigma / (3 * level.alpha + level.sigma)) ** (2 / 3) for level in levels]
    gaps = [a - b for a, b in itertools.pairwise(v)]
    assert gaps == pytest.approx([v[0] / 6] * 6, rel=1e-6)


def test_the_flow_power_grid_of_a_flow_is_the_uniform_grid_to_a_power_and_shifted() -> None:
    flow, plain = RectifiedFlow(), TimeGrid(tuple((1 - i / 5) ** 1.5 for i in range(6)))
    assert TimeGrid.flow_power(5, flow, shift=2.0).times == pytest.approx(plain.shift(2.0).times)
    assert TimeGrid.flow_power(5, flow, power=1.0).times == pytest.approx(TimeGrid.uniform(5).times)
    for wrong in ({"power": 0.0}, {"shift": -1.0}, {"shift": math.inf}, {"steps": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            TimeGrid.flow_power(**{"steps": 5, "process": flow, **wrong})


def test_uniform_log_snr_has_equal_steps() -> None:
    for process in (PROCESSES["preserving"], EXPLODING):
        log_snr = [level.log_snr for level in TimeGrid.uniform_log_snr(12, process).levels(process)][:-1]
        steps = [b - a for a, b in itertools.pairwise(log_snr)]
        assert steps == pytest.approx([steps[0]] * 11, rel=1e-6)


def test_trailing_stands_on_the_steps_of_the_chain() -> None:
    grid = TimeGrid.trailing(7, 1000)
    assert [round(t * 1000, 9) % 1 for t in grid] == [0.0] * 8
    assert max(abs(a - b) for a, b in zip(grid, TimeGrid.uniform(7), strict=True)) <= 0.5 / 1000 + 1e-12


def indices(grid: TimeGrid, chain: int = 1000) -> list[float]:
    """Of the steps of a chain at which its network is evaluated."""
    return [round(t * chain - 1, 9) for t in grid.times[:-1]]


# diffusers' spacings as its schedulers compute them. One step is left out of linspace: theirs starts at index
# 0, where there is nothing to denoise. So are the counts for which arange makes a value too many.
@pytest.mark.parametrize("steps", [2, 3, 7, 10, 25, 50, 300, 999, 1000])
def test_spacings_are_those_of_diffusers(steps: int) -> None:
    leading = (np.arange(0, steps) * (1000 // steps)).round()[::-1]
    trailing = np.arange(1000, 0, -1000 / steps).round()[:steps] - 1
    linspace = np.linspace(0, 999, steps)[::-1]
    assert indices(TimeGrid.leading(steps)) == leading.tolist()
    assert indices(TimeGrid.trailing(steps)) == trailing.tolist()
    assert indices(TimeGrid.linspace(steps)) == linspace.round().tolist()
    assert indices(TimeGrid.linspace(steps, rounded=False)) == pytest.approx(linspace.tolist())
    if steps < 1000:
        assert indices(TimeGrid.leading(steps, offset=1)) == (leading + 1).tolist()
        leading = (np.arange(0, steps + 1) * (1000 // (steps + 1))).round()[::-1][:-1]
        linspace = np.linspace(0, 999, steps + 1).round()[::-1][:-1]
        assert indices(TimeGrid.leading(steps, with_first=False)) == leading.tolist()
        assert indices(TimeGrid.linspace(steps, with_first=False)) == linspace.tolist()


def test_one_step_of_a_chain_starts_where_the_spacing_says() -> None:
    assert indices(TimeGrid.trailing(1)) == indices(TimeGrid.linspace(1)) == [999]
    assert indices(TimeGrid.leading(1)) == [0]


def test_until_ends_at_the_first_step_of_the_chain() -> None:
    sigma_min = TimeGrid.leading(10, offset=1).until(1 / 1000)
    assert sigma_min.times[-2:] == (2 / 1000, 1 / 1000)
    grid = TimeGrid.linspace(10).until(1 / 1000)
    assert (grid.steps, grid.times[-1]) == (9, 1 / 1000)
    assert TimeGrid.uniform(4).until(0.0) == TimeGrid.uniform(4)
    assert TimeGrid.uniform(4).until(0.3).times == (1.0, 0.75, 0.5, 0.3)


def test_exponential_is_uniform_log_snr() -> None:
    assert TimeGrid.exponential(7, EXPLODING) == TimeGrid.uniform_log_snr(7, EXPLODING)
    sigmas = [level.sigma for level in TimeGrid.exponential(7, EXPLODING, end=1e-3).levels(EXPLODING)]
    expected = np.geomspace(EXPLODING.sigma(1.0), EXPLODING.sigma(1e-3), 7)
    assert sigmas == pytest.approx([*expected, 0.0])


@pytest.mark.parametrize(("a", "b"), [(0.6, 0.6), (0.3, 2.0), (1.0, 1.0), (5.0, 0.5), (60.0, 80.0)])
def test_beta_quantiles(a: float, b: float) -> None:
    shares = [0.0, 1e-9, 1e-3, 0.1, 0.5, 0.77, 0.999, 1.0]
    expected = scipy.special.betaincinv(a, b, shares)
    assert [beta_quantile(share, a, b) for share in shares] == pytest.approx(expected, abs=1e-12)


def test_beta_grids() -> None:
    equal = TimeGrid.beta(5, 1.0, 1.0, end=0.2).times
    assert equal == pytest.approx((1.0, 0.8, 0.6, 0.4, 0.2, 0.0))
    ends = TimeGrid.beta(21)
    middle = ends.times[10]
    assert middle == pytest.approx((1 + 1e-3) / 2)
    assert ends.times[1] > TimeGrid.uniform(20).times[1]


SIGMAS = [level.sigma / level.alpha for level in map(CHAIN.level, np.arange(1, 1001) / 1000)]


def _sigmas(grid: TimeGrid) -> list[float]:
    return [level.sigma / level.alpha for level in grid.levels(CHAIN)]


@pytest.mark.parametrize("steps", [2, 10, 20, 30, 100])
def test_grids_of_comfyui_are_their_formulas(steps: int) -> None:
    simple = [SIGMAS[-(1 + int(i * (1000 / steps)))] for i in range(steps)]
    assert _sigmas(TimeGrid.simple(steps)) == pytest.approx([*simple, 0.0])
    quantiles = scipy.special.betaincinv(0.6, 0.6, 1 - np.arange(steps) / steps)
    beta = [SIGMAS[int(i)] for i in dict.fromkeys(np.rint(quantiles * 999))]
    assert _sigmas(TimeGrid.beta_on_chain(steps)) == pytest.approx([*beta, 0.0])
    shares = np.arange(steps) / (steps - 1)
    angles = shares * math.atan(SIGMAS[0]) + (1 - shares) * math.atan(SIGMAS[-1])
    assert _sigmas(TimeGrid.kl_optimal(steps, CHAIN)) == pytest.approx([*np.tan(angles), 0.0])
    exponents = 0.5 * np.sign(0.5 - shares) * np.log(1 - 2 * abs(0.5 - shares) + 1e-5)
    laplace = np.clip(np.exp(-exponents), SIGMAS[0], SIGMAS[-1])
    assert _sigmas(TimeGrid.laplace(steps, CHAIN)) == pytest.approx([*laplace, 0.0])


@pytest.mark.parametrize("steps", [2, 7, 20])
def test_linear_quadratic_starts_linear_and_ends_quadratic(steps: int) -> None:
    flow = np.array(TimeGrid.linear_quadratic(steps, RectifiedFlow()).times)
    half = steps // 2
    assert flow[: half + 1] == pytest.approx(1 - 0.025 * np.arange(half + 1) / half)
    curve = np.diff(flow[half:], 2)
    assert curve == pytest.approx([curve[0]] * len(curve)) if len(curve) else True
    assert _sigmas(TimeGrid.linear_quadratic(steps, CHAIN)) == pytest.approx(flow * SIGMAS[-1])
    assert TimeGrid.linear_quadratic(1, CHAIN).times == (1.0, 0.0)


@pytest.mark.parametrize("steps", [10, 20])
def test_beta_sigmas_are_those_of_diffusers(steps: int) -> None:
    diffusers = pytest.importorskip("diffusers")
    euler = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", use_beta_sigmas=True
    )
    euler.set_timesteps(steps)
    assert _sigmas(TimeGrid.beta_sigmas(steps, CHAIN)) == pytest.approx(euler.sigmas.tolist(), rel=1e-4)
    flow = diffusers.FlowMatchEulerDiscreteScheduler(use_beta_sigmas=True)
    flow.set_timesteps(steps)
    levels = TimeGrid.beta_sigmas(steps, RectifiedFlow()).levels(RectifiedFlow())
    assert [level.sigma for level in levels] == pytest.approx(flow.sigmas.tolist(), rel=1e-4)


def test_quadratic_has_equal_steps_of_the_root() -> None:
    roots = [math.sqrt(t) for t in TimeGrid.quadratic(8)]
    assert roots == pytest.approx(TimeGrid.uniform(8).times)


@pytest.mark.parametrize("name", ALIGN_YOUR_STEPS)
def test_tables_keep_their_values_and_are_resampled(name: str) -> None:
    sigmas, process = ALIGN_YOUR_STEPS[name], VarianceExploding(0.001, 800.0)
    grid = TimeGrid.table(sigmas, process)
    assert [level.sigma for level in grid.levels(process)] == pytest.approx([*sigmas[:-1], 0.0])
    double = TimeGrid.table(sigmas, process, 20).levels(process)
    assert [level.sigma for level in double[::2]] == pytest.approx([*sigmas[:-1], 0.0])
    assert double[1].sigma == pytest.approx(math.sqrt(sigmas[0] * sigmas[1]))
    assert TimeGrid.table(sigmas, process, 1).times == (grid.times[0], 0.0)


def test_tables_made_for_a_chain_stand_on_the_published_steps() -> None:
    # Sabour et al. give Stable Diffusion's list as indices of its chain as well.
    published = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
    grid = TimeGrid.table(ALIGN_YOUR_STEPS["sd1"], DiscreteBetas.scaled_linear())
    assert max(abs(a - b) for a, b in zip(indices(grid), published, strict=True)) < 1


def test_of_sigmas_finds_their_times() -> None:
    grid = TimeGrid.of_sigmas([math.inf, 3.0, 1.0, 0.25, 0.0], RectifiedFlow())
    assert grid.times == pytest.approx((1.0, 0.75, 0.5, 0.2, 0.0))


def test_stretch_moves_the_last_time_and_keeps_the_ends() -> None:
    grid = TimeGrid.uniform(5).shift(2.0)
    stretched = grid.stretch(0.1)
    assert (stretched.times[0], stretched.times[-1]) == (1.0, 0.0)
    assert stretched.times[-2] == pytest.approx(0.1)
    ratios = [(1 - b) / (1 - a) for a, b in zip(grid.times[1:-1], stretched.times[1:-1], strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 4)


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
        lambda: TimeGrid.karras(5, RectifiedFlow(), start=1e-4),
        lambda: TimeGrid.uniform(4).shift(math.nan),
        lambda: TimeGrid.uniform(4).truncate(0),
        lambda: TimeGrid.uniform(4).truncate(1.1),
        lambda: TimeGrid.leading(1000, offset=1),
        lambda: TimeGrid.leading(11, 10),
        lambda: TimeGrid.linspace(10, 10, with_first=False),
        lambda: TimeGrid.on_chain([5, 5]),
        lambda: TimeGrid.on_chain([1000, 5]),
        lambda: TimeGrid.on_chain([]),
        lambda: TimeGrid.beta(5, 0.0),
        lambda: TimeGrid.beta(5, end=1.0),
        lambda: TimeGrid.linear_quadratic(4, CHAIN, threshold=1.0),
        lambda: TimeGrid.linear_quadratic(4, CHAIN, linear_steps=4),
        lambda: TimeGrid.laplace(4, CHAIN, scale=0.0),
        lambda: TimeGrid.of_sigmas([2.0, -1.0], EXPLODING),
        lambda: TimeGrid.of_sigmas([200.0, 100.0, 1.0], EXPLODING),
        lambda: TimeGrid.table([1.0], EXPLODING),
        lambda: TimeGrid.table([1.0, 0.0], EXPLODING),
        lambda: TimeGrid.table([2.0, 1.0], EXPLODING, 0),
        lambda: TimeGrid.uniform(1).stretch(0.1),
        lambda: TimeGrid.uniform(4).stretch(1.0),
        lambda: TimeGrid.uniform(4).reverse().stretch(0.1),
        lambda: TimeGrid.uniform(4).until(1.0),
        lambda: TimeGrid.uniform(4).reverse().until(0.5),
    ],
)
def test_impossible_grids_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"must|needs|only a falling"):
        make()


def test_grids_are_values() -> None:
    assert TimeGrid.uniform(4) == TimeGrid((1.0, 0.75, 0.5, 0.25, 0.0))
    assert len({TimeGrid.uniform(4), TimeGrid.uniform(4), TimeGrid.uniform(5)}) == 2


def test_the_times_of_a_grid_may_be_any_sequence_of_numbers() -> None:
    restarting = TimeGrid((1.0, 0.5, 0.25, 0.5, 0.25, 0.0), (2,))
    for times in ([1, 0.5, 0.25, 0.5, 0.25, 0], np.array(restarting.times), torch.tensor(restarting.times)):
        found = TimeGrid(times, [2])
        assert (found, hash(found)) == (restarting, hash(restarting))
        assert {type(t) for t in found} == {float}


def test_restart_repeats_each_interval() -> None:
    grid = TimeGrid((1.0, 0.8, 0.6, 0.4, 0.2, 0.0))
    restarted = grid.restart(2, 2)
    assert restarted.times == (1.0, 0.8, 0.6, 0.4, 0.8, 0.6, 0.4, 0.2, 0.0, 0.4, 0.2, 0.0)
    assert restarted.renoise_steps == (3, 8)
    assert (restarted.falling, restarted.steps) == (True, 11)
    assert grid.restart(2, 1) == grid
    shifted = restarted.shift(3.0)
    assert shifted.renoise_steps == restarted.renoise_steps
    assert shifted.times[:4] == grid.shift(3.0).times[:4]


@pytest.mark.parametrize(("steps", "length", "repeats"), [(250, 10, 10), (17, 4, 3), (9, 1, 2), (8, 7, 5)])
def test_restart_is_the_schedule_of_repaint(steps: int, length: int, repeats: int) -> None:
    # Lugmayr et al. 2022, as their published code walks, in steps left to the data.
    left, walk, resamplings = steps, [steps], dict.fromkeys(range(0, steps - length, length), repeats - 1)
    while left > 0:
        left -= 1
        walk.append(left)
        if resamplings.get(left, 0):
            resamplings[left] -= 1
            left += length
            walk.append(left)
    restarted = TimeGrid.uniform(steps).restart(length, repeats)
    assert [round(t * steps) for t in restarted] == walk


def test_restart_repeats_one_interval() -> None:
    grid = TimeGrid.uniform(10)
    restart = grid.restart(3, 3, within=(0.2, 0.5))
    assert len(restart.renoise_steps) == 2
    assert [(restart.times[i], restart.times[i + 1]) for i in restart.renoise_steps] == [(0.2, 0.5)] * 2
    assert restart.times[-3:] == grid.times[-3:]


@pytest.mark.parametrize(
    "make",
    [
        lambda: TimeGrid((1.0, 0.5, 0.8, 0.0), (1,)),
        lambda: TimeGrid((1.0, 0.5, 1.0), (1,)),
        lambda: TimeGrid((1.0, 0.5, 1.0, 0.0)),
        lambda: TimeGrid((1.0, 0.5, 0.0), (1,)),
        lambda: TimeGrid((0.0, 0.5, 1.0), (0, 1)),
        lambda: TimeGrid((1.0, 0.5, 1.0, 0.0), (1, 1)),
        lambda: TimeGrid.uniform(4).restart(4, 2),
        lambda: TimeGrid.uniform(4).restart(0, 2),
        lambda: TimeGrid.uniform(4).restart(2, 1.5),
        lambda: TimeGrid.uniform(4).reverse().restart(2, 2),
        lambda: TimeGrid.uniform(4).restart(2, 2, within=(0.3, 0.6)),
        lambda: TimeGrid.uniform(4).restart(2, 2).restart(2, 2),
        lambda: TimeGrid.uniform(4).restart(2, 2).reverse(),
        lambda: TimeGrid.uniform(4).restart(2, 2).truncate(0.5),
        lambda: TimeGrid.uniform(4).restart(2, 2).stretch(0.1),
        lambda: TimeGrid.uniform(4).restart(2, 2).until(0.1),
    ],
)
def test_impossible_restarts_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"renoise|fits|at least 1|whole|falls"):
        make()


def test_kl_optimal_has_the_lowest_kl_on_a_unit_gaussian() -> None:
    """Sabour et al. 2024: of runs of DDIM between the same levels, which multiply the deviation."""

    def kl(times: list[float]) -> float:
        std = 1.0
        for t, s in itertools.pairwise(map(process.level, times)):
            unit = math.hypot(t.alpha, t.sigma) * math.hypot(s.alpha, s.sigma)
            std *= (t.alpha * s.alpha + t.sigma * s.sigma) / unit
        return (std**2 - 1) / 2 - math.log(std)

    process = EDMProcess()
    best = TimeGrid.kl_optimal(10, process).times[:-1]
    high, low = process.level(best[0]).sigma, process.level(best[-1]).sigma
    for power in (1.0, 0.5, 1 / 3, 1 / 7, 0.01):
        spaced = [(high**power + (low**power - high**power) * i / 9) ** (1 / power) for i in range(10)]
        times = [best[0], *(process.t_of_log_snr(-math.log(sigma)) for sigma in spaced[1:-1]), best[-1]]
        assert kl(list(best)) < 0.9 * kl(times)
