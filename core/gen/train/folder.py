"""The folder of a training run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gen.atomic import path_in_a_line
from gen.errors import OutputError, line_of


@contextmanager
def run_folder(folder: Path) -> Iterator[None]:
    """Make a folder that can be written to; where the block fails, those made here go again if still empty.

    Args:
        folder: May be there already.

    Raises:
        OutputError: There is a file in the way, or the place is forbidden.
    """
    missing = []
    with suppress(OSError, ValueError):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder} is a file, not a folder", "choose another --out") from error
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or line_of(error)
        raise OutputError(
            f"cannot make the folder {path_in_a_line(folder)}: {cause}", "choose another --out"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write into the folder {folder}", "choose another --out")
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for path in missing:
                path.rmdir()
        raise
