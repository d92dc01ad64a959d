"""Artifacts to files: which format, and written whole or not at all."""

from __future__ import annotations

import difflib
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gen.atomic import atomic_file, path_in_a_line
from gen.errors import PluginError, UsageError
from gen.metadata import Metadata
from gen.plugin.boundary import calling, imported
from gen.plugin.specs import FormatSpec

if TYPE_CHECKING:
    from gen.artifact import Artifact

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
        recognised = [spec for spec in specs if spec.can_read and spec.reader and can_read(spec, head)]
        # Where none recognises it, a reader says what is wrong; those that are only written cannot.
        readable = [spec for spec in specs if spec.reader]
        specs = recognised or [spec for spec in readable if not spec.can_read] or readable[:1] or specs
    best = [spec for spec in specs if (bool(spec.reader), spec.own) == (bool(specs[0].reader), True)] or [
        spec for spec in specs if bool(spec.reader) == bool(specs[0].reader)
    ]
    if len({spec.plugin for spec in best}) > 1:
        names = [f"{spec.name} of plugin {spec.plugin}" for spec in best]
        raise UsageError(
            f"the ending {suffix!r} is that of {' and of '.join(names)}", "say which with --format NAME"
        )
    return best[0]


def can_read(spec: FormatSpec, head: bytes) -> bool:
    """Whether a format recognises a file by its first bytes, at most ``HEAD``; it must have a ``can_read``.

    Raises:
        PluginError: That function fails.
    """
    function = load_format(spec, spec.can_read)
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
    write_format = load_format(spec, spec.writer)
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


def load_format(spec: FormatSpec, reference: str) -> Callable[..., Any]:
    try:
        return cast("Callable[..., Any]", imported(spec.plugin, reference))
    except PluginError as error:
        hint = 'pip install "gen-toolkit[all]"' if isinstance(error.__cause__, ModuleNotFoundError) else ""
        raise PluginError(error.message, hint or error.hint) from error.__cause__


def _choices(wrong: str, known: list[str]) -> str:
    close = difflib.get_close_matches(wrong, known, 1)
    return (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(known)}"
