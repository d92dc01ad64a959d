"""The guidance is what its formula says, and drives models of every modality."""

import numpy as np
import pytest
from gen_example.guidance import fading

import gen
from gen.diffusion import ClassifierFree, Level
from gen.testing import assert_light_import


def test_the_declaration_is_light() -> None:
    assert_light_import("gen_example.plugin")


@pytest.mark.parametrize(("u", "expected"), [(1.0, 5.0), (0.5, 3.0), (0.0, 1.0)])
def test_the_scale_falls_to_one(u: float, expected: float) -> None:
    guidance = fading(5.0, 1.0)
    assert isinstance(guidance, ClassifierFree)
    assert callable(guidance.scale)
    assert guidance.scale(Level(u, 1 - u, u)) == expected


def test_it_makes_a_picture_of_its_own() -> None:
    options = {"seed": 1, "steps": 4, "guidance": 4}
    faded, constant = (gen.image("a red apple", guide=text, **options) for text in ("example", "cfg"))
    same = gen.image("a red apple", guide="example:power=0", **options)
    assert not np.array_equal(faded.arrays["pixels"], constant.arrays["pixels"])
    assert np.allclose(same.arrays["pixels"], constant.arrays["pixels"], atol=1e-4)
