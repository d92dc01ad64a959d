"""Training data that comes from outside this package: fonts, names, sound fonts, books."""

from __future__ import annotations

import os
from pathlib import Path

from gen.config import TRAINING_DATA
from gen.errors import UsageError


def locate(*installed: Path, packages: str) -> Path:
    """Find a file of training data.

    A file of the same name in the folder that ``GEN_TRAINING_DATA`` names comes first, then the places where
    Debian's packages install it.

    Args:
        installed: Where the file is installed; several paths are alternatives, in order.
        packages: Debian's packages that install it, for the message.

    Returns:
        The first of these files that exists.

    Raises:
        UsageError: None exists.
    """
    folder = os.environ.get(TRAINING_DATA)
    own = [Path(folder) / path.name for path in installed] if folder else []
    for path in (*own, *installed):
        if path.is_file():
            return path
    raise UsageError(
        f"training data not found: {installed[0]}",
        f"apt-get install {packages}, or set {TRAINING_DATA} to a folder that holds {installed[0].name}",
    )
