"""Checks of arguments that several modules share; each raises ValueError with the argument's name."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import SupportsIndex, get_args

from torch import Tensor


def whole_number(value: object, name: str, *, least: int = 1, most: int | None = None) -> int:
    """``value``, of any integer type but bool, as an int from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ValueError(f"{name} must be a whole number, not {value}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most}, not {number}")
    return number


def check_positive(**numbers: float) -> None:
    """Each number, given by its name, must be finite and above 0."""
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name} must be a finite number above 0, not {number}")


def check_not_negative(**numbers: float) -> None:
    """Each number, given by its name, must be finite and at least 0."""
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            raise ValueError(f"{name} must be a finite number of at least 0, not {number}")


def check_within(low: int, high: int, /, *, without: Sequence[int] = (), **numbers: float) -> None:
    """Each number must lie in [low, high] and be none of the ends ``without``."""
    for name, number in numbers.items():
        if not low <= number <= high or number in without:
            left, right = "[("[low in without], "])"[high in without]
            raise ValueError(f"{name} must lie in {left}{low}, {high}{right}, not {number}")


def check_choice(name: str, value: object, choices: object) -> None:
    """``value`` must be one of those of the Literal type ``choices``."""
    if value not in get_args(choices):
        *others, last = map(repr, get_args(choices))
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, not {value!r}")


def check_real(x: Tensor, name: str) -> None:
    """``x`` must be of real floating-point numbers; ``name`` is what needs them."""
    if not x.is_floating_point():
        raise ValueError(f"{name} needs real numbers, not {x.dtype}: view_as_real makes them of complex ones")


def check_axes(axes: Sequence[int]) -> None:
    """There must be at least one axis; all must be different and counted from the end."""
    if not axes or len(set(axes)) < len(axes) or any(axis >= 0 for axis in axes):
        raise ValueError(f"axes must be different and counted from the end, as in (-2, -1), not {axes}")
