"""Codecs of models that draw square pictures only: the side of the square, and inputs of other shapes."""

from __future__ import annotations

from collections.abc import Mapping

from gen.artifact import Artifact
from gen.errors import UsageError


def side(params: Mapping[str, object], default: int) -> int:
    """Width and height of the square, from the parameters ``width`` and ``height``, of which one will do.

    Args:
        params: The parameters.
        default: The side in pixels where they have neither.

    Raises:
        UsageError: They differ.
    """
    width = params.get("width") or params.get("height") or default
    height = params.get("height") or width
    if width != height:
        raise UsageError(
            f"this model draws squares: give width and height one value, not {width} and {height}"
        )
    assert isinstance(width, int)
    return width


def cropped(artifact: Artifact) -> str:
    """One line about the part that is used of pictures that are not square, for ``gen.model.CroppingCodec``.

    Empty for squares, and for artifacts that are no pictures, as sounds.
    """
    width, height = artifact.sizes.get("width"), artifact.sizes.get("height")
    if width is None or height is None or width == height:
        return ""
    edge = min(width, height)
    return f"of {width} × {height} pixels, only the {edge} × {edge} in the middle are used"
