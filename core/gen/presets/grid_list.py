"""Grids given as numbers: "14.6, 7.1, 0.03", "times: 1, 0.5, 0" or a file of such a list. No torch here."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from gen.errors import UsageError
from gen.recipe import MAX_GRID

if TYPE_CHECKING:
    from gen.diffusion import Process, TimeGrid

_KINDS = re.compile(r"\s*(sigmas|times)\s*:", re.IGNORECASE)
_NUMBER = re.compile(r"\s*\[?\s*([-+]?\.?\d|inf\b(?!\.))", re.IGNORECASE)


@dataclass(frozen=True)
class GridList:
    """The levels at which a run stops, the first before the first step; clean data comes last.

    ``str`` is the list as text, which ``grid_list`` reads.

    Args:
        kind: "sigmas": values of sigma / alpha, from 0 to infinity; "times": of t in [0, 1].
        values: At least two, falling, the last 0.
    """

    kind: Literal["sigmas", "times"]
    values: tuple[float, ...]

    @property
    def steps(self) -> int:
        """Number of steps, one less than the values."""
        return len(self.values) - 1

    def __str__(self) -> str:
        numbers = ", ".join(repr(value).removesuffix(".0") for value in self.values)
        return numbers if self.kind == "sigmas" else f"times: {numbers}"

    def build(self, process: Process) -> TimeGrid:
        """The grid.

        Raises:
            ValueError: Two of the levels are one on this process, as beyond its last level.
        """
        from gen.diffusion import TimeGrid

        return TimeGrid(self.values) if self.kind == "times" else TimeGrid.of_sigmas(self.values, process)


def grid_list(text: str) -> GridList | None:
    """The list that a text is; None for any other text, such as a name or a path.

    Values of sigma / alpha, or after "times:" times, are separated by commas, spaces or lines; brackets
    around them do not count. A list that does not end at 0 gets it.

    Raises:
        UsageError: The numbers do not fall, lie outside their range, or are none.
    """
    return _parsed(text, "the grid") if _KINDS.match(text) or _NUMBER.match(text) else None


def read_grid_list(text: str) -> GridList | None:
    """The list in a file, written as for ``grid_list``; None where there is no file.

    Args:
        text: The path of a file, also with ``~``.

    Raises:
        UsageError: It cannot be read, or holds no list.
    """
    path = Path(text).expanduser()
    try:
        if not path.is_file():
            return None
        with path.open(encoding="utf-8") as file:
            content = file.read(MAX_GRID + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read the grid in {text[:200]}: {reason}") from None
    return _parsed(content, f"the grid in {text[:200]}")


def _parsed(text: str, noun: str) -> GridList:
    if len(text) > MAX_GRID:
        raise UsageError(f"{noun} has more than {MAX_GRID:,} characters")
    found = _KINDS.match(text)
    kind = cast(Literal["sigmas", "times"], found[1].lower() if found else "sigmas")
    body = text[found.end() if found else 0 :].strip().removeprefix("[").removesuffix("]")
    values = []
    for word in re.split(r"[,;\s]+", body.strip(" \n\t,;")):
        try:
            values.append(float(word))
        except ValueError:
            raise UsageError(
                f"{noun} holds {word[:40]!r}, which is no number", "write a list as `14.6, 7.1, 0.03`"
            ) from None
    if values[-1] > 0:
        values.append(0.0)
    highest = 1.0 if kind == "times" else math.inf
    if not all(0 <= value <= highest for value in values):
        raise UsageError(f"{noun} holds numbers outside 0 to {highest:g}")
    if len(values) < 2 or not all(a > b for a, b in itertools.pairwise(values)):
        raise UsageError(f"the numbers of {noun} must fall, from noise to data")
    return GridList(kind, tuple(values))
