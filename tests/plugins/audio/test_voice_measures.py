"""How far speech is from other speech."""

import math

import numpy as np
import pytest
import torch

from gen_audio.mel import BANDS, SPREAD
from gen_audio.voice.training.measures import COEFFICIENTS, cepstra, distortion, edits


def test_warped_time_costs_nothing() -> None:
    rng = np.random.default_rng(0)
    one = rng.standard_normal((12, COEFFICIENTS))
    slow = np.repeat(one, rng.integers(1, 4, 12), 0)
    assert distortion(one, one) == 0
    assert distortion(one, slow) == 0
    other = rng.standard_normal((9, COEFFICIENTS))
    assert distortion(one, other) == pytest.approx(distortion(other, one))
    assert distortion(one, other) > 0


def test_the_best_alignment_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((4, COEFFICIENTS)), rng.standard_normal((3, COEFFICIENTS))

    def best(i: int, j: int) -> float:
        if i < 0 or j < 0:
            return math.inf
        distance = float(np.linalg.norm(one[i] - other[j]))
        if i == j == 0:
            return 2 * distance
        return min(best(i - 1, j) + distance, best(i, j - 1) + distance, best(i - 1, j - 1) + 2 * distance)

    scale = 20 / math.log(10) / math.sqrt(BANDS)
    assert distortion(one, other) == pytest.approx(scale * best(3, 2) / 7)


def test_level_does_not_count_and_a_tilt_does() -> None:
    mel = torch.randn(BANDS, 7, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(cepstra(mel), cepstra(mel + 1.5), atol=1e-5)
    # A cosine of one decibel over the bands: its root mean square is 1 / √2 dB.
    wave = torch.cos(math.pi / BANDS * 3 * (torch.arange(BANDS) + 0.5))[:, None] * math.log(10) / 20 / SPREAD
    assert distortion(cepstra(mel), cepstra(mel + wave)) == pytest.approx(1 / math.sqrt(2), rel=1e-5)


@pytest.mark.parametrize(
    ("one", "other", "count"), [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3)]
)
def test_edits(one: str, other: str, count: int) -> None:
    assert edits(one, other) == edits(other, one) == count
