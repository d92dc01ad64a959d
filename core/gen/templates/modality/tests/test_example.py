"""The modality keeps the contract; the rest is the core's to test."""

import numpy as np
import pytest

import gen
from gen.testing import ModalityConformance, assert_light_import


class TestExample(ModalityConformance):
    name = "example"
    prompt = "a rising curve"


def test_the_declaration_is_light() -> None:
    assert_light_import("gen_example.plugin")


@pytest.mark.parametrize(("word", "sign"), [("rising", 1), ("falling", -1)])
def test_curves_do_what_their_word_says(word: str, sign: int) -> None:
    curves = gen.example(f"a {word} curve", count=20, seed=0)
    slopes = [sign * np.polyfit(np.arange(32), curve.arrays["values"], 1)[0] for curve in curves]
    assert sum(slope > 0 for slope in slopes) >= 18
