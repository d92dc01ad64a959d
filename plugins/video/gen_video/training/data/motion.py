"""How things move: the pose of a thing as a function of time, for every motion of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gen_video.sizes import SIDE

Array: TypeAlias = NDArray[np.float64]

SPEEDS = {"slow": 0.5, "normal": 1.0, "fast": 2.0}
"""Factor of the pace."""

CYCLES = {"slow": 1, "normal": 2, "fast": 4}
"""How often a periodic motion comes round in a clip."""

STRIDE = 64.0
"""Pixels that a thing moves in a clip at normal speed."""


@dataclass(frozen=True)
class Pose:
    """Where a thing is and how it looks, over time; every array has the shape of the times.

    Args:
        x, y: Centre in pixels from its place; y points down.
        angle: In radians, clockwise.
        scale_x, scale_y: Of its size.
        opacity: In [0, 1].
    """

    x: Array
    y: Array
    angle: Array
    scale_x: Array
    scale_y: Array
    opacity: Array


@dataclass(frozen=True)
class Motion:
    """One motion.

    Args:
        pose: (times in [0, 1] of a clip, speed, phase in [0, 1)) -> pose. Only what comes round has a phase.
        periodic: Whether a clip of it is a loop.
        axis: ``"x"`` or ``"y"`` where it takes the whole picture along it, so that nothing stands beside.
        heading: -1 when it goes to the left, 1 to the right.
    """

    pose: Callable[[Array, str, float], Pose]
    periodic: bool = False
    axis: str = ""
    heading: int = 0


def other_pose(t: Array, speed: str, phase: float) -> NDArray[np.bool_]:
    """When what takes strides is seen in its other pose: half of each stride, two frames at normal speed."""
    return (2 * t * CYCLES[speed] + phase) % 1 >= 0.5


def _pose(t: Array, **parts: Array) -> Pose:
    rest = {"x": 0.0, "y": 0.0, "angle": 0.0, "scale_x": 1.0, "scale_y": 1.0, "opacity": 1.0}
    return Pose(**{name: parts.get(name, np.full_like(t, value)) for name, value in rest.items()})


def _move(dx: int, dy: int) -> Callable[[Array, str, float], Pose]:
    def pose(t: Array, speed: str, _: float) -> Pose:
        way = STRIDE * SPEEDS[speed] * (t - 0.5)
        return _pose(t, x=dx * way, y=dy * way)

    return pose


def _past(dx: int) -> Callable[[Array, str, float], Pose]:
    def pose(t: Array, speed: str, _: float) -> Pose:
        # From edge to edge; slowly, only the middle part of the way is seen.
        way = (SIDE + 40) * {"slow": 0.7, "normal": 1.0, "fast": 1.6}[speed]
        return _pose(t, x=dx * way * (t - 0.5))

    return pose


def _roll(dx: int) -> Callable[[Array, str, float], Pose]:
    def pose(t: Array, speed: str, _: float) -> Pose:
        way = STRIDE * SPEEDS[speed] * (t - 0.5)
        # Without slipping, for a wheel of 28 pixels radius.
        return _pose(t, x=dx * way, angle=dx * way / 28)

    return pose


def _leap(direction: int) -> Callable[[Array, str, float], Pose]:
    def pose(t: Array, speed: str, _: float) -> Pose:
        return _pose(t, y=direction * (150 * (t * SPEEDS[speed]) ** 1.6 - 22))

    return pose


def _bounce(t: Array, speed: str, phase: float) -> Pose:
    height = np.abs(np.sin(np.pi * (t * CYCLES[speed] + phase)))
    flat = 0.22 * np.clip(1 - height / 0.35, 0, 1)
    return _pose(t, y=26 - 46 * height + 8 * flat, scale_x=1 + flat, scale_y=1 - flat)


def _spin(t: Array, speed: str, phase: float) -> Pose:
    # A quarter turn between frames could not be told from one the other way.
    turns = {"slow": 1, "normal": 2, "fast": 3}[speed]
    return _pose(t, angle=2 * np.pi * (t * turns + phase))


def _swing(t: Array, speed: str, phase: float) -> Pose:
    angle = 0.6 * np.sin(2 * np.pi * (t * CYCLES[speed] + phase))
    # Hung up above its middle.
    return _pose(t, angle=angle, x=-26 * np.sin(angle), y=26 * np.cos(angle) - 24)


def _size(start: float, end: float) -> Callable[[Array, str, float], Pose]:
    def pose(t: Array, speed: str, _: float) -> Pose:
        # Slowly, it gets half of the way; fast, it is there half way through.
        scale = start + (end - start) * np.clip(t * SPEEDS[speed], 0, 1)
        return _pose(t, scale_x=scale, scale_y=scale)

    return pose


def _beat(t: Array, speed: str, phase: float) -> Pose:
    scale = 1 + 0.22 * np.sin(2 * np.pi * (t * CYCLES[speed] + phase))
    return _pose(t, scale_x=scale, scale_y=scale)


def _shake(t: Array, speed: str, phase: float) -> Pose:
    wave = np.sin(2 * np.pi * (2 * t * {"slow": 1, "normal": 2, "fast": 3}[speed] + phase))
    return _pose(t, x=7 * wave, angle=0.1 * wave)


def _circle(t: Array, speed: str, phase: float) -> Pose:
    angle = 2 * np.pi * (t * {"slow": 1, "normal": 2, "fast": 3}[speed] + phase)
    return _pose(t, x=38 * np.cos(angle), y=38 * np.sin(angle))


def _blink(t: Array, speed: str, phase: float) -> Pose:
    return _pose(t, opacity=((t * CYCLES[speed] + phase) % 1 < 0.5).astype(np.float64))


def _fade(start: float, end: float) -> Callable[[Array, str, float], Pose]:
    def pose(t: Array, speed: str, _: float) -> Pose:
        return _pose(t, opacity=start + (end - start) * np.clip(1.4 * t * SPEEDS[speed] - 0.1, 0, 1))

    return pose


MOTIONS: Mapping[str, Motion] = {
    "still": Motion(lambda t, _speed, _phase: _pose(t), periodic=True),
    "left": Motion(_move(-1, 0), axis="x", heading=-1),
    "right": Motion(_move(1, 0), axis="x", heading=1),
    "up": Motion(_move(0, -1), axis="y"),
    "down": Motion(_move(0, 1), axis="y"),
    "past left": Motion(_past(-1), axis="x", heading=-1),
    "past right": Motion(_past(1), axis="x", heading=1),
    "roll left": Motion(_roll(-1), axis="x", heading=-1),
    "roll right": Motion(_roll(1), axis="x", heading=1),
    "fly up": Motion(_leap(-1), axis="y"),
    "fall": Motion(_leap(1), axis="y"),
    "bounce": Motion(_bounce, periodic=True),
    "spin": Motion(_spin, periodic=True),
    "swing": Motion(_swing, periodic=True),
    "grow": Motion(_size(0.35, 1.25)),
    "shrink": Motion(_size(1.25, 0.35)),
    "beat": Motion(_beat, periodic=True),
    "shake": Motion(_shake, periodic=True),
    "circle": Motion(_circle, periodic=True),
    "blink": Motion(_blink, periodic=True),
    "appear": Motion(_fade(0, 1)),
    "disappear": Motion(_fade(1, 0)),
}
"""Every motion by its name in the grammar."""
