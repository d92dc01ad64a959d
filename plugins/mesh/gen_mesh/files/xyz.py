"""XYZ, points as lines of numbers: written and read."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import UsageError, damaged_file
from gen.metadata import Metadata
from gen_mesh.files import artifacts
from gen_mesh.files.artifacts import sampled
from gen_mesh.files.colours import Array, fractions, to_bytes
from gen_mesh.files.texts import decoded, numbers

_COMMENT = re.compile(r"(#|//).*")
_NAMES = {
    **{name: name for name in ("x", "y", "z", "nx", "ny", "nz", "r", "g", "b")},
    **{"normal_x": "nx", "normal_y": "ny", "normal_z": "nz", "red": "r", "green": "g", "blue": "b"},
}
_ROWS = UsageError("it does not hold rows of 3, 6 or 9 numbers", "a line is x y z r g b nx ny nz")


def write_xyz(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:  # noqa: ARG001
    """Write points as lines ``x y z r g b nx ny nz``, colours from 0 to 255, and nothing else.

    The format has no place for comments: trimesh 5.2 reads every word as a number, and the columns behind the
    places as colours.

    Args:
        artifact: A mesh, on which points are sampled, or points.
        file: Where to.
        metadata: Has no place.
    """
    points, facing, tints = sampled(artifact)
    pattern = "{:.6f} {:.6f} {:.6f} {:.0f} {:.0f} {:.0f} {:.4f} {:.4f} {:.4f}"
    rows = np.hstack([points, to_bytes(tints), facing]).tolist()
    file.write(("\n".join(pattern.format(*row) for row in rows) + "\n").encode())


@damaged_file()
def read_xyz(file: BinaryIO) -> Artifact:
    """Read lines of 3, 6 or 9 numbers: places, then colours and normals in either order, or one of them.

    Spaces, tabs, commas and semicolons separate; ``#`` and ``//`` begin a comment; a first line may name the
    columns, and one with a single number tells how many lines follow. Where commas stand between semicolons
    and nothing has a point, they are decimal. Colours go from 0 to 255 or to 1; what has the length 1 is a
    normal.

    Raises:
        UsageError: Something else.
    """
    lines = [line.strip() for line in _COMMENT.sub("", decoded(file.read())).split("\n")]
    lines = _separated([line for line in lines if line])
    if lines and lines[0].isdecimal():
        del lines[0]
    names = [_NAMES.get(word.strip("\"'").lower(), "") for word in lines[0].split()] if lines else []
    if {"x", "y", "z"} <= set(names):
        table = _table(lines[1:])
        if table.shape[1] != len(names):
            raise UsageError(f"it names {len(names)} columns and holds {table.shape[1]}")
        places, facing, tints = (
            table[:, [names.index(name) for name in three]] if set(three) <= set(names) else None
            for three in (("x", "y", "z"), ("nx", "ny", "nz"), ("r", "g", "b"))
        )
        assert places is not None
        return artifacts.points(places, facing, None if tints is None else fractions(tints))
    table = _table(lines)
    if table.shape[1] not in (3, 6, 9):
        raise _ROWS
    normals, colours = _roles([table[:, i : i + 3] for i in range(3, table.shape[1], 3)])
    return artifacts.points(table[:, :3], normals, colours)


def _separated(lines: list[str]) -> list[str]:
    """The same lines with spaces between the numbers."""
    text = "\n".join(lines)
    if ";" in text and "," in text and "." not in text:
        text = text.replace(",", ".")
    return [line.strip() for line in re.sub(r"[,;\t]", " ", text).split("\n")] if text else []


def _table(lines: list[str]) -> NDArray[np.float64]:
    widths = {len(line.split()) for line in lines}
    if len(widths) != 1:
        raise _ROWS
    try:
        return numbers("\n".join(lines)).reshape(len(lines), widths.pop())
    except (UsageError, ValueError):
        raise _ROWS from None


def _roles(threes: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64] | None, Array | None]:
    """Normals and colours of one or two further threes (N, 3) of columns."""
    normals: NDArray[np.float64] | None = None
    colours: Array | None = None
    # Pure colours from 0 to 1 have the length 1, too. Of two threes, the colours are the one above 1 or
    # without negative numbers.
    threes = sorted(threes, key=lambda three: (three.max() > 1.01, three.min() >= 0, not _unit(three)))
    for three in threes:
        if normals is None and (
            _unit(three) or (len(threes) > 1 and three.min() < 0 and three.max() <= 1.01)
        ):
            normals = three
        elif colours is None and three.min() >= 0:
            colours = fractions(three)
        else:
            raise UsageError("its columns behind the places are neither normals of length 1 nor colours")
    return normals, colours


def _unit(three: NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(three, axis=1)
    return bool(((np.abs(lengths - 1) < 0.02) | (lengths == 0)).all() and lengths.any())
