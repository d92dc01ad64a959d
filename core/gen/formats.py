"""Artifacts in files: read with one clear error; with what ``gen.writing`` does for the other way."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from gen.atomic import path_in_a_line
from gen.errors import GenWarning, PluginError, UsageError
from gen.foreign_recipe import foreign_recipe
from gen.plugin.boundary import Call, calling
from gen.plugin.specs import FormatSpec
from gen.recipe import AnyRecipe, Recipe, read_json
from gen.writing import HEAD, WrittenFile, encode, find_format, load_format, write

if TYPE_CHECKING:
    from gen.artifact import Artifact

MAX_FILE_BYTES = 1 << 30
"""Largest file that is read."""

__all__ = [
    "HEAD",
    "MAX_FILE_BYTES",
    "WrittenFile",
    "encode",
    "find_format",
    "inspect",
    "read",
    "read_recipe",
    "write",
]


def read(path: str | os.PathLike[str], formats: Iterable[FormatSpec], *, kind: str | None = None) -> Artifact:
    """Read an artifact. It has the recipe of the file where that holds a valid one, else none.

    Args:
        path: A file whose ending names its format.
        formats: The formats that there are.
        kind: The kind that is wanted.

    Raises:
        UsageError: The file is missing, not of a known format, damaged or too large.
        PluginError: A library that the format needs is not installed.
    """
    known = tuple(formats)
    with _open(path) as file:
        spec = find_format(known, path=path, kind=kind, head=file.read(HEAD))
        if kind is not None and not spec.reader:
            endings = dict.fromkeys(
                ending for other in known if other.holds(kind) and other.reader for ending in other.suffixes
            )
            raise UsageError(
                f"cannot read {path_in_a_line(path)} as {kind}", f"{kind} is read from {', '.join(endings)}"
            )
        artifact = _read_artifact(path, file, spec)
        try:
            recipe = _recipe_in(_entries(path, file, spec))
        except UsageError:
            return artifact
    return replace(artifact, recipe=recipe)


def read_recipe(path: str | os.PathLike[str], formats: Iterable[FormatSpec]) -> AnyRecipe | None:
    """The recipe in a file, read without decoding the rest; None when it holds none.

    Raises:
        UsageError: The file is missing or damaged, or its recipe is not valid.
        PluginError: A library that the format needs is not installed.
    """
    with _open(path) as file:
        entries = _entries(path, file, find_format(formats, path=path, head=file.read(HEAD)))
    with _about(path):
        return _recipe_in(entries)


def inspect(
    path: str | os.PathLike[str], formats: Iterable[FormatSpec], *, name: str | None = None
) -> dict[str, Any]:
    """What can be said about a file, as JSON values.

    Args:
        path: A file.
        formats: The formats that there are.
        name: Name of its format; by default its ending and its first bytes tell.

    Returns:
        ``path`` as given, ``format``, ``media_type``, ``kind``, ``bytes``, ``sha256``, ``sizes`` and
        ``attributes`` of the artifact, ``recipe`` (ours, or None), ``foreign`` (another program's, or None).

    Raises:
        UsageError: The file is missing, not of a known format, damaged or too large, or its recipe is not
            valid.
        PluginError: A library that the format needs is not installed.
    """
    known = tuple(formats)
    with _open(path) as file:
        spec = find_format(known, path=path, name=name, head=file.read(HEAD))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        entries = _entries(path, file, spec)
        with _about(path):
            recipe = _recipe_in(entries)
        if recipe is not None and name is None:
            kind = recipe.modality if isinstance(recipe, Recipe) else recipe.kind
            spec = _own_format(path, known, kind) or spec
        artifact = _read_artifact(path, file, spec)
    foreign = None if recipe else foreign_recipe(entries)
    return {
        "path": os.fspath(path),
        "format": spec.name,
        "media_type": spec.media_type,
        "kind": artifact.kind,
        "bytes": size,
        "sha256": digest,
        "sizes": artifact.sizes,
        "attributes": dict(artifact.attributes),
        "recipe": recipe.to_dict() if recipe else None,
        "foreign": foreign.to_dict() if foreign else None,
    }


def _own_format(
    path: str | os.PathLike[str], formats: Iterable[FormatSpec], modality: str
) -> FormatSpec | None:
    """The format in which a modality's kind is read from a file: a WebP may be a picture or a clip."""
    try:
        spec = find_format(formats, path=path, kind=modality)
    except UsageError:
        return None
    return spec if spec.reader else None


def _recipe_in(entries: dict[str, str]) -> AnyRecipe | None:
    return read_json(entries["gen"]) if "gen" in entries else None


def _open(path: str | os.PathLike[str]) -> io.BufferedReader:
    try:
        # Without O_NONBLOCK, opening a pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {path_in_a_line(path)}: {getattr(error, 'strerror', None) or error}"
        ) from None
    status = os.fstat(descriptor)
    plain = stat.S_ISREG(status.st_mode)
    if not plain or status.st_size > MAX_FILE_BYTES:
        os.close(descriptor)
        fault = f"larger than {MAX_FILE_BYTES >> 20} MiB" if plain else "not a file"
        raise UsageError(f"cannot read {path_in_a_line(path)}: {fault}")
    return os.fdopen(descriptor, "rb")


def _read_artifact(path: str | os.PathLike[str], file: BinaryIO, spec: FormatSpec) -> Artifact:
    from gen.artifact import Artifact

    if not spec.reader:
        raise UsageError(f"cannot read {path_in_a_line(path)}: {spec.name} can only be written")
    reader = load_format(spec, spec.reader)
    file.seek(0)
    with _reading(path, spec, "reader") as call:
        artifact = reader(file)
        if not isinstance(artifact, Artifact) or not spec.holds(artifact.kind):
            raise call.returned(artifact, f"an Artifact of the kind {' or '.join(spec.kinds)}")
        return artifact


def _entries(path: str | os.PathLike[str], file: BinaryIO, spec: FormatSpec) -> dict[str, str]:
    if not spec.metadata_reader:
        return {}
    reader = load_format(spec, spec.metadata_reader)
    file.seek(0)
    with _reading(path, spec, "metadata reader") as call:
        found = reader(file)
        if not isinstance(found, Mapping) or not all(
            isinstance(text, str) for entry in found.items() for text in entry
        ):
            raise call.returned(found, "texts by name")
        return dict(found)


@contextmanager
def _about(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in errors about its content."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"cannot read {path_in_a_line(path)}: {error.message}", error.hint) from error


@contextmanager
def _reading(path: str | os.PathLike[str], spec: FormatSpec, part: str) -> Iterator[Call]:
    """Surround the reading of a file; errors about it and warnings name it."""
    shown = path_in_a_line(path)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GenWarning)
            with calling(
                spec.plugin, f"{part} of {spec.name}", about=f"cannot read {shown}: ", files=True
            ) as call:
                yield call
    except PluginError as error:
        raise PluginError(f"cannot read {shown}: {error.message}", error.hint) from error.__cause__
    for warning in caught:
        warnings.warn(f"{shown}: {warning.message}", warning.category, stacklevel=5)
