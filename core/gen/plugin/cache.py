"""Files in the user's cache folder; what cannot be read or written is left aside."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gen.errors import OutputError


def read_cache(name: str) -> dict[str, object]:
    """Read the object in a JSON file; empty when there is none, or none that can be read."""
    try:
        content = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def write_cache(name: str, content: dict[str, object], limit: int) -> None:
    """Replace a JSON file, whole or not at all.

    Args:
        name: Name of the file.
        content: An object; of more than `limit` entries the first are dropped.
        limit: How many entries are kept.
    """
    kept = dict(list(content.items())[-limit:])
    keep_in_cache(name, json.dumps(kept, indent=1).encode())


def keep_in_cache(name: str, content: bytes) -> None:
    """Replace the file of that name, whole or not at all."""
    from gen.atomic import atomic_file

    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with atomic_file(cache_folder() / name, overwrite=True) as file:
            file.write(content)
    except (OSError, OutputError):
        return


def cache_folder() -> Path:
    """``GEN_CACHE`` where it is set, else the platform's own folder."""
    if override := os.environ.get("GEN_CACHE"):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("gen")
