"""Inputs that are extended: placed on a larger canvas, of which only the new part is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gen.checks import check_param
from gen.errors import UsageError
from gen.plan.regions import is_region

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.plugin.specs import Param

FORMS = {
    "image": "pixels for the four sides `LEFT,TOP,RIGHT,BOTTOM`",
    "audio": "seconds before and behind `1s:2s`",
    "video": "frames or seconds before and behind `0:8`, `0.5s:1s`",
}
"""How an expansion is written, by the kind of the input."""

LARGEST = 2**27
"""Most values of one channel that an expanded input may have."""

_CHANNELS = {1: "mono", 2: "stereo"}


def is_expansion(text: str) -> bool:
    """Whether a text is an expansion of some kind of input."""
    return is_region(text) and "@" not in text


def expanded(text: str, given: Artifact) -> tuple[Artifact, Artifact]:
    """An input on a larger canvas, and the mask of what is new.

    What is new begins as the border of a picture, the first or last frame of a clip, and the mirror image of
    a sound.

    Args:
        text: How far to go, see ``FORMS``.
        given: The input.

    Raises:
        UsageError: This kind of input has no such expansion, or it is empty, negative or too large.
    """
    import numpy as np

    if given.kind not in FORMS:
        raise UsageError(f"{given.kind} cannot be expanded", f"{', '.join(FORMS)} can")
    wrong = UsageError(f"{text.strip()!r} is no expansion of {given.kind}", f"write {FORMS[given.kind]}")
    if not is_expansion(text) or ("," in text) is not (given.kind == "image"):
        raise wrong
    if given.kind == "image":
        try:
            left, top, right, bottom = (int(side) for side in text.split(","))
        except ValueError:
            raise wrong from None
        widths = [(top, bottom), (left, right), (0, 0)]
        name, mode = "pixels", "edge"
    elif given.kind == "audio":
        widths = [(0, 0), _around(text, Fraction(int(given.attributes["sample_rate"])), seconds=True)]
        name, mode = "samples", "symmetric"
    else:
        ends = _around(text, Fraction(str(given.attributes["fps"])), seconds=False)
        widths = [ends, (0, 0), (0, 0), (0, 0)]
        name, mode = "frames", "edge"
    array = given.arrays[name]
    size = [one + sum(width) for one, width in zip(array.shape, widths, strict=True)]
    if min(min(width) for width in widths) < 0 or not any(map(any, widths)):
        raise UsageError(f"the expansion {text.strip()} adds nothing", f"write {FORMS[given.kind]}")
    if int(np.prod(size, dtype=np.float64)) > LARGEST:
        raise UsageError(f"the expansion {text.strip()} is too large", "expand less, and then once more")
    fill: Any = mode
    canvas = np.ascontiguousarray(np.pad(array, widths, mode=fill))
    one_channel = array[:1] if name == "samples" else array[..., :1]
    marks = np.pad(np.zeros_like(one_channel), widths, constant_values=1)
    # A clip's sound would no longer fit.
    attributes = {key: value for key, value in given.attributes.items() if name != "frames" or key == "fps"}
    init = replace(given, arrays={name: canvas}, attributes=attributes)
    return init, replace(given, arrays={name: marks}, attributes=attributes, recipe=None)


FINER = ("width", "height", "sample_rate")
"""Sizes and rates that grow with the resolution."""


def params_like(
    given: Artifact, own: Mapping[str, Param], asked: Mapping[str, object], factor: int = 1
) -> dict[str, Any]:
    """Parameters that give what is made the size and rate of an input, so that its bits can be kept.

    Args:
        given: The input.
        own: Parameters by name.
        asked: Those that are given, and stay.
        factor: How many times finer what is made is along each axis.
    """
    sizes: dict[str, Any] = {**given.sizes, **given.attributes}
    if given.kind == "audio":
        sizes["duration"] = given.sizes["samples"] / int(given.attributes["sample_rate"])
    if given.kind in ("audio", "video"):
        sizes["channels"] = _CHANNELS.get(given.sizes.get("channels", 0))
    if "fps" in sizes:
        sizes["fps"] = float(Fraction(str(sizes["fps"])))
    finer = {name: sizes[name] * factor for name in FINER if name in sizes}
    return fitting({**sizes, **finer}, own, asked)


def fitting(
    sizes: Mapping[str, Any], own: Mapping[str, Param], asked: Mapping[str, object]
) -> dict[str, Any]:
    """Those of the sizes that are parameters, are not given, and can be their values."""
    found: dict[str, Any] = {}
    for name, param in own.items():
        if param.kind or name in asked or param.follows in asked or sizes.get(name) is None:
            continue
        try:
            found[name] = check_param(param, sizes[name])
        except UsageError:
            continue
    return found


def _around(text: str, rate: Fraction, *, seconds: bool) -> tuple[int, int]:
    """Cells before and behind."""

    def cells(word: str) -> int:
        word = word.strip()
        number = Fraction(word.removesuffix("s").strip() or 0)
        return round(number * rate) if seconds or word.endswith("s") else round(number)

    before, _, behind = text.partition(":")
    return cells(before), cells(behind)
