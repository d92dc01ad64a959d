"""Sounds as pictures of their waves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gen.artifact import Artifact
from gen.errors import UsageError


def wave(artifact: Artifact, params: Mapping[str, object]) -> Artifact:
    """A picture (height, width, 1) of a sound: dark from the lowest to the highest value of each column.

    Args:
        artifact: A sound; its channels are averaged.
        params: ``width`` and ``height`` in pixels.

    Raises:
        UsageError: The sound is shorter than the picture is wide.
    """
    width, height = int(str(params["width"])), int(str(params["height"]))
    samples = artifact.arrays["samples"].mean(0)
    if len(samples) < width:
        raise UsageError(
            f"a sound of {len(samples)} samples is too short for {width} columns", "make it narrower"
        )
    columns = np.array_split(samples, width)
    low, high = (np.array([edge(column) for column in columns]) for edge in (np.min, np.max))
    # The value at the middle of each row, from the top.
    values = 1 - (np.arange(height)[:, None] + 0.5) * 2 / height
    half = 1.001 / height
    inside = (values >= low - half) & (values <= high + half)
    return Artifact("image", {"pixels": np.where(inside, 0.2, 1.0).astype(np.float32)[..., None]})
