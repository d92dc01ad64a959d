"""Where artifacts go: names of files, checked before any work is done, and stdout."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gen.atomic import check_writable
from gen.checks import naming
from gen.config import Setting
from gen.errors import OutputError, UsageError
from gen.formats import companion_path, find_format
from gen.plan import Item, Plan
from gen.plugin.specs import FormatSpec
from gen.recipe import METADATA_LEVELS

FIELDS = ("seed", "index", "model")
STDOUT = "-"


def plan_outputs(
    plan: Plan, output: str | None, format_name: str | None, formats: Sequence[FormatSpec], *, overwrite: bool
) -> tuple[FormatSpec, tuple[Path, ...]]:
    """Name a file for every item.

    Args:
        plan: What is going to be made.
        output: A file, a folder, a pattern with ``{seed} {index} {model}``, or ``"-"`` for stdout; without
            one, files are named by their prompts and seeds in the working folder.
        format_name: Name of the format.
        formats: The formats that hold this kind.
        overwrite: Whether files may be replaced.

    Returns:
        The format, and one path per item; no path for stdout.

    Raises:
        UsageError: Unknown format, or several items for one file.
        OutputError: A file exists or cannot be written; stdout is a terminal.
    """
    if output == STDOUT:
        form = find_format(formats, name=format_name or plan.spec.default_format)
        _check_stdout(len(plan.items))
        return form, ()
    if output is None or output.endswith("/") or os.path.isdir(output):
        form = find_format(formats, name=format_name or plan.spec.default_format)
        paths = _named(plan, Path(output or "."), form)
        overwrite = False
    else:
        form = find_format(formats, path=output, name=format_name)
        paths = tuple(Path(_filled(output, item, plan)) for item in plan.items)
    if len(set(paths)) < len(paths):
        path = Path(output or "")
        raise UsageError(
            f"{len(paths)} items would go to one file {paths[0]}",
            f"use a pattern: -o '{path.with_name(path.stem + '-{index}' + path.suffix)}'",
        )
    _check_writable(form, paths, overwrite=overwrite)
    return form, paths


def plan_preview(
    name: str | None,
    form: FormatSpec,
    paths: Sequence[Path],
    formats: Sequence[FormatSpec],
    *,
    overwrite: bool,
) -> tuple[FormatSpec, tuple[Path, ...]] | None:
    """A second format for every item, beside its file.

    Args:
        name: Name of the format; None for no preview.
        form: The format of the files.
        paths: The files; none for stdout.
        formats: The formats that hold this kind.
        overwrite: Whether files may be replaced.

    Raises:
        UsageError: Unknown format, that of the files themselves, or the files go to stdout.
        OutputError: A file exists or cannot be written.
    """
    if name is None:
        return None
    wanted = find_format(formats, name=name)
    if wanted == form:
        raise UsageError(
            f"--preview {name} is the format of the file itself", "name another, or leave it out"
        )
    if not paths:
        raise UsageError("--preview has no place beside stdout", "give -o a file")
    beside = tuple(path.with_suffix(wanted.suffixes[0]) for path in paths)
    _check_writable(wanted, beside, overwrite=overwrite)
    return wanted, beside


def metadata_level(given: str | None, settings: Mapping[str, Setting]) -> str:
    """What files tell: what is asked for, else what is set, else everything.

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


def _check_writable(form: FormatSpec, paths: Sequence[Path], *, overwrite: bool) -> None:
    for path in paths:
        check_writable(path, overwrite=overwrite)
        companion = companion_path(path, form)
        if companion is not None:
            check_writable(companion, overwrite=overwrite)


def _filled(pattern: str, item: Item, plan: Plan) -> str:
    width = len(str(len(plan.items)))
    values = {
        "seed": str(item.seed),
        "index": f"{item.index + 1:0{width}}",
        "model": re.sub(r"[^\w.-]+", "-", plan.file.name),
    }

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UsageError(f"unknown field {match[0]} in the output", f"known: {{{'} {'.join(FIELDS)}}}")
        return values[match[1]]

    return re.sub(r"\{([^{}]*)\}", fill, pattern)


def _named(plan: Plan, folder: Path, form: FormatSpec) -> tuple[Path, ...]:
    """Names that no file has yet."""
    paths: list[Path] = []
    for item in plan.items:
        words = re.sub(r"[\W_]+", "-", item.prompt.lower())[:40].strip("-") or plan.spec.name
        stem = f"{words}-{item.seed}"
        path = folder / f"{stem}{form.suffixes[0]}"
        number = 1
        while path in paths or path.exists() or path.is_symlink():
            number += 1
            path = folder / f"{stem}-{number}{form.suffixes[0]}"
        paths.append(path)
    return tuple(paths)


def _check_stdout(items: int) -> None:
    if items > 1:
        raise UsageError(f"{items} items cannot go to stdout", "make one, or name files with -o")
    if sys.stdout is not None and sys.stdout.isatty():
        raise OutputError("a terminal cannot show the file", "send it to a program: gen … -o - | program")
