"""XYZ files: the number of atoms, a comment with the recipe, and an element and a place per line."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata

ELEMENTS = ("H", "C", "N", "O")


def write(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a molecule; places are in angstroms."""
    atoms = zip(artifact.arrays["elements"], artifact.arrays["places"], strict=True)
    lines = [f"{ELEMENTS[element]} {x:.4f} {y:.4f} {z:.4f}" for element, (x, y, z) in atoms]
    comment = f"gen: {metadata.recipe}" if metadata.recipe else ""
    file.write("\n".join([str(len(lines)), comment, *lines, ""]).encode())


def can_read(head: bytes) -> bool:
    """Whether the first line is a number; other files with the ending, such as of points, have none there."""
    return head.split(b"\n", 1)[0].strip().isdigit()


def read(file: BinaryIO) -> Artifact:
    """Read a molecule.

    Raises:
        UsageError: A line is not one of an atom, or its element is unknown.
    """
    atoms = [line.split() for line in file.read().decode().splitlines()[2:]]
    try:
        elements = np.array([ELEMENTS.index(atom[0]) for atom in atoms], np.int64)
        places = np.array([atom[1:4] for atom in atoms], np.float32).reshape(-1, 3)
    except (ValueError, IndexError):
        raise UsageError("a line is not one of an atom", f"its elements are {', '.join(ELEMENTS)}") from None
    return Artifact("molecule", {"places": places, "elements": elements})


def read_metadata(file: BinaryIO) -> dict[str, str]:
    """The recipe, under "gen"."""
    file.readline()
    comment = file.readline().decode(errors="replace")
    return {"gen": comment.removeprefix("gen: ").strip()} if comment.startswith("gen: ") else {}
