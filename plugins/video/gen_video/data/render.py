"""Clips as frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gen.train.emoji import dominant_hue, scaled, turned
from gen_video.data.backgrounds import tile
from gen_video.data.clips import HUES, Actor, Clip, mirrored
from gen_video.data.motion import MOTIONS, SPEEDS, Pose
from gen_video.data.things import Things
from gen_video.sizes import FRAMES, SIDE

SPRITE = 64
"""Side of the sprites that are drawn, in pixels."""

TIMES = np.arange(FRAMES) / FRAMES
"""The times of a clip's frames, in clips."""


class Renderer:
    """Renders clips.

    Args:
        things: What may appear.
        resample: How sprites are scaled; the metrics' classifier learns from another filter than the model.
    """

    def __init__(self, things: Things, resample: Image.Resampling = Image.Resampling.LANCZOS) -> None:
        self.things = things
        self._sprites = [scaled(sprite, SPRITE, resample) for sprite in things.sprites]
        self._hues = [dominant_hue(sprite) for sprite in self._sprites]
        self._layers: dict[tuple[int, str, bool], Tensor] = {}

    @property
    def tintable(self) -> frozenset[int]:
        """Indices of things with one clear colour, which can be turned into another."""
        return frozenset(i for i, hue in enumerate(self._hues) if hue is not None)

    def render(self, clips: Sequence[Clip], times: np.ndarray = TIMES) -> Tensor:
        """Draw clips.

        Args:
            clips: N clips.
            times: (T,) or (N, T), in clips.

        Returns:
            (N, T, 3, 128, 128) float32 in [-1, 1].
        """
        return torch.stack(
            [
                self._clip(clip, row)
                for clip, row in zip(
                    clips, np.broadcast_to(times, (len(clips), times.shape[-1])), strict=True
                )
            ]
        )

    def _clip(self, clip: Clip, times: np.ndarray) -> Tensor:
        shift, zoom = camera(clip.camera, times)
        frames = _background(clip, times, shift, zoom)
        for actor in reversed(clip.actors):
            pose = MOTIONS[actor.motion].pose(times, actor.speed, actor.phase)
            self._paint(frames, actor, pose, shift, zoom)
        return frames.mul_(2).sub_(1)

    def _paint(self, frames: Tensor, actor: Actor, pose: Pose, shift: np.ndarray, zoom: np.ndarray) -> None:
        """Lay a thing over the frames (T, 3, 128, 128), each in the square that it can reach."""
        x = zoom * (actor.x + pose.x - shift) + SIDE / 2
        y = zoom * (actor.y + pose.y) + SIDE / 2
        wide, high = (actor.size * zoom * scale for scale in (pose.scale_x, pose.scale_y))
        reach = np.hypot(wide, high).max() if np.ptp(pose.angle) else max(wide.max(), high.max())
        window = 2 * int(np.ceil(reach / 2 + 1))
        left, top = (np.floor(centre - window / 2).astype(int) for centre in (x, y))
        # From the coordinates of the square to those of the sprite, both in [-1, 1].
        cos, sin = np.cos(pose.angle), np.sin(pose.angle)
        dx, dy = ((centre - corner - window / 2) * 2 / window for centre, corner in ((x, left), (y, top)))
        across, along = window / wide, window / high
        theta = np.stack(
            [
                np.stack([cos * across, sin * across, -(cos * dx + sin * dy) * across], -1),
                np.stack([-sin * along, cos * along, (sin * dx - cos * dy) * along], -1),
            ],
            1,
        )
        layer = self._layer(actor)
        grid = functional.affine_grid(
            torch.from_numpy(theta).float(), [len(x), 4, window, window], align_corners=False
        )
        drawn = functional.grid_sample(layer.expand(len(x), -1, -1, -1), grid, align_corners=False)
        drawn *= torch.from_numpy(pose.opacity).float()[:, None, None, None]
        for frame, square, row, column in zip(frames, drawn, top, left, strict=True):
            r0, r1, c0, c1 = max(row, 0), min(row + window, SIDE), max(column, 0), min(column + window, SIDE)
            if r0 >= r1 or c0 >= c1:
                continue
            part = square[:, r0 - row : r1 - row, c0 - column : c1 - column]
            frame[:, r0:r1, c0:c1].mul_(1 - part[3:]).add_(part[:3])

    def _layer(self, actor: Actor) -> Tensor:
        """The sprite of an actor, (1, 4, 64, 64) premultiplied, in [0, 1]."""
        mirror = mirrored(actor, self.things.gaits[actor.thing])
        key = (actor.thing, actor.hue, mirror)
        if key not in self._layers:
            sprite = self._sprites[actor.thing]
            hue = self._hues[actor.thing]
            if actor.hue and hue is not None:
                sprite = turned(sprite, HUES[actor.hue] - hue)
            pixels = (sprite[:, ::-1] if mirror else sprite).astype(np.float32) / 255
            pixels[..., :3] *= pixels[..., 3:]
            self._layers[key] = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        return self._layers[key]


def camera(name: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a camera looks, in pixels to the right of the middle, and how much it enlarges."""
    steady = np.zeros_like(times)
    verb, _, direction = name.partition(" ")
    if verb == "pan":
        return (times - 0.5) * 48 * (1 if direction == "right" else -1), steady + 1
    if verb == "zoom":
        return steady, 1 + 0.6 * (times if direction == "in" else 1 - times)
    return steady, steady + 1


def _background(clip: Clip, times: np.ndarray, shift: np.ndarray, zoom: np.ndarray) -> Tensor:
    """The background over time, (T, 3, 128, 128) in [0, 1], fresh in memory."""
    picture = torch.from_numpy(tile(clip.background)).permute(2, 0, 1).float() / 255
    if not clip.scroll and not clip.camera:
        return picture.expand(len(times), -1, -1, -1).contiguous()
    moved = shift + {"": 0, "left": 1, "right": -1}[clip.scroll] * SIDE * SPEEDS["normal"] * times / 2
    # Three periods side by side, so that every place that is looked at exists.
    wide = torch.cat([picture] * 3, -1)
    theta = np.zeros((len(times), 2, 3), np.float32)
    theta[:, 0, 0] = 1 / (3 * zoom)
    theta[:, 0, 2] = ((moved + SIDE / 2) % SIDE - SIDE / 2) * 2 / (3 * SIDE)
    theta[:, 1, 1] = 1 / zoom
    grid = functional.affine_grid(torch.from_numpy(theta), [len(times), 3, SIDE, SIDE], align_corners=False)
    return functional.grid_sample(
        wide.expand(len(times), -1, -1, -1), grid, padding_mode="border", align_corners=False
    )
