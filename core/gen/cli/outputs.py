"""Where artifacts go: names of files, checked before any work is done, and stdout."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gen.atomic import check_writable
from gen.checks import naming
from gen.config import Setting
from gen.errors import OutputError, UsageError
from gen.formats import find_format
from gen.metadata import METADATA_LEVELS
from gen.plan import Item, Plan
from gen.plugin.specs import FormatSpec
from gen.run.watching import Watch, same_file

FIELDS = ("seed", "index", "model")
STDOUT = "-"


@dataclass(frozen=True)
class Outputs:
    """Where the items go.

    Args:
        form: The file format.
        paths: One per item; none for stdout.
        preview: A second format, in which each is written beside its file.
        named: Whether `gen` made up the names, so that another is as good where one is taken meanwhile.
        overwrite: Whether files may be replaced.
    """

    form: FormatSpec
    paths: tuple[Path, ...]
    preview: FormatSpec | None
    named: bool
    overwrite: bool

    def beside(self, path: Path) -> Path | None:
        """Where the preview of a file goes."""
        return path.with_suffix(self.preview.suffixes[0]) if self.preview else None


def plan_outputs(
    plan: Plan,
    output: str | None,
    formats: Sequence[FormatSpec],
    *,
    format_name: str | None = None,
    preview_name: str | None = None,
    overwrite: bool,
    watch: Watch | None = None,
) -> Outputs:
    """Name a file for every item, and check that it can be written.

    Args:
        plan: What is going to be made.
        output: A file, a folder, a pattern with ``{seed} {index} {model}``, or ``"-"`` for stdout; without
            one, files are named by their prompts and seeds in the working folder.
        formats: The formats that hold this kind.
        format_name: Name of the format.
        preview_name: Name of a second format; None for no preview.
        overwrite: Whether files may be replaced.
        watch: Its file is none of those.

    Raises:
        UsageError: Unknown format, several items for one file, a preview in the format of the files or beside
            stdout, a watch over one of the files.
        OutputError: A file exists or cannot be written; stdout is a terminal.
    """
    named = output is None or output.endswith("/") or os.path.isdir(output)
    if output == STDOUT or named:
        form = find_format(formats, name=format_name or plan.spec.default_format)
    else:
        form = find_format(formats, path=output, name=format_name)
    preview = None if preview_name is None else find_format(formats, name=preview_name)
    if preview == form:
        raise UsageError(
            f"--preview {preview_name} is the format of the file itself", "name another, or leave it out"
        )
    if output == STDOUT:
        if preview:
            raise UsageError("--preview has no place beside stdout", "give -o a file")
        _check_stdout(len(plan.items))
        return Outputs(form, (), None, named=False, overwrite=False)
    if named:
        outputs = Outputs(form, (), preview, named=True, overwrite=False)
        outputs = replace(outputs, paths=_named(plan, Path(output or "."), outputs))
    else:
        paths = tuple(Path(_filled(str(output), item, plan)) for item in plan.items)
        outputs = Outputs(form, paths, preview, named=False, overwrite=overwrite)
    if len(set(outputs.paths)) < len(outputs.paths):
        path = Path(output or "")
        raise UsageError(
            f"{len(outputs.paths)} items would go to one file {outputs.paths[0]}",
            f"use a pattern: -o '{path.with_name(path.stem + '-{index}' + path.suffix)}'",
        )
    for path in outputs.paths:
        for place in _places(path, outputs):
            check_writable(place, overwrite=outputs.overwrite)
            if watch is not None and same_file(place, watch.path):
                raise UsageError(f"--watch and the result have one file, {place}", "give --watch another")
    return outputs


def next_name(path: Path, outputs: Outputs) -> Path:
    """The first of ``NAME``, ``NAME-2``, ``NAME-3`` … that neither a file nor its preview has."""
    number, free = 1, path
    while any(place.exists() or place.is_symlink() for place in _places(free, outputs)):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def metadata_level(given: str | None, settings: Mapping[str, Setting]) -> str:
    """The level of the metadata in files: that of the request, else of the settings, else ``full``.

    Raises:
        UsageError: There is no such level.
    """
    if given is None and "metadata" in settings:
        with naming(settings["metadata"].origin):
            return metadata_level(str(settings["metadata"].value), {})
    level = given or METADATA_LEVELS[0]
    if level not in METADATA_LEVELS:
        raise UsageError(f"unknown metadata level {level!r}", f"one of {', '.join(METADATA_LEVELS)}")
    return level


def _places(path: Path, outputs: Outputs) -> Iterator[Path]:
    """Every file that is written for an item: its own and the preview's."""
    yield path
    if (beside := outputs.beside(path)) is not None:
        yield beside


def _filled(pattern: str, item: Item, plan: Plan) -> str:
    values = {
        "seed": str(item.seed),
        "index": _index(item, plan),
        "model": re.sub(r"[^\w.-]+", "-", plan.file.name),
    }

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UsageError(f"unknown field {match[0]} in the output", f"known: {{{'} {'.join(FIELDS)}}}")
        return values[match[1]]

    return re.sub(r"\{([^{}]*)\}", fill, pattern)


def _index(item: Item, plan: Plan) -> str:
    """The number of an item, from 1, as wide as the last one's."""
    return f"{item.index + 1:0{len(str(len(plan.items)))}}"


def _named(plan: Plan, folder: Path, outputs: Outputs) -> tuple[Path, ...]:
    """Names that no file has yet."""
    stems = []
    for item in plan.items:
        words = re.sub(r"[\W_]+", "-", item.prompt.lower())[:40].strip("-") or plan.spec.name
        stems.append(f"{words}-{item.seed}")
    if len(set(stems)) < len(stems):
        # The items of a way from one to another have one seed.
        stems = [f"{stem}-{_index(item, plan)}" for stem, item in zip(stems, plan.items, strict=True)]
    return tuple(next_name(folder / f"{stem}{outputs.form.suffixes[0]}", outputs) for stem in stems)


def _check_stdout(items: int) -> None:
    if items > 1:
        raise UsageError(f"{items} items cannot go to stdout", "make one, or name files with -o")
    if sys.stdout is not None and sys.stdout.isatty():
        raise OutputError("a terminal cannot show the file", "send it to a program: gen … -o - | program")
