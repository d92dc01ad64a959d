"""The model draws what it is asked for, with any of gen's solvers."""

import numpy as np
import pytest

import gen
from gen.artifact import Artifact
from gen.testing import assert_light_import


def test_the_declaration_is_light() -> None:
    assert_light_import("gen_example.plugin")


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
@pytest.mark.parametrize("solver", ["dpmpp_2m", "euler", "dpmpp_sde"])
def test_a_field_has_the_colour_of_its_word(word: str, channel: int, solver: str) -> None:
    field = gen.image(f"a {word} field", model="example", seed=3, solver=solver)
    assert field.arrays["pixels"].mean((0, 1)).argmax() == channel


def test_what_a_mask_leaves_dark_is_kept() -> None:
    red, blue = (gen.image(f"a {word} field", model="example", seed=3) for word in ("red", "blue"))
    mask = np.zeros((128, 128, 1), np.float32)
    mask[:, 64:] = 1
    both = gen.image(
        "a blue field", model="example", init=red, mask=Artifact("image", {"pixels": mask}), seed=1
    )
    left, right = both.arrays["pixels"][:, :64], both.arrays["pixels"][:, 96:]
    assert np.array_equal(left, red.arrays["pixels"][:, :64])
    assert right.mean((0, 1))[2] > right.mean((0, 1))[0]
    assert blue.arrays["pixels"].mean((0, 1)).argmax() == 2
