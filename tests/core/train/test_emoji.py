"""Sprites: their hue is found and turned, and their edges keep their colour."""

import sys

import numpy as np
import pytest
from PIL import Image

from gen.errors import PluginError
from gen.train.emoji import dominant_hue, load, scaled, turned


def disc(*colour: int) -> np.ndarray:
    """A disc on transparent black, (64, 64, 4)."""
    y, x = np.mgrid[-31.5:32, -31.5:32]
    return np.where((x**2 + y**2 < 700)[..., None], np.array([*colour, 255]), 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "hue"), [((220, 40, 40), 0), ((40, 200, 40), 120), ((40, 40, 200), 240 - 360)]
)
def test_the_hue_of_one_colour_is_found(colour, hue) -> None:
    assert dominant_hue(disc(*colour)) == pytest.approx(hue, abs=2)


def test_grey_and_many_colours_have_no_hue() -> None:
    assert dominant_hue(disc(120, 120, 120)) is None
    striped = disc(220, 40, 40)
    striped[::2] = disc(40, 200, 40)[::2]
    assert dominant_hue(striped) is None


def test_without_the_extra_the_line_for_pip_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fontTools.ttLib", None)
    with pytest.raises(PluginError, match=r"fontTools is not installed.*gen-toolkit\[train\]"):
        load()


def test_turning_changes_the_hue_alone() -> None:
    red = disc(220, 40, 40)
    green = turned(red, 120)
    assert dominant_hue(green) == pytest.approx(120, abs=2)
    assert np.array_equal(green[..., 3], red[..., 3])
    assert np.abs(turned(green, -120).astype(int) - red).max() <= 4


def test_scaling_keeps_the_colour_of_edges() -> None:
    small = scaled(disc(220, 40, 40), 20, Image.Resampling.LANCZOS)
    assert small.shape == (20, 20, 4)
    edge = small[(small[..., 3] > 60) & (small[..., 3] < 200)]
    assert len(edge) > 8
    assert np.abs(edge[:, :3].astype(int) - [220, 40, 40]).max() < 12
