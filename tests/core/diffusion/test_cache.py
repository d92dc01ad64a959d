"""The cache: what it skips, what that costs, and that it says so."""

from __future__ import annotations

import itertools
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from exact import Mixture, denoiser_of

from gen.diffusion import (
    DDIM,
    AdaptiveProjected,
    CFGPlusPlus,
    ClassifierFree,
    Condition,
    Conditioning,
    Heun,
    Memory,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    TimeGrid,
    cached,
    guided,
    iterate,
    prior,
)
from gen.diffusion.cache import cache_report
from gen.diffusion.guidance import LossGuidance

FLOW = RectifiedFlow()
MIXTURE = denoiser_of(Mixture())
GRID = TimeGrid.uniform(40)
SHAPE = (6,)


def _recorded(denoiser):
    evaluations = []

    def denoise(x, level, conditioning, memory):
        evaluations.append((level.t, x.shape[0]))
        return denoiser(x, level, conditioning, memory)

    return denoise, evaluations


def _steps(denoiser, seeds=(0,), solver=None, **options):
    noise = NoiseSource(seeds)
    x = options.pop("x", prior(FLOW, GRID, noise, SHAPE).double())
    return list(iterate(denoiser, FLOW, GRID, solver or DDIM(), x=x, noise=noise, **options))


def _conditional(x, level, conditioning, memory):
    mean = conditioning["mean"].value.to(x)
    return Prediction(MIXTURE(x - mean, level, conditioning, memory).x0 + mean)


def _prompts(count: int) -> Conditioning:
    uncond = Conditioning({"mean": Condition(torch.zeros(count, 1), "global")})
    return Conditioning({"mean": Condition(torch.linspace(-1, 1, count)[:, None], "global")}, uncond)


def test_what_never_changes_is_evaluated_as_rarely_as_allowed() -> None:
    """Two evaluations to learn the rate, then one in every four calls."""
    denoise, evaluations = _recorded(lambda x, level, _, memory: Prediction(torch.ones_like(x)))
    *_, last = _steps(cached(denoise, 0.01, longest=3))
    assert [t for t, _ in evaluations] == [GRID.times[i] for i in (0, 1, *range(5, 40, 4))]
    report = cache_report(last.memory)
    assert (report.evaluated, report.skipped) == (len(evaluations), 40 - len(evaluations))
    assert (report.estimated, report.observed) == (0.0, 0.0)


def test_under_ddim_a_skip_is_a_longer_step() -> None:
    denoise, evaluations = _recorded(MIXTURE)
    *_, last = _steps(cached(denoise, 0.1))
    assert len(evaluations) < 35
    coarse = TimeGrid((*(t for t, _ in evaluations), 0.0))
    x = prior(FLOW, GRID, NoiseSource([0]), SHAPE).double()
    *_, expected = iterate(MIXTURE, FLOW, coarse, DDIM(), x=x, noise=NoiseSource([0]))
    torch.testing.assert_close(last.x, expected.x)


def test_errors_are_reported_as_they_are() -> None:
    """Against the denoiser evaluated at every call, on the same states."""
    found = []
    run, memory = cached(MIXTURE, 0.1), Memory()

    def both(x, level, conditioning, _):
        before = cache_report(memory)
        held = memory.values.get("held prediction")
        held = held and held.prediction.x0
        answer, truth = run(x, level, conditioning, memory), MIXTURE(x, level, conditioning, memory)
        skipped = cache_report(memory).skipped > before.skipped
        stale = truth.x0 if held is None else held
        found.append((skipped, ((stale - truth.x0).norm() / truth.x0.norm()).item()))
        assert torch.equal(answer.x0, stale if skipped else truth.x0)
        return answer

    _steps(both)
    report = cache_report(memory)
    ended = [error for (before, _), (now, error) in itertools.pairwise(found) if before and not now]
    assert report.observed == pytest.approx(max(ended))
    assert 0 < report.estimated <= 0.1
    # The estimate looks one evaluation back; on this smooth mixture that is good to a factor of two.
    actual = max(error for skipped, error in found if skipped)
    assert report.estimated / 2 < actual < report.estimated * 2


def test_less_tolerance_means_more_evaluations_and_less_error() -> None:
    exact = _steps(MIXTURE)[-1].x
    runs = [_steps(cached(MIXTURE, tolerance))[-1] for tolerance in (0.3, 0.1, 0.03)]
    skipped = [cache_report(step.memory).skipped for step in runs]
    errors = [(step.x - exact).norm().item() for step in runs]
    assert skipped == sorted(skipped, reverse=True)
    assert len(set(skipped)) == 3
    assert errors == sorted(errors, reverse=True)


def test_a_tolerance_that_nothing_meets_changes_nothing() -> None:
    assert torch.equal(_steps(cached(MIXTURE, 1e-9))[-1].x, _steps(MIXTURE)[-1].x)


def test_outside_its_interval_all_is_evaluated() -> None:
    denoise, evaluations = _recorded(lambda x, level, _, memory: Prediction(torch.ones_like(x)))
    _steps(cached(denoise, 0.1, longest=100, interval=(-1.0, 1.0)))
    within = {t for t in GRID.times[:-1] if -1 <= FLOW.level(t).log_snr <= 1}
    assert {t for t, _ in evaluations} == set(GRID.times[:-1]) - within


