"""Denoisers around denoisers: clipping, and how what they wrap remembers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from gen.diffusion import (
    DDIM,
    Chain,
    Conditioning,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    TimeGrid,
    clipped,
    guided,
    iterate,
    nested,
    sample,
    thresholded,
)

FLOW = RectifiedFlow()
LEVEL = FLOW.level(0.5)


def _same(x, level, conditioning):
    return Prediction(x)


def _bound(wrap, x):
    return wrap(_same)(x, LEVEL, Conditioning()).x0


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


@pytest.mark.parametrize("wrap", [clipped, thresholded])
def test_data_ends_within_its_range_and_batches_equal_single_runs(wrap) -> None:
    def run(seeds):
        denoiser = wrap(lambda x, level, _: Prediction(3 * x))
        return sample(denoiser, FLOW, TimeGrid.uniform(4), DDIM(), noise=NoiseSource(seeds), shape=(5,)).x

    batch = run([0, 1, 2])
    assert batch.abs().max() <= 1 + 1e-6
    assert torch.equal(batch, torch.cat([run([seed]) for seed in range(3)]))


@dataclass(frozen=True)
class Counting:
    """Predicts how often it was asked in this run."""

    def __call__(self, x, level, conditioning):
        return self.begin({})(x, level, conditioning)

    def begin(self, memory):
        def denoise(x, level, conditioning):
            memory["count"] = memory.get("count", 0) + 1
            return Prediction(torch.full_like(x, memory["count"]))

        return denoise


@dataclass(frozen=True)
class Outer:
    """Asks another denoiser."""

    denoiser: Counting

    def __call__(self, x, level, conditioning):
        return self.begin({})(x, level, conditioning)

    def begin(self, memory):
        return nested(self.denoiser, memory, "inner")


@pytest.mark.parametrize(
    "denoiser",
    [
        Counting(),
        Outer(Outer(Counting())),
        clipped(Counting(), 0.0, 9.0),
        thresholded(Outer(Counting()), bound=9.0),
        guided(clipped(Counting(), 0.0, 9.0), Chain()),
    ],
)
def test_earlier_steps_keep_their_memory(denoiser) -> None:
    arguments = {"x": torch.zeros(1, 2), "noise": NoiseSource([0])}
    steps = list(iterate(denoiser, FLOW, TimeGrid.uniform(4), DDIM(), **arguments))
    for _ in range(2):
        for step in steps[:-1]:
            rest = list(iterate(denoiser, FLOW, TimeGrid.uniform(4), DDIM(), **arguments, after=step))
            assert [after.x0[0, 0].item() for after in rest] == list(range(step.index + 2, 5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clipped(_same, 1.0, 1.0), "low < high"),
        (lambda: thresholded(_same, 0.0), "quantile"),
        (lambda: thresholded(_same, 1.5), "quantile"),
        (lambda: thresholded(_same, bound=0.0), "bound"),
    ],
)
def test_impossible_settings_are_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
