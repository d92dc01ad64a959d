"""What is behind the things: colours, patterns and places, as tiles that repeat from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gen_video.sizes import SIDE
from gen_video.vocabulary import PATTERNS, PLACES

COLOURS = {
    "white": (255, 255, 255),
    "black": (24, 24, 24),
    "grey": (150, 150, 150),
    "red": (226, 66, 58),
    "orange": (250, 160, 60),
    "yellow": (252, 222, 90),
    "green": (94, 178, 88),
    "blue": (74, 128, 214),
    "light blue": (166, 214, 246),
    "purple": (140, 96, 190),
    "pink": (248, 176, 204),
    "brown": (146, 104, 76),
}


@dataclass(frozen=True)
class Background:
    """A background.

    Args:
        colour: One of ``COLOURS``; of no account in a place.
        pattern: One of ``PATTERNS``, or empty.
        place: One of ``PLACES``, or empty.
    """

    colour: str = "white"
    pattern: str = ""
    place: str = ""


WHITE = Background()
PLAIN = tuple(Background(colour) for colour in COLOURS)
PATTERNED = tuple(
    Background(colour, pattern)
    for pattern in PATTERNS
    for colour in COLOURS
    if colour not in ("white", "light blue")
)
SCENIC = tuple(Background(place=place) for place in PLACES)


@cache
def tile(background: Background) -> np.ndarray:
    """One period of a background, (128, 128, 3) uint8."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    if background.place:
        return _place(background.place, x, y).round().clip(0, 255).astype(np.uint8)
    colour = np.array(COLOURS[background.colour], dtype=np.float32)
    if not background.pattern:
        return np.broadcast_to(colour, (SIDE, SIDE, 3)).astype(np.uint8)
    marked = {
        "striped": (x % 32) < 16,
        "dotted": ((x % 32 - 15.5) ** 2 + (y % 32 - 15.5) ** 2) < 64,
        "checkered": ((x // 16 + y // 16) % 2) == 0,
    }[background.pattern]
    # Half way to white, so that the things in front stand out.
    return np.where(marked[..., None], (colour + 255) / 2, 255.0).round().astype(np.uint8)


def _place(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height = (y / SIDE)[..., None]
    sky = _between((120, 184, 244), (206, 232, 252), height)
    if name == "space":
        stars = np.random.default_rng(5).integers(4, SIDE - 4, (26, 2))
        night = _between((14, 16, 44), (44, 34, 84), height)
        for column, row in stars:
            night[(abs(x - column) + abs(y - row)) < 2] = 236
        return night
    if name == "sky":
        return _clouds(sky, x, y, ((34, 30, 20), (92, 62, 24), (40, 104, 18)))
    ground = {
        "grass": _between((128, 196, 92), (78, 150, 62), height),
        "sea": _between((70, 150, 206), (30, 92, 160), height),
        "desert": _between((240, 212, 150), (222, 178, 106), height),
        "road": _between((112, 112, 118), (92, 92, 98), height),
        "snow": _between((246, 250, 255), (220, 232, 246), height),
    }[name]
    if name == "sea":
        ground += 14 * (np.sin(x * 2 * np.pi / 32 + y / 5) > 0.75)[..., None]
    if name == "grass":
        ground -= 22 * (((x * 3 + y * 5) % 16 < 2) & (x % 8 < 4))[..., None]
    if name == "road":
        ground[(abs(y - 104) < 2.5) & (x % 32 < 18)] = 244
        ground[abs(y - 81) < 1.5] = 210
    horizon = 78 + (4 * np.sin(x * 2 * np.pi / SIDE) if name in ("desert", "snow") else 0)
    picture = np.where((y > horizon)[..., None], ground, sky)
    if name == "snow":
        for column, row in np.random.default_rng(7).integers(3, SIDE - 3, (22, 2)):
            picture[(x - column) ** 2 + (y - row) ** 2 < 4] = 255
        return picture
    return _clouds(picture, x, y, ((88, 26, 18),)) if name in ("grass", "road", "sea") else picture


def _between(top: tuple[int, int, int], bottom: tuple[int, int, int], height: np.ndarray) -> np.ndarray:
    return np.array(top, np.float32) * (1 - height) + np.array(bottom, np.float32) * height


def _clouds(
    picture: np.ndarray, x: np.ndarray, y: np.ndarray, clouds: tuple[tuple[int, int, int], ...]
) -> np.ndarray:
    for column, row, size in clouds:
        for across, up, radius in ((-0.7, 0, 0.5), (0, 0.2, 0.7), (0.7, 0, 0.5)):
            # The tile's right edge meets its left one.
            beside = (x - column - across * size + SIDE / 2) % SIDE - SIDE / 2
            puff = beside**2 + (1.6 * (y - row + up * size)) ** 2
            picture = np.where((puff < (radius * size) ** 2)[..., None], 250.0, picture)
    return picture
