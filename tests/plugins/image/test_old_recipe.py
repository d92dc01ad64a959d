"""A picture that was written with the first version of recipes, and an earlier version of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

import gen
from gen import formats
from gen.errors import ModelError
from gen.plugin.host import Host

FILE = Path(__file__).parent / "files" / "apple_of_recipe_1.png"


def test_a_file_of_the_first_recipes_is_read_and_says_which_model_it_is_of() -> None:
    there = formats.read(FILE, Host.discover().formats("image"))
    assert b"gen.recipe/1" in FILE.read_bytes()
    assert there.recipe is not None
    assert there.recipe.prompt == "a red apple"
    with pytest.raises(ModelError, match="the recipe is of another version of the model emoji"):
        gen.rerun(FILE)
