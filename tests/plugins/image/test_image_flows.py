"""Families of flows whose text encoders are language models: ours beside diffusers' pipelines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_pictures
from beside_diffusers import Family, compare, make_freely

from gen_image.families import z_image

FAMILIES = {
    "z-image": Family(
        partial(tiny_pictures.z_image, shift=6.0),
        z_image.load,
        size=(24, 16),
        guidance=5.0,
        options={"guidance_scale": 4.0},  # theirs is 0 where there is none
    ),
    "z-image-turbo": Family(
        partial(tiny_pictures.z_image, shift=3.0),
        z_image.load,
        guidance=1.0,
        options={"guidance_scale": 0.0},
        negative=None,
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_parity(name: str, tmp_path: Path) -> None:
    compare(FAMILIES[name], tmp_path)


@pytest.mark.parametrize("build", [partial(tiny_pictures.z_image, shift=6.0)], ids=["z-image"])
def test_what_the_pipelines_lack(build: Callable[[], Any], tmp_path: Path) -> None:
    make_freely(tiny.saved(build(), tmp_path))