@pytest.mark.parametrize("solver", [DDIM(1.0), Heun()], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        lambda: cached(guided(_conditional, ClassifierFree(2.0, interval=(-1.0, 1.0))), 0.1),
        lambda: guided(cached(_conditional, 0.1), CFGPlusPlus(0.5, interval=(-1.0, 1.0))),
        lambda: guided(
            cached(_conditional, 0.1), AdaptiveProjected(2.0, momentum=-0.5, interval=(-1.0, 1.0))
        ),
        lambda: guided(_conditional, ClassifierFree(2.0, weak=cached(_conditional, 0.1))),
    ],
    ids=["around guidance", "within plus", "within momentum", "of the weaker"],
)
class TestRuns:
    def test_a_batch_equals_its_single_runs_bit_for_bit(self, make, solver) -> None:
        prompts = _prompts(3)
        batch = _steps(make(), (4, 5, 6), solver, conditioning=prompts)
        singles = [
            _steps(make(), (seed,), solver, conditioning=prompts.select([row]))
            for row, seed in enumerate((4, 5, 6))
        ]
        assert torch.equal(batch[-1].x, torch.cat([single[-1].x for single in singles]))
        report = cache_report(batch[-1].memory)
        alone = [cache_report(single[-1].memory) for single in singles]
        assert report.skipped == sum(one.skipped for one in alone) > 0
        assert report.observed == max(one.observed for one in alone)

    def test_a_step_resumes_to_the_same_bits(self, make, solver) -> None:
        denoiser, prompts = make(), _prompts(2)
        steps = _steps(denoiser, (1, 2), solver, conditioning=prompts)
        for step in steps[3:-1:11]:
            for after in (pickle.loads(pickle.dumps(step)), step):
                *_, last = _steps(denoiser, (1, 2), solver, conditioning=prompts, after=after)
                assert torch.equal(last.x, steps[-1].x)
                assert cache_report(last.memory) == cache_report(steps[-1].memory)


def test_only_the_items_that_need_it_are_evaluated() -> None:
    denoise, evaluations = _recorded(_conditional)
    steps = _steps(cached(denoise, 0.1), (4, 5, 6), conditioning=_prompts(3))
    assert {rows for _, rows in evaluations} >= {1, 3}
    assert cache_report(steps[-1].memory).evaluated == sum(rows for _, rows in evaluations)


def test_a_cache_within_guidance_keeps_what_differs_apart() -> None:
    """The uncond has another name, so that both are evaluated in turn, in the same shape."""

    def model(x, level, conditioning, memory):
        (condition,) = conditioning.values()
        return Prediction(condition.value.to(x).expand_as(x))

    uncond = Conditioning({"other": Condition(torch.full((1, 1), 5.0), "global")})
    prompts = Conditioning({"mean": Condition(torch.full((1, 1), 2.0), "global")}, uncond)
    for step in _steps(guided(cached(model, 0.1), ClassifierFree(3.0)), conditioning=prompts):
        assert torch.equal(step.x0, torch.full_like(step.x0, 5 + 3 * (2 - 5)))
    assert cache_report(step.memory).skipped > 0


def test_threads_share_one_cache() -> None:
    denoiser = cached(MIXTURE, 0.1)
    serial = [_steps(denoiser, (seed,))[-1].x for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: _steps(denoiser, (seed,))[-1].x, range(16)))
    assert all(torch.equal(a, b) for a, b in zip(serial, together, strict=True))


def test_where_gradients_are_on_and_with_a_new_memory_all_is_evaluated() -> None:
    denoise, evaluations = _recorded(MIXTURE)
    wish = LossGuidance(lambda x0, level, _: x0.square().sum(1), 0.1)
    a, b = (_steps(guided(inner, wish))[-1].x for inner in (cached(denoise, 0.5), MIXTURE))
    assert torch.equal(a, b)
    assert len(evaluations) == 40
    evaluations.clear()
    for _ in range(4):
        cached(denoise, 0.5)(torch.ones(1, 2), FLOW.level(0.5), Conditioning(), Memory())
    assert len(evaluations) == 4


@pytest.mark.parametrize(
    ("guidance", "message"),
    [(AdaptiveProjected(2.0, momentum=0.5), "remembers"), (CFGPlusPlus(0.5), "eps of its own")],
)
def test_what_cannot_be_held_is_refused(guidance, message) -> None:
    with pytest.raises(ValueError, match=message):
        _steps(cached(guided(_conditional, guidance), 0.1), conditioning=_prompts(1))


@pytest.mark.parametrize(
    "settings",
    [{"tolerance": 0.0}, {"tolerance": math.inf}, {"longest": 0}, {"interval": (1.0, 0.0)}],
)
def test_impossible_settings_are_refused(settings) -> None:
    with pytest.raises(ValueError, match="must"):
        cached(MIXTURE, **{"tolerance": 0.1, **settings})
