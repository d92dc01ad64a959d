"""What is kept of an input, put back over what was decoded: pictures, frames and sounds.

Codecs are lossy: what they decode of an input's own state is near the input, and not equal to it. So the
input's samples are laid over what was made, everywhere outside the part that was to change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.kinds import KINDS

Floats: TypeAlias = NDArray[np.float32]
Booleans: TypeAlias = NDArray[np.bool_]

BLACK = 0.02
"""Values of a mask below this count as black: a lossy file does not store 0 as 0."""

ONE_COLOUR = 0.1
"""Channels of what was painted in one colour differ no more: soft edges and lossy files blur it."""

AUDIBLE = 0.01
"""Samples of a mask above this, -40 dB, are not silent."""

GAP = 0.05
"""Seconds of silence in a mask that still belong to the sound around it: 20 Hz has a period so long."""

SEAM = 1 / 64
"""Width of the seam of an edited picture, as a share of its shorter side."""

FADE = 0.02
"""Seconds in which a sound passes from what is kept to what was made."""


def seam(side: int) -> int:
    """Width in pixels of the seam of an edited picture with this shorter side; at least 1."""
    return max(1, round(side * SEAM))


def keep_pixels(made: Floats, given: Floats, changed: Booleans, feather: int = 0) -> Floats:
    """The given pixels where nothing is to change, bit for bit, and those made elsewhere.

    Args:
        made: (..., H, W, C).
        given: Of the same shape.
        changed: (..., H, W): True where something was made anew.
        feather: Width of the seam in pixels: so far inside the changed part both are mixed.

    Returns:
        Of the same shape.
    """
    weight = changed.astype(np.float32)
    if feather:
        # A thin stroke lies all on the seam: what counts is how deep in it a pixel is.
        share = _squares(changed.astype(np.float32), feather, np.mean)
        weight *= np.clip(2 * share / np.maximum(_squares(share, feather, np.max), 1e-6) - 1, 0, 1)
    blended = given + weight[..., None] * (made - given)
    return np.where(weight[..., None] == 1, made, np.where(changed[..., None], blended, given))


def marked(mask: Floats) -> Floats:
    """How far each pixel of a mask is marked as one to be made anew.

    An opaque mask is marked where it is bright. Of one with transparent parts only what can be seen counts:
    all of it where it is of one colour, whichever it is, as a brush leaves it; else what is bright of it.

    Args:
        mask: (..., H, W, C) with C = 1, 3 or 4.

    Returns:
        (..., H, W) in [0, 1].
    """
    bright: Floats = mask[..., :3].mean(-1)
    if mask.shape[-1] < 4:
        return bright
    alpha = mask[..., 3]
    if alpha.min() >= 0.5:
        return bright * alpha
    seen = mask[..., :3][alpha >= 0.5]
    one_colour = len(seen) > 0 and float(np.ptp(seen, axis=0).max()) <= ONE_COLOUR
    return alpha if one_colour else bright * alpha


def keep_samples(made: Floats, given: Floats, changed: Booleans, rate: int) -> Floats:
    """The given samples where nothing is to change, bit for bit, and those made elsewhere, as loud as fits.

    What was made is brought to the level that it would have if its kept part were as loud as the given one.
    At each seam what is given goes on, mirrored in time, while it fades into what was made.

    Args:
        made: (channels, L) in [-1, 1].
        given: Of the same shape.
        changed: (L,): True where something was made anew.
        rate: Samples per second.

    Returns:
        Of the same shape, in [-1, 1].
    """
    result = np.where(changed, np.clip(made * _gain(made, given, changed), -1, 1), given)
    for last in np.flatnonzero(np.diff(changed.astype(np.int8))):
        # The kept side is mirrored at the seam, as far as both sides reach.
        forward = bool(changed[last + 1])
        edge, direction = (int(last), 1) if forward else (int(last) + 1, -1)
        run = _run(changed, edge + direction, direction)
        kept = _run(~changed, edge, -direction)
        count = min(round(FADE * rate), run, kept)
        inside = edge + direction * np.arange(1, count + 1)
        mirror = edge - direction * np.arange(count)
        share = np.cos(np.linspace(0, np.pi, count + 2)[1:-1]) / 2 + 0.5
        mixed = result[:, inside] + share.astype(np.float32) * (given[:, mirror] - result[:, inside])
        result[:, inside] = np.clip(mixed, -1, 1)
    return np.ascontiguousarray(result, dtype=np.float32)


def sounding(mask: Floats, rate: int) -> Booleans:
    """Where a mask is not silent: (channels, L) to (L,); gaps shorter than ``GAP`` count as sound."""
    loud, places = np.abs(mask).max(0) > AUDIBLE, np.arange(mask.shape[1], dtype=np.float64)
    before = np.maximum.accumulate(np.where(loud, places, -np.inf))
    after = np.minimum.accumulate(np.where(loud, places, np.inf)[::-1])[::-1]
    return np.asarray(after - before <= GAP * rate)


def keep_outside(made: Artifact, init: Artifact, mask: Artifact) -> Artifact:
    """``made`` with what the mask keeps of ``init``, where the arrays of all three have the same size.

    What a codec without a rule of its own gets: pixels and frames stay where the mask is black, samples where
    it is silent, and of kinds of plugins each number where that of the mask is 0. Where sizes differ, and for
    points and meshes, ``made`` is returned as it is.
    """
    if not made.kind == init.kind == mask.kind:
        return made
    if made.kind not in KINDS:
        kept = {
            name: np.where(mask.arrays[name] == 0, init.arrays[name], array).astype(array.dtype)
            for name, array in made.arrays.items()
            if all(name in one.arrays and one.arrays[name].shape == array.shape for one in (init, mask))
        }
        return Artifact(made.kind, {**made.arrays, **kept}, made.attributes, made.recipe)
    name = {"image": "pixels", "video": "frames", "audio": "samples"}.get(made.kind)
    if name is None:
        return made
    one, given, marks = (item.arrays[name] for item in (made, init, mask))
    same_rate = all(item.attributes == made.attributes for item in (init, mask)) or made.kind == "image"
    if one.shape != given.shape or not same_rate:
        return made
    if name == "samples":
        if marks.shape[1] != one.shape[1]:
            return made
        rate = int(made.attributes["sample_rate"])
        content = keep_samples(one, given, sounding(marks, rate), rate)
    else:
        if marks.shape[:-1] != one.shape[:-1]:
            return made
        content = keep_pixels(one, given, marked(marks) >= BLACK)
    return Artifact(made.kind, {**made.arrays, name: content}, made.attributes, made.recipe)


def _squares(values: Floats, reach: int, measure: Callable[..., Floats]) -> Floats:
    """A measure of the square of side 2·reach + 1 around each of (..., H, W); edges go on as they are."""
    wide = [(0, 0)] * (values.ndim - 2) + [(reach, reach)] * 2
    result = np.pad(values, wide, mode="edge")
    for axis in (-2, -1):
        result = measure(np.lib.stride_tricks.sliding_window_view(result, 2 * reach + 1, axis), axis=-1)
    return result


def _gain(made: Floats, given: Floats, changed: Booleans) -> np.float32:
    """What brings the kept part of what was made to the level of what is given; 1 where one is silent."""
    if changed.all():
        return np.float32(1)
    target, level = (
        float(np.sqrt(np.square(one[:, ~changed], dtype=np.float64).mean())) for one in (given, made)
    )
    if min(target, level) < 1e-4:
        return np.float32(1)
    peak = float(np.abs(made[:, changed]).max(initial=0))
    return np.float32(min(target / level, 1 / max(peak, 1e-9)))


def _run(where: Booleans, start: int, direction: int) -> int:
    """Length of the run of True from ``start`` on in a direction."""
    part = where[start:] if direction > 0 else where[start::-1]
    ends = np.flatnonzero(~part)
    return int(ends[0]) if len(ends) else len(part)
