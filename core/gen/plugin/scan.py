"""What is installed: the entry points of our groups, with what metadata and source tell about each.

Reading the metadata of a whole environment and comparing versions takes longer than all else that
``gen --help`` does, so the result is kept until something on the import path changes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from gen.plugin.cache import read_cache, write_cache
from gen.plugin.text import one_line

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackageMetadata

MODALITIES = "gen.modalities"
"""Entry points of this group are commands: ``gen NAME``."""

PLUGINS = "gen.plugins"
"""Entry points of this group bring models and formats, and no command."""

_FILE = "plugin-scans.json"
_LIMIT = 8


@dataclass(frozen=True, kw_only=True)
class Found:
    """An entry point of one of our groups.

    Args:
        name, group, value: The entry point.
        distribution, version: What brings it.
        folder: Where that is installed.
        summary: One line about the plugin, else about its distribution.
        source: File of the light module; empty when it is not known.
        changed: When that file was changed, in nanoseconds.
        api: Version of the contract, as far as the source tells; 0 when it does not.
        requires: Top-level modules that a modality needs, as far as the source tells.
        extra: The extra that installs them.
        unmet: What is wrong with the requirements of the distribution; empty when they are met.
        requirement: The requirement that is not met, as pip takes it.
        unreadable: Why the distribution's metadata cannot be read.
    """

    name: str
    group: str
    value: str
    distribution: str
    version: str
    folder: str
    summary: str = ""
    source: str = ""
    changed: int = 0
    api: int = 0
    requires: list[str] = field(default_factory=list)
    extra: str = ""
    unmet: str = ""
    requirement: str = ""
    unreadable: str = ""


def scan() -> list[Found]:
    """Find the entry points of all installed plugins, by the same way for our own and for strangers'."""
    place = f"{sys.version_info[:3]} {os.pathsep.join(map(str, sys.path))}"
    stamp = [_changed(path or os.curdir) for path in sys.path]
    scans = read_cache(_FILE)
    match scans.get(place):
        case {"stamp": kept, "found": [*entries]} if kept == stamp:
            found = [item for item in map(_restored, entries) if item is not None]
            if len(found) == len(entries) and all(_changed(item.source) == item.changed for item in found):
                return found
    found = list(_entries())
    scans.pop(place, None)
    scans[place] = {"stamp": stamp, "found": [asdict(item) for item in found]}
    write_cache(_FILE, scans, _LIMIT)
    return found


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns if path else 0
    except OSError:
        return 0


def _restored(entry: object) -> Found | None:
    if not isinstance(entry, dict) or entry.keys() != {item.name for item in fields(Found)}:
        return None
    found = Found(**entry)
    texts = [value for name, value in entry.items() if name not in ("changed", "api", "requires")]
    numbers = isinstance(found.changed, int) and isinstance(found.api, int)
    return found if numbers and all(isinstance(text, str) for text in (*texts, *found.requires)) else None


def _entries() -> Iterator[Found]:
    """Every entry point of our groups, each distribution once, as the import system would find it.

    ``importlib.metadata.entry_points`` would parse the files of all distributions, and one that cannot be
    parsed would end the search for everybody.
    """
    from importlib.metadata import distributions

    from gen.plugin.settings import normalised

    seen: set[str] = set()
    for dist in distributions():
        try:
            text = dist.read_text("entry_points.txt") or ""
        except (OSError, ValueError):
            continue
        if MODALITIES not in text and PLUGINS not in text:
            continue
        folder = str(dist.locate_file(""))
        try:
            metadata = dist.metadata
            name = metadata["Name"]
            if normalised(name) in seen:
                continue
            seen.add(normalised(name))
            found = list(_of_distribution(dist, metadata, folder))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            found = [
                Found(
                    name="?",
                    group=PLUGINS,
                    value="",
                    distribution="?",
                    version="?",
                    folder=folder,
                    unreadable=f"metadata in {folder} cannot be read ({type(error).__name__})",
                )
            ]
        yield from found


def _of_distribution(dist: Distribution, metadata: PackageMetadata, folder: str) -> Iterator[Found]:
    from gen.plugin.declaration import Declaration, read_declaration
    from gen.plugin.requirements import unmet

    for entry in dist.entry_points:
        if entry.group not in (MODALITIES, PLUGINS):
            continue
        declared = read_declaration(entry.module) if entry.group == MODALITIES else Declaration()
        fault, requirement = next(unmet(dist, frozenset(entry.extras)), ("", ""))
        yield Found(
            name=one_line(entry.name),
            group=entry.group,
            value=entry.value,
            distribution=one_line(metadata["Name"]),
            version=one_line(metadata["Version"]),
            folder=folder,
            summary=one_line(declared.summary or metadata["Summary"] or ""),
            source=declared.source,
            changed=_changed(declared.source),
            api=declared.api,
            requires=list(declared.requires),
            extra=declared.extra,
            unmet=one_line(fault),
            requirement=requirement,
        )
