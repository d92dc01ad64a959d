"""Curves in CSV files: one value per line, after comments with the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata


def write(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a curve, and what the metadata says."""
    if metadata.recipe:
        file.write(f"# gen: {metadata.recipe}\n".encode())
    file.write("".join(f"{value:.9g}\n" for value in artifact.arrays["values"]).encode())


def read(file: BinaryIO) -> Artifact:
    """Read a curve.

    Raises:
        UsageError: A line holds no number.
    """
    lines = [line for line in file.read().decode().splitlines() if line and not line.startswith("#")]
    try:
        return Artifact("example", {"values": np.array([float(line) for line in lines], np.float32)})
    except ValueError:
        raise UsageError("a line holds no number", "one number per line") from None


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe, as text, under "gen"; empty where there is none."""
    first = file.readline().decode(errors="replace")
    return {"gen": first.removeprefix("# gen: ").strip()} if first.startswith("# gen: ") else {}
