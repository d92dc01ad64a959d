"""Consistency models and flow maps: exact networks give exact results at any number of steps."""

from __future__ import annotations

import math

import pytest
import torch
from exact import PROCESSES, Gaussian, level_at

from gen.diffusion import (
    DDIM,
    Ancestral,
    ClassifierFree,
    Condition,
    Conditioning,
    FlowMap,
    Heun,
    Level,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    TimeGrid,
    Velocity,
    guided,
    sample,
)
from gen.diffusion.solvers import FlowAncestralStep, FlowMapDenoiser, LCMStep, TCDStep

DATA, FLOW, NOISE = Gaussian(), RectifiedFlow(), NoiseSource([2])
X = torch.randn(1, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _scale(level):
    return math.hypot(level.alpha * DATA.std, level.sigma)


def _flow(x, t, s):
    """The probability flow of a Gaussian from one level to another."""
    return s.alpha * DATA.mean + _scale(s) / _scale(t) * (x - t.alpha * DATA.mean)


def _consistency(x, level, _conditioning, memory):
    return Prediction(_flow(x, level, FLOW.level(0.0)))


def _map(x, level, _conditioning, memory):
    """The x0 with which DDIM arrives where the flow does."""
    s = level.target
    ratio = s.sigma / level.sigma
    return Prediction((_flow(x, level, s) - ratio * x) / (s.alpha - ratio * level.alpha))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_a_consistency_model_draws_from_the_data_at_any_number_of_steps(process, steps: int) -> None:
    n = 20_000
    grid = TimeGrid.uniform(steps)
    first = process.level(1.0)
    z = torch.randn(1, n, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x = first.alpha * DATA.mean + _scale(first) * z
    end = sample(_consistency, process, grid, DDIM(LCMStep()), noise=NOISE, x=x).x
    assert float(end.mean()) == pytest.approx(DATA.mean, abs=5 * DATA.std / math.sqrt(n))
    assert float(end.std()) == pytest.approx(DATA.std, rel=5 / math.sqrt(2 * n))


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_an_exact_flow_map_is_exact_at_any_number_of_steps(process, steps: int) -> None:
    grid = TimeGrid.uniform(steps)
    end = sample(_map, process, grid, FlowMap(), noise=NOISE, x=X).x
    torch.testing.assert_close(end, _flow(X, process.level(1.0), TimeGrid.uniform(1).levels(process)[-1]))
    middle = TimeGrid((0.8, 0.5, 0.3))
    end = sample(_map, process, middle, FlowMap(), noise=NOISE, x=X).x
    torch.testing.assert_close(end, _flow(X, process.level(0.8), process.level(0.3)))
    back = sample(_map, process, middle.reverse(), FlowMap(), noise=NOISE, x=end).x
    torch.testing.assert_close(back, X)


@pytest.mark.parametrize("rule", [TCDStep(0.3, FLOW), FlowAncestralStep(), 1.0], ids=str)
def test_a_flow_map_with_fresh_noise_keeps_the_law(rule) -> None:
    """Down by the exact map and up by the forward process: both keep the law, so together they do."""
    n, grid = 20_000, TimeGrid((0.9, 0.6, 0.3, 0.1))
    z = torch.randn(1, n, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    first, last = FLOW.level(0.9), FLOW.level(0.1)
    x = first.alpha * DATA.mean + _scale(first) * z
    end = sample(_map, FLOW, grid, Ancestral(FlowMap(), rule), noise=NOISE, x=x).x
    assert float(end.mean()) == pytest.approx(last.alpha * DATA.mean, abs=5 * _scale(last) / math.sqrt(n))
    assert float(end.std()) == pytest.approx(_scale(last), rel=5 / math.sqrt(2 * n))


def test_a_step_is_that_of_the_mean_velocity() -> None:
    """Geng et al. 2025 (MeanFlow), eq. 12: x_r = x_t - (t - r) u(x, t, r)."""
    seen = []

    def network(x, c_noise, conditioning):
        target = conditioning["target"].value
        seen.append((float(c_noise[0]), float(target[0, 0]), tuple(target.shape), target.dtype))
        return torch.sin(x) * c_noise[:, None] + target

    denoiser = FlowMapDenoiser(ModelDenoiser(network, FLOW, Velocity()), FLOW, Velocity())
    t, s = FLOW.level(0.75), FLOW.level(0.25)
    update = FlowMap().step(
        (), X, lambda x, level: denoiser(x, level, Conditioning(), Memory()), t, s, noise=NOISE.at(0)
    )
    torch.testing.assert_close(update.x, X - 0.5 * (torch.sin(X) * 0.75 + 0.25), rtol=1e-6, atol=1e-6)
    assert seen == [(0.75, 0.25, (1, 1), torch.float32)]
    seen.clear()
    denoiser(X, t, Conditioning(), Memory())
    assert seen[0][:2] == (0.75, 0.75)  # without a target: the velocity at the level itself
    seen.clear()
    foreign = Level(0.1, *(2 * v for v in (t.alpha, t.sigma)), level_at(PROCESSES["exploding"], 0.0))
    denoiser(X, foreign, Conditioning(), Memory())
    assert seen[0][:2] == pytest.approx((0.75, 0.5))


def test_guidance_passes_the_target_on() -> None:
    seen = []

    def network(x, _c_noise, conditioning):
        seen.append((conditioning["target"].value.flatten().tolist(), sorted(conditioning)))
        return x * conditioning["prompt"].value

    denoiser = guided(
        FlowMapDenoiser(ModelDenoiser(network, FLOW, Velocity()), FLOW, Velocity()), ClassifierFree(2.0)
    )
    prompt = Conditioning(
        {"prompt": Condition(torch.ones(1, 1), "global")},
        Conditioning({"prompt": Condition(torch.zeros(1, 1), "global")}),
    )
    sample(denoiser, FLOW, TimeGrid((1.0, 0.5, 0.0)), FlowMap(), noise=NOISE, x=X, conditioning=prompt)
    for targets, names in seen:
        assert len(set(targets)) == 1
        assert names == ["prompt", "target"]
    assert [targets[0] for targets, _ in seen] == [0.5, 0.0]


def test_a_flow_map_serves_other_solvers_as_a_velocity() -> None:
    def network(x, c_noise, conditioning):
        """The velocity where both times agree, which is all that these solvers evaluate."""
        assert torch.equal(c_noise[:, None], conditioning["target"].value)
        return x * 0.5

    denoiser = FlowMapDenoiser(ModelDenoiser(network, FLOW, Velocity()), FLOW, Velocity())
    plain = ModelDenoiser(lambda x, _c, _k: x * 0.5, FLOW, Velocity())
    for solver in (DDIM(), Heun()):
        a, b = (sample(d, FLOW, TimeGrid.uniform(4), solver, noise=NOISE, x=X).x for d in (denoiser, plain))
        assert torch.equal(a, b)


def test_a_batch_equals_its_single_runs_bit_for_bit() -> None:
    solver, grid = Ancestral(FlowMap(), TCDStep(0.5, FLOW)), TimeGrid.uniform(4)

    def run(seeds):
        return sample(_map, FLOW, grid, solver, noise=NoiseSource(seeds), shape=(2, 8)).x

    assert torch.equal(run([3, 1, 4]), torch.cat([run([3]), run([1]), run([4])]))
    assert run([]).shape == (0, 2, 8)
