"""Clips of the grammar as layers and as frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gen.train.emoji import dominant_hue, scaled, turned
from gen_video.layers import THINGS, Layers, absent, pose, steady
from gen_video.sizes import FRAMES, SIDE
from gen_video.training.data.backgrounds import Background, tile
from gen_video.training.data.clips import HUES, Actor, Clip, mirrored
from gen_video.training.data.motion import MOTIONS, SPEEDS, other_pose
from gen_video.training.data.things import Things

NOT_TURNED = (False,) * THINGS
"""Pictures as they are in the font."""

TIMES = np.arange(FRAMES) / FRAMES
"""The times of a clip's frames, in clips."""

OUT_OF_SIGHT = 140.0
"""Pixels from the middle of the frame beyond which things go no further."""

Look: TypeAlias = tuple[int, str, bool] | Background | None
"""A thing, its hue and whether its picture is mirrored, a background, or nothing."""


class Renderer:
    """Renders clips.

    Args:
        things: What may appear.
        side: Of the pictures of things, in pixels; the metrics' judges learn from others than the model.
        resample: How they are scaled.
    """

    def __init__(
        self, things: Things, side: int = SIDE, resample: Image.Resampling = Image.Resampling.LANCZOS
    ) -> None:
        self.things = things
        self._sprites = [scaled(sprite, side, resample) for sprite in things.sprites]
        self._hues = [dominant_hue(sprite) for sprite in self._sprites]
        self._nothing = torch.zeros(4, side, side)
        self._pictures: dict[tuple[int, str], Tensor] = {}

    @property
    def tintable(self) -> frozenset[int]:
        """Indices of things with one clear colour, which can be turned into another."""
        return frozenset(thing for thing in range(len(self.things)) if self._hues[thing] is not None)

    def render(self, clips: Sequence[Clip], times: np.ndarray = TIMES) -> Tensor:
        """Draw clips.

        Args:
            clips: N clips.
            times: (T,) or (N, T), in clips.

        Returns:
            (N, T, 3, 128, 128) float32 in [-1, 1].
        """
        rows = np.broadcast_to(times, (len(clips), times.shape[-1]))
        return torch.stack(
            [self.layers(clip, row).frames() * 2 - 1 for clip, row in zip(clips, rows, strict=True)]
        )

    def layers(self, clip: Clip, times: np.ndarray = TIMES) -> Layers:
        """A clip taken apart, at times (T,)."""
        *seen, behind = self.pictures(clip)
        return Layers(torch.stack(seen), behind[:3], self.motion(clip, times))

    def pictures(self, clip: Clip, turned: Sequence[bool] = NOT_TURNED) -> list[Tensor]:
        """What is seen in a clip: two things, or one in two poses, or one and nothing, and the background.

        Args:
            clip: The clip.
            turned: Whether each picture of a thing is mirrored.

        Returns:
            (4, side, side) each in [0, 1], premultiplied.
        """
        seen = [self.picture(actor) for actor in self._shown(clip)]
        seen = [one.flip(-1) if other else one for one, other in zip(seen, turned, strict=False)]
        return [*seen, *[self._nothing] * (THINGS - len(seen)), ground(clip.background)]

    def looks(self, clip: Clip, turned: Sequence[bool] = NOT_TURNED) -> list[Look]:
        """What the pictures of a clip show: equal where these are."""
        seen = [(a.thing, a.hue, other) for a, other in zip(self._shown(clip), turned, strict=False)]
        return [*seen, *[None] * (THINGS - len(seen)), clip.background]

    def motion(self, clip: Clip, times: np.ndarray = TIMES) -> np.ndarray:
        """How what is seen moves: numbers (16, T) of ``Layers``."""
        shift, zoom = camera(clip.camera, times)
        poses = [self._pose(actor, times, shift, zoom) for actor in clip.actors]
        if clip.strides:
            [actor], [numbers] = clip.actors, poses
            other = other_pose(times, actor.speed, actor.phase)
            poses = [_seen_when(~other, numbers), _seen_when(other, numbers)]
        poses += [absent(len(times))] * (THINGS - len(poses))
        scroll = {"": 0, "left": 1, "right": -1}[clip.scroll] * SIDE * SPEEDS["normal"] * times / 2
        return np.concatenate([*poses, steady(shift + scroll, zoom)])

    def picture(self, actor: Actor) -> Tensor:
        """What an actor looks like, (4, side, side) in [0, 1], premultiplied."""
        key = (actor.thing, actor.hue)
        if key not in self._pictures:
            sprite = self._sprites[actor.thing]
            hue = self._hues[actor.thing]
            if actor.hue and hue is not None:
                sprite = turned(sprite, HUES[actor.hue] - hue)
            pixels = sprite.astype(np.float32) / 255
            pixels[..., :3] *= pixels[..., 3:]
            self._pictures[key] = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return self._pictures[key]

    def _shown(self, clip: Clip) -> list[Actor]:
        """Whose pictures are seen: the actors', and that of the other pose of one that takes strides."""
        others = [replace(a, thing=self.things.strides[a.thing]) for a in clip.actors if clip.strides]
        return [*clip.actors, *others]

    def _pose(self, actor: Actor, times: np.ndarray, shift: np.ndarray, zoom: np.ndarray) -> np.ndarray:
        moved = MOTIONS[actor.motion].pose(times, actor.speed, actor.phase)
        side = -1 if mirrored(actor, self.things.gaits[actor.thing]) else 1
        x, y = (
            (zoom * centre).clip(-OUT_OF_SIGHT, OUT_OF_SIGHT)
            for centre in (actor.x + moved.x - shift, actor.y + moved.y)
        )
        return pose(
            x,
            y,
            moved.angle,
            actor.size * zoom * moved.scale_x,
            actor.size * zoom * moved.scale_y,
            side * moved.opacity,
        )


def _seen_when(times: NDArray[np.bool_], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers (POSE, T) of a thing that is not seen at other times, (T,)."""
    return np.concatenate([numbers[:-1], numbers[-1:] * times])


@cache
def ground(background: Background) -> Tensor:
    """A background, opaque: (4, 128, 128) in [0, 1]."""
    colour = torch.from_numpy(tile(background)).permute(2, 0, 1).float() / 255
    return torch.cat([colour, torch.ones(1, SIDE, SIDE)])


def camera(name: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a camera looks, in pixels to the right of the middle, and how much it enlarges."""
    steady = np.zeros_like(times)
    verb, _, direction = name.partition(" ")
    # It rests when it is there.
    times = times.clip(0, 1)
    if verb == "pan":
        return (times - 0.5) * 48 * (1 if direction == "right" else -1), steady + 1
    if verb == "zoom":
        return steady, 1 + 0.6 * (times if direction == "in" else 1 - times)
    return steady, steady + 1
