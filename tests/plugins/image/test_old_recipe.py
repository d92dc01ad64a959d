"""A picture that was written with the first version of recipes is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

import gen
from gen import formats
from gen.artifact import distance
from gen.errors import GenWarning
from gen.plugin.host import Host

FILE = Path(__file__).parent / "files" / "apple_of_recipe_1.png"


def test_a_file_of_the_first_recipes_reruns_to_its_pixels() -> None:
    known = Host.discover().formats("image")
    there = formats.read(FILE, known)
    assert b"gen.recipe/1" in FILE.read_bytes()
    assert there.recipe is not None
    with pytest.warns(GenWarning, match=r"the recipe is of gen 0\.2\.0"):
        again = gen.rerun(FILE)
    # On the machine that made it the pixels are the same; another may round one of them to its neighbour.
    assert distance(there, again) < 2 / 255
