"""Families of flows whose text encoders are language models: ours beside diffusers' pipelines."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import tiny_pictures
from beside_diffusers import Family, compare

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
    model = compare(FAMILIES[name], tmp_path)
    assert model.defaults.solver == "flow_euler" or model.defaults
