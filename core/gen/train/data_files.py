"""Training data that comes from outside this package: fonts, names, sound fonts, books."""

from __future__ import annotations

import os
from pathlib import Path

from gen.config import TRAINING_DATA
from gen.errors import UsageError


def locate(*installed: Path, packages: str) -> Path:
    """Find a file of training data.

    The folder that ``GEN_TRAINING_DATA`` names comes first: the file's whole path in it, as where packages
    are unpacked into a folder, then its name. After it come the places where Debian's packages install it.

    Args:
        installed: Where the file is installed; several paths are alternatives, in order.
        packages: Debian's packages that install it, for the message.

    Returns:
        The first of these files that exists.

    Raises:
        UsageError: None exists.
    """
    folder = os.environ.get(TRAINING_DATA)
    own = [Path(folder) / path.relative_to("/") for path in installed] if folder else []
    named = [Path(folder) / path.name for path in installed] if folder else []
    for path in (*own, *named, *installed):
        if path.is_file():
            return path
    raise UsageError(
        f"training data not found: {installed[0]}",
        f"apt-get install {packages}, or set {TRAINING_DATA} to a folder that holds {installed[0].name}",
    )


def locate_path(installed: Path, *, packages: str) -> Path:
    """Find a file of training data whose name alone does not tell it from others.

    Args:
        installed: Where the file is installed.
        packages: Debian's packages that install it, for the message.

    Returns:
        Its path in the folder that ``GEN_TRAINING_DATA`` names, or where it is installed.

    Raises:
        UsageError: Neither exists.
    """
    folder = os.environ.get(TRAINING_DATA)
    own = [Path(folder) / installed.relative_to("/")] if folder else []
    for path in (*own, installed):
        if path.is_file():
            return path
    raise UsageError(
        f"training data not found: {installed}",
        f"apt-get install {packages}, or unpack it into the folder that {TRAINING_DATA} names",
    )
