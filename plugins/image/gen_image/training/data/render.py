"""Scenes as pictures."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from gen.train.emoji import EmojiSet, scaled
from gen.train.recolouring import painted
from gen_image.training.data.scenes import (
    CANVAS,
    COLOURS,
    LAYOUTS,
    Background,
    Scene,
    Thing,
)


class Renderer:
    """Renders scenes from the sprites of an emoji set.

    Args:
        emoji: The emoji and their sprites.
        resample: How sprites are scaled; the metrics' classifier learns from another filter than the model.
    """

    def __init__(self, emoji: EmojiSet, resample: Image.Resampling = Image.Resampling.LANCZOS) -> None:
        self.emoji = emoji
        self._scaled = lru_cache(maxsize=8192)(
            lambda index, size: scaled(emoji.sprites[index], size, resample)
        )

    def render(self, scenes: Iterable[Scene]) -> np.ndarray:
        """Compose scenes.

        Returns:
            (N, 128, 128, 3) uint8.
        """
        return np.stack([self._compose(scene) for scene in scenes])

    def _compose(self, scene: Scene) -> np.ndarray:
        canvas = backdrop(scene.background).copy()
        for thing, box in zip(scene.things, LAYOUTS[scene.layout], strict=True):
            sprite = self._sprite(thing, box.thing)
            margin = (box.side - box.thing) // 2
            region = canvas[box.slices][margin : box.side - margin, margin : box.side - margin]
            alpha = sprite[..., 3:].astype(np.float32) / 255
            region[:] = np.round(alpha * sprite[..., :3] + (1 - alpha) * region).astype(np.uint8)
        return canvas

    def _sprite(self, thing: Thing, size: int) -> np.ndarray:
        sprite = self._scaled(thing.emoji, size)
        if thing.paint:
            sprite = painted(sprite, thing.paint)
        return sprite[:, ::-1] if thing.mirrored else sprite


@cache
def backdrop(background: Background) -> np.ndarray:
    """A background alone, (128, 128, 3) uint8."""
    colour = np.array(COLOURS[background.colour], dtype=np.float32)
    y, x = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32)
    mask = {
        "": np.ones_like(x, dtype=bool),
        "striped": (x % 32) < 16,
        "dotted": ((x % 32 - 15.5) ** 2 + (y % 32 - 15.5) ** 2) < 64,
        "checkered": ((x // 16 + y // 16) % 2) == 0,
        "diagonal": ((x + y) % 32) < 16,
    }[background.pattern]
    # A pattern is tinted half way to white so that the things in front stand out.
    tint = colour if not background.pattern else (colour + 255) / 2
    return np.where(mask[..., None], tint, 255.0).round().astype(np.uint8)
