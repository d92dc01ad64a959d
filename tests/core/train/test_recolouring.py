"""Things in other colours."""

import numpy as np
import pytest

from gen.train.recolouring import PAINTS, oklab, painted, srgb


def shaded(hue: tuple[int, int, int]) -> np.ndarray:
    """A disc of one hue that grows lighter to the right, with a black eye."""
    y, x = np.mgrid[:64, :64]
    sprite = np.zeros((64, 64, 4), np.uint8)
    sprite[..., :3] = np.clip(np.array(hue) * (0.6 + 0.4 * x[..., None] / 63), 0, 255)
    sprite[20:26, 20:26, :3] = 10
    sprite[..., 3] = 255 * ((x - 32) ** 2 + (y - 32) ** 2 < 900)
    return sprite


@pytest.mark.parametrize("paint", PAINTS)
@pytest.mark.parametrize("hue", [(230, 60, 50), (200, 200, 205), (60, 160, 230)])
def test_a_thing_takes_the_colour_and_keeps_its_shading(hue: tuple[int, int, int], paint: str) -> None:
    before, after = shaded(hue), painted(shaded(hue), paint)
    assert (after[..., 3] == before[..., 3]).all()
    inside = before[..., 3] > 0
    body = inside & (before[..., :3].max(-1) > 60)
    light, chroma, angle = PAINTS[paint]
    mean = oklab(after[body, :3]).mean(0)
    wanted = [light, chroma * np.cos(np.radians(angle)), chroma * np.sin(np.radians(angle))]
    assert np.linalg.norm(mean - wanted) < 0.08
    row = oklab(after[40, 10:54, :3])[:, 0]
    assert row[-1] > row[0]


def test_dark_lines_stay_where_the_thing_has_no_main_colour() -> None:
    before = shaded((200, 200, 205))
    assert (painted(before, "red")[20:26, 20:26, :3] < 40).all()


def test_small_white_parts_stay() -> None:
    sprite = shaded((120, 120, 125))
    sprite[38:46, 28:36, :3] = 255
    assert (painted(sprite, "blue")[38:46, 28:36, :3] > 245).all()


def test_the_space_leads_there_and_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (500, 3), np.uint8)
    assert np.abs(srgb(oklab(pixels)).astype(int) - pixels).max() <= 1
    np.testing.assert_allclose(oklab(np.full((1, 3), 255, np.uint8)), [[1, 0, 0]], atol=1e-3)


def test_nothing_is_painted_where_nothing_is() -> None:
    empty = np.zeros((8, 8, 4), np.uint8)
    assert (painted(empty, "red") == empty).all()
