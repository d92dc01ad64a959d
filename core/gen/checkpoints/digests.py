"""Digests of large files, kept in the cache by path, size and time, so that each file is read for it once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from gen.errors import ModelError
from gen.plugin.cache import read_cache, write_cache

CACHE = "digests.json"
KEPT = 4096
_BLOB = re.compile(r"[0-9a-f]{64}")


def file_digest(path: Path) -> str:
    """sha256 of a file, hex. In the hub's cache a large file is named by its digest, which is taken.

    Raises:
        ModelError: The file cannot be read.
    """
    return file_digests([path])[path]


def file_digests(paths: list[Path]) -> Mapping[Path, str]:
    """sha256 of each file, hex; see ``file_digest``.

    Raises:
        ModelError: A file cannot be read.
    """
    known, digests, fresh = read_cache(CACHE), dict[Path, str](), False
    for path in paths:
        real = path.resolve()
        if _BLOB.fullmatch(real.name) and real.parent.name == "blobs":
            digests[path] = real.name
            continue
        try:
            state = real.stat()
            key = json.dumps([str(real), state.st_size, state.st_mtime_ns])
            value = known.get(key)
            if not (isinstance(value, str) and _BLOB.fullmatch(value)):
                with real.open("rb") as file:
                    value = hashlib.file_digest(file, "sha256").hexdigest()
                known[key], fresh = value, True
        except OSError as error:
            raise ModelError(
                f"{path} cannot be read: {error.strerror}", "check the file and its rights"
            ) from None
        digests[path] = value
    if fresh:
        write_cache(CACHE, known, KEPT)
    return digests


def joint_digest(digests: Mapping[str, str]) -> str:
    """sha256 over names and digests of several files: that of a folder. Their order does not count."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
