"""How much a file may stand for, so that a small one cannot fill the memory."""

from __future__ import annotations

import io
import zipfile

from gen.errors import UsageError

MAX_UNPACKED = 1 << 29
"""Largest content, in bytes, of a packed file that is read, and of one that names a shape many times."""


def bearable(size: int) -> None:
    """
    Raises:
        UsageError: More than ``MAX_UNPACKED`` bytes of numbers.
    """
    if size > MAX_UNPACKED:
        raise UsageError(f"it stands for more than {MAX_UNPACKED >> 20} MiB of numbers")


def unpackable(content: bytes) -> None:
    """
    Raises:
        UsageError: Not a zip archive, or one that claims more than ``MAX_UNPACKED`` bytes when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            total = sum(item.file_size for item in packed.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise UsageError("it is not a whole zip archive") from None
    if total > MAX_UNPACKED:
        raise UsageError(f"it unpacks to more than {MAX_UNPACKED >> 20} MiB")
