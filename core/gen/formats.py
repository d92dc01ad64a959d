"""Artifacts in files: which format, written whole or not at all, read with one clear error."""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from gen.atomic import atomic_file, path_in_a_line
from gen.errors import GenWarning, PluginError, UsageError
from gen.foreign_recipe import foreign_recipe
from gen.metadata import Metadata
from gen.plugin.boundary import Call, calling, imported
from gen.plugin.specs import FormatSpec
from gen.recipe import Recipe

if TYPE_CHECKING:
    from gen.artifact import Artifact

MAX_FILE_BYTES = 1 << 30
"""Largest file that is read."""

HEAD = 4096
"""Bytes at the beginning of a file by which ``FormatSpec.can_read`` tells its content."""


@dataclass(frozen=True)
class WrittenFile:
    """A file that was written.

    Args:
        path: Where.
        bytes: Its size.
        sha256: Hex digest of its content.
        media_type: Such as ``"image/png"``.
        format: Name of the format.
    """

    path: Path
    bytes: int
    sha256: str
    media_type: str
    format: str


def find_format(
    formats: Iterable[FormatSpec],
    *,
    path: str | os.PathLike[str] | None = None,
    name: str | None = None,
    kind: str | None = None,
    head: bytes | None = None,
) -> FormatSpec:
    """The format that a name or a file's ending asks for.

    Where several have the ending, those count that can read the first bytes (``FormatSpec.can_read``), or
    else say nothing about them; among these one that can be read before one that cannot, and the modality's
    own before that of another plugin.

    Args:
        formats: What there is to choose from.
        path: A file, of which only the ending counts.
        name: Name of a format; one of its endings without the dot will do too.
        kind: Leave out formats for other kinds of artifact.
        head: The first bytes of the file, up to ``HEAD``, where it is to be read.

    Raises:
        UsageError: Unknown name or ending, neither given, the two contradict each other, or formats of
            several plugins fit equally well.
        PluginError: A format's ``can_read`` fails.
    """
    # A spectrogram is a PNG as well, but whoever names a PNG to read means the picture.
    specs = sorted((spec for spec in formats if spec.holds(kind)), key=lambda spec: not spec.reader)
    suffix = os.path.splitext(os.fspath(path))[1].lower() if path is not None else ""
    by_suffix = [spec for spec in specs if suffix in spec.suffixes]
    if name is None:
        if by_suffix:
            return _chosen(suffix, by_suffix, head)
        endings = list(dict.fromkeys(ending for spec in specs for ending in spec.suffixes))
        whole = path_in_a_line(path or "the output")
        wrong = f"unknown file ending {suffix!r}" if suffix else f"{whole} has no file ending"
        raise UsageError(wrong, _choices(suffix, endings))
    wanted = name.lower()
    named = [spec for spec in specs if wanted == spec.name]
    named = named or [spec for spec in specs if f".{wanted}" in spec.suffixes]
    by_name = next((spec for spec in named if spec in by_suffix), named[0] if named else None)
    if by_name is None:
        raise UsageError(f"unknown format {name!r}", _choices(wanted, [spec.name for spec in specs]))
    if by_suffix and by_name not in by_suffix:
        raise UsageError(
            f"the ending {suffix!r} is not one of {by_name.name}",
            f"name the file {by_name.suffixes[0]} or leave the format out",
        )
    return by_name


def _chosen(suffix: str, specs: list[FormatSpec], head: bytes | None) -> FormatSpec:
    """The one of several formats with an ending that fits best, those that can be read first."""
    if head is not None and len(specs) > 1:
        told = [spec for spec in specs if spec.can_read and spec.reader and _can_read(spec, head)]
        specs = told or [spec for spec in specs if not spec.can_read] or specs
    best = [spec for spec in specs if (bool(spec.reader), spec.own) == (bool(specs[0].reader), True)] or [
        spec for spec in specs if bool(spec.reader) == bool(specs[0].reader)
    ]
    if len({spec.plugin for spec in best}) > 1:
        names = [f"{spec.name} of plugin {spec.plugin}" for spec in best]
        raise UsageError(
            f"the ending {suffix!r} is that of {' and of '.join(names)}", "say which with --format NAME"
        )
    return best[0]


