"""What is written is read again, with its recipe."""

import io
from pathlib import Path

import numpy as np
import pytest
from gen_example import files

import gen
from gen.artifact import Artifact
from gen.errors import UsageError
from gen.testing import assert_light_import


def test_the_declaration_is_light() -> None:
    assert_light_import("gen_example.plugin")


def test_a_picture_comes_back_with_its_recipe(tmp_path: Path) -> None:
    picture = gen.image("a red apple", seed=1, steps=2)
    picture.save(tmp_path / "apple.ppm")
    again = gen.rerun(tmp_path / "apple.ppm")
    assert np.array_equal(again.arrays["pixels"], picture.arrays["pixels"])
    copied = Artifact("image", {"pixels": np.rint(picture.arrays["pixels"] * 255).astype(np.float32) / 255})
    with (tmp_path / "apple.ppm").open("rb") as file:
        assert np.array_equal(files.read(file).arrays["pixels"], copied.arrays["pixels"])


@pytest.mark.parametrize("content", [b"", b"P5\n1 1\n255\n\0", b"P6\n2 2\n255\n\0", b"P6\nwide\n"])
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        files.read(io.BytesIO(content))
