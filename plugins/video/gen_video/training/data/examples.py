"""What the denoiser learns from: clips as text asks for them, as given frames show them, and going on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gen_video.layers import POSE, resized
from gen_video.sizes import SIDE
from gen_video.training.data import clips
from gen_video.training.data.clips import SMALL, Clip
from gen_video.training.data.render import TIMES, Look, Renderer

SHARES: Mapping[str, float] = {"told": 0.56, "first": 0.13, "ends": 0.12, "continued": 0.19}
"""Each kind of example by its share.

``told``: what text alone, or text and a part of the looks, asks for. ``first`` and ``ends``: whose first
frame, or last and perhaps first frame, is a picture from elsewhere. ``continued``: pieces of longer clips.
"""

_PIECES = (0.0, 0.75, 1.5, 2.25, 3.0)
"""When pieces of a longer clip begin, in clips: each shares a quarter with the one before."""


@dataclass(frozen=True, eq=False)
class Example:
    """A clip in layers.

    Args:
        clip: What it shows.
        looks: Of its pictures.
        pictures: (4, S, S) each, of two things and the background, in [0, 1], premultiplied.
        motion: Numbers (16, T) of ``Layers``.
    """

    clip: Clip
    looks: Sequence[Look]
    pictures: Sequence[Tensor]
    motion: NDArray[np.float64]


def draw(renderer: Renderer, kind: str, rng: random.Random) -> Example:
    """An example of the training set.

    Args:
        renderer: Draws it.
        kind: One of ``SHARES``.
        rng: Source of randomness.
    """
    clip = clips.draw(renderer.things, renderer.tintable, rng)
    if kind == "told":
        return Example(clip, renderer.looks(clip), renderer.pictures(clip), renderer.motion(clip))
    clip = replace(clip, actors=tuple(replace(actor, phase=rng.random()) for actor in clip.actors))
    if kind == "continued":
        times = TIMES + rng.choice(_PIECES)
        if clip.periodic and rng.random() < 0.5:
            # As the end of a loop is joined to its beginning: begun in the middle.
            times = (TIMES + 0.5) % 1
        return Example(clip, renderer.looks(clip), renderer.pictures(clip), renderer.motion(clip, times))
    # Of a given frame, one picture is known: what it shows takes no strides.
    clip = replace(clip, strides=False)
    if kind == "ends":
        # A camera that moves cannot rest both where a clip begins and where it ends.
        clip = replace(clip, camera="")
    turned = [rng.random() < 0.5 for _ in clip.actors]
    sizes = [actor.size for actor in clip.actors]
    if len(sizes) == 1 and rng.random() < 0.5:
        sizes = [rng.uniform(SMALL, SIDE)]
    motion = _seen(renderer.motion(clip), 0 if kind == "first" else -1, sizes)
    return Example(clip, renderer.looks(clip, turned), renderer.pictures(clip, turned), motion)


def _seen(motion: NDArray[np.float64], at: int, sizes: Sequence[float]) -> NDArray[np.float64]:
    """A clip's numbers as a frame of it that is taken apart says them: upright, level, and never mirrored.

    Args:
        motion: (16, T).
        at: The frame.
        sizes: Pixels of each thing in that frame.
    """
    motion = motion.copy()
    for thing, size in enumerate(sizes):
        _, _, cos, sin, wide, high, opacity = motion[thing * POSE : (thing + 1) * POSE]
        cos[:], sin[:] = cos * cos[at] + sin * sin[at], sin * cos[at] - cos * sin[at]
        wide[:], high[:] = resized(wide, at, size), resized(high, at, size)
        opacity[:] = np.abs(opacity)
    motion[-2:] -= motion[-2:, [at]]
    return motion