def _can_read(spec: FormatSpec, head: bytes) -> bool:
    function = _load(spec, spec.can_read)
    with calling(spec.plugin, f"can_read of {spec.name}") as call:
        answer = function(head)
        if not isinstance(answer, bool):
            raise call.returned(answer, "True or False")
        return answer


def encode(artifact: Artifact, spec: FormatSpec, metadata: str = "full") -> bytes:
    """The bytes of the file that an artifact becomes; the same for the same artifact and recipe.

    Args:
        artifact: What to store.
        spec: The format.
        metadata: Level of the metadata; see ``gen.metadata.Metadata.of``.

    Raises:
        UsageError: The format cannot hold this artifact, or an unknown level.
        PluginError: The format's writer failed, or wrote nothing.
    """
    if not spec.holds(artifact.kind):
        raise UsageError(
            f"{spec.name} holds {' or '.join(spec.kinds)}, not {artifact.kind}", "choose another format"
        )
    write_format = _load(spec, spec.writer)
    file = _Written()
    entries = Metadata.of(artifact.recipe, metadata)
    with calling(spec.plugin, f"writer of {spec.name}") as call:
        write_format(artifact, file, entries)
        content = file.content()
        if not content:
            raise call.fault("wrote nothing")
    return content


def write(
    artifact: Artifact,
    path: str | os.PathLike[str],
    formats: Iterable[FormatSpec],
    *,
    name: str | None = None,
    overwrite: bool = False,
    metadata: str = "full",
) -> WrittenFile:
    """Store an artifact in a file, whole or not at all.

    Args:
        artifact: What to store.
        path: Where to; its ending names the format unless ``name`` does.
        formats: The formats that there are.
        name: Name of the format.
        overwrite: Whether a file there may be replaced.
        metadata: Level of the metadata; see ``gen.metadata.Metadata.of``.

    Raises:
        UsageError: The format is unknown, contradicts the ending or cannot hold the artifact.
        OutputError: The file exists or cannot be written.
    """
    known = tuple(formats)
    fitting = [spec for spec in known if spec.holds(artifact.kind)]
    spec = find_format(fitting or known, path=path, name=name)
    content = encode(artifact, spec, metadata=metadata)
    with atomic_file(path, overwrite=overwrite) as file:
        file.write(content)
    return WrittenFile(
        Path(path), len(content), hashlib.sha256(content).hexdigest(), spec.media_type, spec.name
    )


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


def read_recipe(path: str | os.PathLike[str], formats: Iterable[FormatSpec]) -> Recipe | None:
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
            spec = _own_format(path, known, recipe.modality) or spec
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


def _recipe_in(entries: dict[str, str]) -> Recipe | None:
    return Recipe.from_json(entries["gen"]) if "gen" in entries else None


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
    reader = _load(spec, spec.reader)
    file.seek(0)
    with _reading(path, spec, "reader") as call:
        artifact = reader(file)
        if not isinstance(artifact, Artifact) or not spec.holds(artifact.kind):
            raise call.returned(artifact, f"an Artifact of the kind {' or '.join(spec.kinds)}")
        return artifact


def _entries(path: str | os.PathLike[str], file: BinaryIO, spec: FormatSpec) -> dict[str, str]:
    if not spec.metadata_reader:
        return {}
    reader = _load(spec, spec.metadata_reader)
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


class _Written(io.BytesIO):
    """A file in memory whose content outlives it: libraries close what they have written to."""

    _kept: bytes | None = None

    def close(self) -> None:
        """Close the file and keep its content."""
        if not self.closed:
            self._kept = self.getvalue()
        super().close()

    def content(self) -> bytes:
        """What was written."""
        return self.getvalue() if self._kept is None else self._kept


def _load(spec: FormatSpec, reference: str) -> Callable[..., Any]:
    try:
        return cast("Callable[..., Any]", imported(spec.plugin, reference))
    except PluginError as error:
        hint = 'pip install "gen-toolkit[all]"' if isinstance(error.__cause__, ModuleNotFoundError) else ""
        raise PluginError(error.message, hint or error.hint) from error.__cause__


def _choices(wrong: str, known: list[str]) -> str:
    close = difflib.get_close_matches(wrong, known, 1)
    return (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(known)}"
