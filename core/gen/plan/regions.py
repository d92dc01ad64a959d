"""Regions of an input, in words: a span of time or of frames, a box of a picture, a box of space."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from gen.errors import UsageError

if TYPE_CHECKING:
    from gen.artifact import Artifact

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_BOX = rf"{_NUMBER}(?:\s*,\s*{_NUMBER})+"
_SPAN = rf"(?:{_NUMBER}\s*s?)?\s*:\s*(?:{_NUMBER}\s*s?)?"
_REGION = re.compile(rf"\s*(?P<span>{_SPAN})?\s*(?:@?\s*(?P<box>{_BOX}))?\s*")

FORMS = {
    "image": "a box `x0,y0,x1,y1` in pixels",
    "audio": "a span of time `1.5s:3s`",
    "video": "frames `0:12`, a span of time `1.5s:3s`, a box `x0,y0,x1,y1`, or both as `0:12@x0,y0,x1,y1`",
    "mesh": "a box `x0,y0,z0,x1,y1,z1` of the unit box, from -0.5 to 0.5",
    "points": "a box `x0,y0,z0,x1,y1,z1` of the unit box, from -0.5 to 0.5",
}
"""How a region is written, by the kind of the input."""

_CORNERS = (
    (0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1),
)  # fmt: skip
_FACES = (
    (0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7), (0, 1, 5), (0, 5, 4),
    (2, 3, 7), (2, 7, 6), (1, 2, 6), (1, 6, 5), (0, 4, 7), (0, 7, 3),
)  # fmt: skip


def is_region(text: str) -> bool:
    """Whether a text is a region in words, and no name of a file."""
    return bool(text.strip()) and _REGION.fullmatch(text) is not None


def region_mask(text: str, given: Artifact) -> Artifact:
    """The mask of a region: bright, sounding or within, where the input is to be made anew.

    Args:
        text: For which ``is_region`` holds.
        given: The input, whose size the mask has.

    Raises:
        UsageError: An input of this kind has no such region, or the region is empty or lies outside.
    """
    kind, found = given.kind, _REGION.fullmatch(text)
    if found is None or kind not in FORMS:
        raise UsageError(f"a mask of {kind} cannot be written as {text!r}", "give a file as mask")
    span, box = found["span"] or "", [float(number) for number in (found["box"] or "").split(",") if number]
    expected = {"image": 4, "video": 4, "mesh": 6, "points": 6}.get(kind, 0)
    if (span and kind not in ("audio", "video")) or (box and len(box) != expected) or not (span or box):
        raise UsageError(f"{text.strip()!r} is no region of {kind}", f"write {FORMS[kind]}, or give a file")
    if kind == "audio":
        return _sounding(text, span, given)
    if kind == "video":
        return _frames(text, span, box, given)
    return _bright(text, box, given) if kind == "image" else _box(text, box)


def _sounding(text: str, span: str, given: Artifact) -> Artifact:
    import numpy as np

    from gen.artifact import Artifact

    rate, length = int(given.attributes["sample_rate"]), given.sizes["samples"]
    start, end = _ends(text, span, Fraction(rate), length, "s", seconds=True)
    samples = np.zeros((1, length), np.float32)
    samples[:, start:end] = 1
    return Artifact("audio", {"samples": samples}, {"sample_rate": rate})


def _frames(text: str, span: str, box: list[float], given: Artifact) -> Artifact:
    import numpy as np

    from gen.artifact import Artifact

    count, rate = given.sizes["frames"], Fraction(str(given.attributes["fps"]))
    start, end = _ends(text, span, rate, count, "frames") if span else (0, count)
    frames = np.zeros((count, given.sizes["height"], given.sizes["width"], 1), np.float32)
    rows, columns = _rectangle(text, box, given) if box else (slice(None), slice(None))
    frames[start:end, rows, columns] = 1
    return Artifact("video", {"frames": frames}, {"fps": given.attributes["fps"]})


def _bright(text: str, box: list[float], given: Artifact) -> Artifact:
    import numpy as np

    from gen.artifact import Artifact

    pixels = np.zeros((given.sizes["height"], given.sizes["width"], 1), np.float32)
    pixels[_rectangle(text, box, given)] = 1
    return Artifact("image", {"pixels": pixels})


def _box(text: str, box: list[float]) -> Artifact:
    import numpy as np

    from gen.artifact import Artifact

    low, high = np.array(box[:3], np.float32), np.array(box[3:], np.float32)
    if not (low < high).all():
        raise UsageError(f"the box {text.strip()} is empty", "give the lower corner, then the upper one")
    if np.abs(box).max() > 0.5:
        raise UsageError(
            f"the box {text.strip()} reaches out of the unit box", "its sides go from -0.5 to 0.5"
        )
    corners = np.array(_CORNERS, np.float32)
    vertices, faces = low + corners * (high - low), np.array(_FACES, np.int64)
    return Artifact("mesh", {"vertices": vertices, "faces": faces})


def _rectangle(text: str, box: list[float], given: Artifact) -> tuple[slice, slice]:
    """Rows and columns of a box (x0, y0, x1, y1)."""
    left, top, right, bottom = box
    width, height = given.sizes["width"], given.sizes["height"]
    if not (left < right and top < bottom):
        raise UsageError(
            f"the box {text.strip()} is empty", "write the left upper corner, then the right lower"
        )
    if min(left, top) < 0 or right > width or bottom > height:
        raise UsageError(f"the box {text.strip()} lies outside of the input's {width} × {height} pixels")
    return slice(math.floor(top), math.ceil(bottom)), slice(math.floor(left), math.ceil(right))


def _ends(
    text: str, span: str, rate: Fraction, count: int, unit: str, *, seconds: bool = False
) -> tuple[int, int]:
    """First cell and the one behind the last of a span; numbers with ``s`` are seconds."""

    def place(word: str, default: int) -> int:
        word = word.strip()
        if not word:
            return default
        number = Fraction(word.removesuffix("s").strip())
        return round(number * rate) if seconds or word.endswith("s") else round(number)

    first, _, last = span.partition(":")
    start, end = place(first, 0), place(last, count)
    whole = f"{float(count / rate):g} s" if seconds else f"{count} {unit}"
    if start >= end:
        raise UsageError(f"the span {text.strip()} is empty", "write the start, then the end behind it")
    if start < 0 or end > count:
        raise UsageError(f"the span {text.strip()} reaches out of the input, which has {whole}")
    return start, end
