"""Brownian noise: one path per item, seen more finely by runs with more steps."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, level_at, slope_of
from exponential_oracle import ExponentialMultistep, ExponentialRungeKutta

from gen.diffusion import DDIM, NoiseSource, RectifiedFlow, TimeGrid, sample
from gen.diffusion.solvers import Langevin, PredictorCorrector

FLOW = RectifiedFlow()
SOURCE = NoiseSource([3, 8], brownian=True)


def _z(source, t, s, like, restart=0):
    return source.at(0, t, s, path=source.path(restart))(like, "step")


def _v(level):
    return (level.alpha / level.sigma) ** 2


def test_increments_add_up() -> None:
    """B(c) - B(a) = B(b) - B(a) + B(c) - B(b), with B(b) - B(a) = sqrt(v(b) - v(a)) z in the squared SNR."""
    like = torch.zeros(2, 100, dtype=torch.float64)
    a, b, c = (level_at(FLOW, log_snr) for log_snr in (-1.25, 0.5, 0.75))  # points of the tree
    for first in (a, FLOW.level(1.0)):
        whole = math.sqrt(_v(c) - _v(first)) * _z(SOURCE, first, c, like)
        parts = math.sqrt(_v(b) - _v(first)) * _z(SOURCE, first, b, like) + math.sqrt(_v(c) - _v(b)) * _z(
            SOURCE, b, c, like
        )
        torch.testing.assert_close(parts, whole, rtol=1e-6, atol=1e-6)


def test_increments_are_standard_normal_and_independent() -> None:
    n = 40_000
    like = torch.zeros(1, n)
    levels = [FLOW.level(t) for t in (1.0, 0.9, 0.6, 0.55, 0.2, 0.001)]
    source = NoiseSource([5], brownian=True)
    draws = [_z(source, level_t, level_s, like)[0] for level_t, level_s in itertools.pairwise(levels)]
    draws.append(_z(source, levels[1], levels[2], like, restart=1)[0])
    draws.append(_z(NoiseSource([6], brownian=True), levels[1], levels[2], like)[0])
    draws.append(source.at(0, levels[1], levels[2])(like, "churn")[0])
    table = torch.stack(draws)
    assert (torch.corrcoef(table) - torch.eye(len(draws))).abs().max() < 5 / n**0.5
    assert (table.std(1) - 1).abs().max() < 5 / (2 * n) ** 0.5
    assert table.mean(1).abs().max() < 5 / n**0.5


def test_parts_of_a_step_are_parts_of_its_path() -> None:
    like = torch.zeros(2, 100, dtype=torch.float64)
    a, b, c = (level_at(FLOW, log_snr) for log_snr in (-1.25, 0.5, 0.75))
    step = SOURCE.at(0, a, c)
    assert torch.equal(step.part("any", a, b)(like, "step"), _z(SOURCE, a, b, like))
    plain = NoiseSource([3, 8]).at(0, a, c)
    one, two = plain.part("one", a, b)(like, "step"), plain.part("two", b, c)(like, "step")
    assert not torch.equal(one, two)
    assert not torch.equal(one, plain(like, "step"))


def test_an_item_does_not_know_its_neighbours() -> None:
    t, s = FLOW.level(0.8), FLOW.level(0.7)
    batch = _z(SOURCE, t, s, torch.zeros(2, 7))
    assert torch.equal(batch[1:], _z(SOURCE.select([1]), t, s, torch.zeros(1, 7)))
    assert _z(NoiseSource([], brownian=True), t, s, torch.zeros(0, 7)).shape == (0, 7)
    assert SOURCE.child("x").brownian


@pytest.mark.parametrize(
    "solver",
    [DDIM(1.0), DDIM(0.6), ExponentialMultistep(2, 1.0), ExponentialRungeKutta(2, eta=1.0)],
    ids=str,
)
@pytest.mark.parametrize("process", ["preserving", "flow"])
def test_runs_converge_path_by_path(solver, process: str) -> None:
    """Strong order 1, from the distances between runs of n and 2 n steps on the same path."""
    chain, denoiser = PROCESSES[process], denoiser_of(Mixture())
    x = 5 * torch.randn(1, 200, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    ends = {}
    for n in (16, 32, 64, 128):
        times = tuple(chain.t_of_log_snr(-1 + 2 * i / n) for i in range(n + 1))
        x_start = x * level_at(chain, -1).alpha
        ends[n] = sample(
            denoiser, chain, TimeGrid(times), solver, noise=NoiseSource([1], brownian=True), x=x_start
        ).x
    distances = {n: float((ends[n] - ends[2 * n]).square().mean().sqrt()) for n in (16, 32, 64)}
    assert slope_of(distances) == pytest.approx(1, abs=0.15)
    independent = sample(denoiser, chain, TimeGrid(times), solver, noise=NoiseSource([1]), x=x_start).x
    assert distances[64] < 0.2 * float((independent - ends[128]).square().mean().sqrt())


def test_the_reverse_diffusion_of_a_point_is_the_path_itself() -> None:
    """Where the data is one point, DDPM is exact: any number of steps ends at the same place."""
    denoiser = denoiser_of(Gaussian(0.4, 0.0))
    x, ends = torch.randn(1, 50, generator=torch.Generator().manual_seed(5), dtype=torch.float64), []
    for n in (1, 4, 16):
        grid = TimeGrid((1.0, *(FLOW.t_of_log_snr(-2 + 4 * i / n) for i in range(n + 1))))
        ends.append(sample(denoiser, FLOW, grid, DDIM(1.0), noise=NoiseSource([1], brownian=True), x=x).x)
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=0, atol=1e-4)


def test_restarts_of_a_grid_have_paths_of_their_own() -> None:
    """A run that went the same way twice with the same noise would be too sure: the law stays right."""
    data, n = Gaussian(), 4000
    grid = TimeGrid.uniform(20).restart(3, 2, within=(0.2, 0.9))
    solver = PredictorCorrector(DDIM(1.0), Langevin(0.05))
    noise = NoiseSource([1], brownian=True)
    end = sample(denoiser_of(data), FLOW, grid, solver, noise=noise, shape=(n,)).x
    assert end.isfinite().all()
    paths = [_z(noise, FLOW.level(0.5), FLOW.level(0.4), torch.zeros(1, n), restart=i) for i in (0, 1)]
    assert abs(float(torch.corrcoef(torch.cat(paths))[0, 1])) < 5 / n**0.5


def test_a_run_draws_the_points_of_its_path_once(monkeypatch) -> None:
    draws, normal = [], NoiseSource.normal
    monkeypatch.setattr(
        NoiseSource, "normal", lambda self, shape, *name: draws.append(name) or normal(self, shape, *name)
    )
    levels, like = TimeGrid.uniform(10).levels(FLOW)[:-1], torch.zeros(2, 5)

    def increments(path) -> list:
        steps = enumerate(itertools.pairwise(levels))
        return [SOURCE.at(i, t, s, path=path)(like, "step") for i, (t, s) in steps]

    kept = increments(path := SOURCE.path())
    assert len(draws) == len(set(draws))
    assert len(path.known) <= 20
    once = len(draws)
    for one, other in zip(kept, increments(None), strict=True):
        assert torch.equal(one, other)
    assert len(draws) - once > 2 * once


def test_what_a_path_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="no noise between"):
        _z(SOURCE, FLOW.level(0.5), FLOW.level(0.5 - 1e-9), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="two levels"):
        SOURCE.at(0)
