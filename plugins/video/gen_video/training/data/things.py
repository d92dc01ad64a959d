"""What appears in the clips: emoji that one would name, and how each of them gets about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gen.train import emoji
from gen_video.vocabulary import ALIASES, GAITS

FACES_LEFT = ("drives", "swims", "runs")
"""Gaits of things that look to the left in the font, and are mirrored when they go to the right."""

POSES = {"person running": "person walking"}
"""What is drawn in two poses of a stride: the name of a thing, and that of its other picture.

The heads of both are at one place, and the feet on one line but for a bob of three pixels.
"""


@dataclass(frozen=True, eq=False)
class Things:
    """Everything that can appear.

    Args:
        names: The first is the thing's own, the others are aliases.
        gaits: Verb of moving of each.
        sprites: (N and more, 128, 128, 4) uint8, straight alpha; behind those of the things, other poses.
        strides: Thing to the row of its other pose.
    """

    names: tuple[tuple[str, ...], ...]
    gaits: tuple[str, ...]
    sprites: np.ndarray
    strides: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.names)


def load() -> Things:
    """The things, in the order of the lists above.

    Raises:
        UsageError: The font or its names are not installed.
    """
    return _read(emoji.find_font(), emoji.find_annotations())


@cache
def _read(font: Path, annotations: Path) -> Things:
    everything = emoji.load(font, annotations)
    rows = {one.name: row for row, one in enumerate(everything.emoji)}
    found: dict[str, str] = {}
    for gait, listed in GAITS.items():
        for name in listed:
            if name in rows:
                found.setdefault(name, gait)
    names = tuple((name, *([ALIASES[name]] if name in ALIASES else [])) for name in found)
    poses = {name: other for name, other in POSES.items() if name in found and other in rows}
    strides = {list(found).index(name): len(found) + row for row, name in enumerate(poses)}
    shown = [rows[name] for name in (*found, *poses.values())]
    return Things(names, tuple(found.values()), everything.sprites[shown], strides)
