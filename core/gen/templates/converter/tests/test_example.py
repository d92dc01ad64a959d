"""The picture of a wave is as wide, as high and as dark as it should be."""

import numpy as np
import pytest
from gen_example.converter import wave

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.testing import assert_light_import


def sound(samples: np.ndarray) -> Artifact:
    return Artifact("audio", {"samples": samples.astype(np.float32)[None]}, {"sample_rate": 8000})


def test_the_declaration_is_light() -> None:
    assert_light_import("gen_example.plugin")


def test_loud_sounds_are_dark_from_top_to_bottom_and_silence_is_a_line() -> None:
    loud = wave(sound(np.tile([1.0, -1.0], 400)), {"width": 100, "height": 50}).arrays["pixels"]
    silent = wave(sound(np.zeros(800)), {"width": 100, "height": 50}).arrays["pixels"]
    assert loud.shape == silent.shape == (50, 100, 1)
    assert (loud < 1).all()
    assert 1 <= (silent[:, 0] < 1).sum() <= 2


def test_a_sound_that_is_too_short_is_refused() -> None:
    with pytest.raises(UsageError, match="too short"):
        wave(sound(np.zeros(10)), {"width": 100, "height": 50})
