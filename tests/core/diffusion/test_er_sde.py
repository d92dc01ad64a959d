"""ER-SDE solvers (Cui et al. 2023): the law of their samples on a Gaussian, and their limit without noise."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from exact import Gaussian, no_noise, slope_of
from torch import Tensor

from gen.diffusion import DDIM, Level, Prediction, Solver
from gen.diffusion.solvers import ERSDE

DATA = Gaussian()


def _denoise(x: Tensor, level: Level[float]) -> Prediction:
    return Prediction(DATA.x0(x, level))


def _levels(steps: int, refined: bool = False) -> list[Level[float]]:
    """Equal steps of log rho; refined, the first of them is made of steps that grow from its cube."""
    shares = [i / steps for i in range(steps + 1)]
    if refined:
        shares[:1] = [0.0, *(steps**-3 * 2.0**i for i in range(2 * steps) if 2.0**i < steps**2)]
    rhos = [20 * (0.05 / 20) ** share for share in shares]
    return [Level(0.5, 1 / math.hypot(1, rho), rho / math.hypot(1, rho)) for rho in rhos]


def _law(solver: Solver, levels: list[Level[float]]) -> tuple[float, float]:
    """The errors of mean and deviation of x / alpha: runs are linear, so one for each source of noise."""
    x = torch.full((len(levels) + 1, 1), levels[0].alpha * DATA.mean, dtype=torch.float64)
    x[1] += math.hypot(levels[0].alpha * DATA.std, levels[0].sigma)
    state: tuple[object, ...] = ()
    for i, (t, s) in enumerate(pairwise(levels)):
        z = torch.zeros_like(x)
        z[i + 2] = 1
        update = solver.step(state, x, _denoise, t, s, noise=lambda *_, z=z: z)
        x, state = update.x, update.state
    last = levels[-1]
    std = float((x[1:] - x[0]).norm()) / last.alpha
    return float(x[0]) / last.alpha - DATA.mean, std - math.hypot(DATA.std, last.sigma / last.alpha)


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize(("order", "observed"), [(1, 1.0), (2, 2.0), (3, 2.1)])
def test_the_law_of_samples_converges_to_that_of_the_data(order: int, observed: float, refined: bool) -> None:
    """The mean is exact. Order 3 is 2 from an accurate start, too: its d1 is no derivative at rho_t."""
    laws = {steps: _law(ERSDE(order), _levels(steps, refined)) for steps in (10, 20, 40)}
    assert max(abs(mean) for mean, _ in laws.values()) < 1e-12
    assert slope_of({steps: abs(std) for steps, (_, std) in laws.items()}) == pytest.approx(
        observed, abs=0.15
    )


def test_every_order_is_better_than_the_one_before() -> None:
    one, two, three = (abs(_law(ERSDE(order), _levels(40))[1]) for order in (1, 2, 3))
    assert three < 0.8 * two < 0.1 * one


def test_without_noise_the_first_order_is_ddim() -> None:
    """phi(rho) = rho is the probability flow (sec. 3 of the paper)."""
    x = torch.linspace(-2, 2, 5, dtype=torch.float64)[None]
    for t, s in pairwise(_levels(10)):
        found = ERSDE(1, lambda rho: rho).step((), x, _denoise, t, s, noise=lambda like, _: like * 0).x
        torch.testing.assert_close(found, DDIM().step((), x, _denoise, t, s, noise=no_noise).x)
