"""XYZ files: the number of atoms, a comment with the recipe, and an element and a place per line."""

from __future__ import annotations

from typing import BinaryIO

from gen.artifact import Artifact
from gen.metadata import Metadata

ELEMENTS = ("H", "C", "N", "O")


def write(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a molecule; places are in angstroms."""
    atoms = zip(artifact.arrays["elements"], artifact.arrays["places"], strict=True)
    lines = [f"{ELEMENTS[element]} {x:.4f} {y:.4f} {z:.4f}" for element, (x, y, z) in atoms]
    comment = f"gen: {metadata.recipe}" if metadata.recipe else ""
    file.write("\n".join([str(len(lines)), comment, *lines, ""]).encode())


def read_metadata(file: BinaryIO) -> dict[str, str]:
    """The recipe, under "gen"."""
    file.readline()
    comment = file.readline().decode(errors="replace")
    return {"gen": comment.removeprefix("gen: ").strip()} if comment.startswith("gen: ") else {}
