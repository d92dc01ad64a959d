"""Pictures that stay for uneven times, as frames of one even rate."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

MAX_RATE = 120
"""Highest rate that is chosen for pictures that no lower one fits."""

_PARTS = 12


def evenly(durations: Sequence[Fraction], unit: Fraction) -> tuple[list[int], Fraction]:
    """How often each picture is shown at one even rate, so that all together last as long as before.

    The lowest rate is taken at which every picture comes in time, give or take an eighth of a frame and the
    rounding of the file's times. Where none up to ``MAX_RATE`` is found, the times are rounded to that.

    Args:
        durations: How long each picture stays in seconds, above 0.
        unit: The times in the file are whole multiples of this, in seconds.

    Returns:
        A number per picture, 0 for one that is shorter than half a frame at ``MAX_RATE``; and the rate in Hz.
    """
    ends = list(accumulate(durations))
    for parts in range(1, _PARTS + 1):
        tick = min(durations) / parts
        # Rounded durations differ by a unit from each other; on average they tell the frame's duration.
        for _ in range(3):
            repeats = [max(1, round(duration / tick)) for duration in durations]
            tick = ends[-1] / sum(repeats)
        if tick * MAX_RATE < 1:
            break
        slack = unit * Fraction(3, 4) + tick / 8
        shown = accumulate(repeats)
        if all(abs(frames * tick - end) <= slack for frames, end in zip(shown, ends, strict=True)):
            return repeats, 1 / tick
    total = max(1, round(ends[-1] * MAX_RATE))
    marks = [0, *(round(end * total / ends[-1]) for end in ends)]
    return [end - start for start, end in pairwise(marks)], total / ends[-1]
