"""Checks of arguments that several modules share."""

from __future__ import annotations

import math
import operator


def whole_number(value: int, name: str, *, least: int = 1, most: int | None = None) -> int:
    """``value`` as an int.

    Args:
        value: A whole number of any integer type but bool.
        name: What the error calls it.
        least: The smallest that is allowed.
        most: The largest, if there is one.

    Raises:
        ValueError: ``value`` is no whole number, or out of range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, not {value}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most}, not {number}")
    return number


def check_positive(**numbers: float) -> None:
    """Raises ValueError where a number, given by its name, is not finite and above 0."""
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name} must be a finite number above 0, not {number}")


def check_not_negative(**numbers: float) -> None:
    """Raises ValueError where a number, given by its name, is not finite and at least 0."""
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            raise ValueError(f"{name} must be a finite number of at least 0, not {number}")
