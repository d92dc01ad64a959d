"""Denoisers around denoisers: clipping, and how what they wrap remembers."""

from __future__ import annotations

import pytest
import torch

from gen.diffusion import (
    DDIM,
    AdaptiveProjected,
    ClassifierFree,
    Condition,
    Conditioning,
    Memory,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    TimeGrid,
    cached,
    clipped,
    guided,
    iterate,
    sample,
    thresholded,
)
from gen.diffusion.cache import cache_report
from gen.diffusion.guidance import Chain

FLOW = RectifiedFlow()
LEVEL = FLOW.level(0.5)


def _same(x, level, conditioning, memory):
    return Prediction(x)


def _bound(wrap, x):
    return wrap(_same)(x, LEVEL, Conditioning(), Memory()).x0


def test_clipping_clips() -> None:
    x = torch.tensor([[-3.0, -0.2, 0.7, 9.0]])
    assert _bound(clipped, x).tolist() == x.clamp(-1, 1).tolist()
    assert _bound(lambda d: clipped(d, 0.0, 2.0), x).tolist() == x.clamp(0, 2).tolist()


def test_dynamic_thresholding_scales_each_item_by_its_quantile() -> None:
    """The third of four magnitudes is the smallest that three quarters do not exceed."""
    x = torch.tensor([[4.0, -2.0, 1.0, 8.0], [0.1, -0.2, 0.3, 0.9], [5.0, -5.0, 5.0, 5.0]])
    result = _bound(lambda d: thresholded(d, 0.75), x)
    torch.testing.assert_close(result[0], torch.tensor([1.0, -0.5, 0.25, 1.0]))
    assert torch.equal(result[1], x[1])
    torch.testing.assert_close(result[2], x[2].sign())
    half = _bound(lambda d: thresholded(d, 1.0, bound=0.5), x)
    torch.testing.assert_close(half[0], x[0] / 16)


def test_dynamic_thresholding_scales_by_no_more_than_its_cap() -> None:
    x = torch.tensor([[4.0, -1.2, 0.3], [1.2, -0.6, 0.3]])
    result = _bound(lambda d: thresholded(d, 1.0, cap=1.5), x)
    torch.testing.assert_close(result, torch.tensor([[1.0, -0.8, 0.2], [1.0, -0.5, 0.25]]))


@pytest.mark.parametrize("wrap", [clipped, thresholded])
def test_data_ends_within_its_range_and_batches_equal_single_runs(wrap) -> None:
    def run(seeds):
        denoiser = wrap(lambda x, level, _, memory: Prediction(3 * x))
        return sample(denoiser, FLOW, TimeGrid.uniform(4), DDIM(), noise=NoiseSource(seeds), shape=(5,)).x

    batch = run([0, 1, 2])
    assert batch.abs().max() <= 1 + 1e-6
    assert torch.equal(batch, torch.cat([run([seed]) for seed in range(3)]))


def _counting(x, level, conditioning, memory):
    """Predicts how often it was evaluated in this run."""
    memory.values["count"] = memory.values.get("count", 0) + 1
    return Prediction(torch.full_like(x, memory.values["count"]))


def _within(denoiser):
    return lambda x, level, conditioning, memory: denoiser(x, level, conditioning, memory.child("inner"))


@pytest.mark.parametrize(
    "denoiser",
    [
        _counting,
        _within(_within(_counting)),
        clipped(_counting, 0.0, 9.0),
        thresholded(_within(_counting), bound=9.0),
        guided(clipped(_counting, 0.0, 9.0), Chain()),
    ],
)
def test_earlier_steps_keep_their_memory(denoiser) -> None:
    arguments = {"x": torch.zeros(1, 2), "noise": NoiseSource([0])}
    steps = list(iterate(denoiser, FLOW, TimeGrid.uniform(4), DDIM(), **arguments))
    for _ in range(2):
        for step in steps[:-1]:
            rest = list(iterate(denoiser, FLOW, TimeGrid.uniform(4), DDIM(), **arguments, after=step))
            assert [after.x0[0, 0].item() for after in rest] == list(range(step.index + 2, 5))


def _conditional(x, level, conditioning, memory):
    return Prediction(x / 2 + conditioning["mean"].value)


def _passing(denoiser):
    """A plain function around a denoiser that passes the memory on."""

    def denoise(x, level, conditioning, memory):
        return denoiser(x, level, conditioning, memory)

    return denoise


def _forgetting(denoiser):
    """A plain function around a denoiser that forgets the memory."""
    return lambda x, level, conditioning, memory: denoiser(x, level, conditioning)


REMEMBERING = {
    "momentum": lambda: guided(_conditional, AdaptiveProjected(6.0, momentum=-0.9)),
    "cache": lambda: cached(_conditional, 0.5),
    "momentum around a cache": lambda: guided(
        cached(_conditional, 0.5), AdaptiveProjected(6.0, momentum=-0.9)
    ),
    "cache of the weak model": lambda: guided(
        _conditional, ClassifierFree(2.0, weak=cached(_conditional, 0.5))
    ),
}


def _last(denoiser):
    uncond = Conditioning({"mean": Condition(torch.zeros(2, 1), "global")})
    prompts = Conditioning({"mean": Condition(torch.tensor([[-1.0], [0.5]]), "global")}, uncond)
    noise = NoiseSource([0, 1])
    x = noise.prior((3,))
    *_, last = iterate(denoiser, FLOW, TimeGrid.uniform(30), DDIM(), x=x, noise=noise, conditioning=prompts)
    return last


@pytest.mark.parametrize("make", REMEMBERING.values(), ids=REMEMBERING)
def test_a_function_around_a_denoiser_keeps_its_memory_or_is_refused(make) -> None:
    expected, found = _last(make()), _last(_passing(make()))
    assert torch.equal(found.x, expected.x)
    assert cache_report(found.memory) == cache_report(expected.memory)

    def anew(x, level, conditioning, memory):
        return make()(x, level, conditioning, Memory())

    lost = _last(anew)  # the memory matters
    assert not torch.equal(lost.x, expected.x)
    with pytest.raises(TypeError, match="memory"):
        _last(_forgetting(make()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clipped(_same, 1.0, 1.0), "low < high"),
        (lambda: thresholded(_same, 0.0), "quantile"),
        (lambda: thresholded(_same, 1.5), "quantile"),
        (lambda: thresholded(_same, bound=0.0), "bound"),
        (lambda: thresholded(_same, cap=0.5), "cap"),
    ],
)
def test_impossible_settings_are_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
