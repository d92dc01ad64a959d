"""The files and artifacts that a generation starts from, read and checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gen.errors import UsageError
from gen.recipe import Input

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.plugin.host import Host

Source: TypeAlias = "str | os.PathLike[str] | Artifact"


def read_input(role: str, source: Source, kind: str, host: Host, inputs: list[Input]) -> Artifact:
    """Read an input, and note its digest: of the file, or of the content of one that was never in a file."""
    from gen import formats
    from gen.artifact import Artifact

    if isinstance(source, Artifact):
        _check_kind(role, source, kind, host)
        digest = hashlib.sha256()
        for name, array in sorted(source.arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        for name, value in sorted(source.attributes.items()):
            digest.update(f"{name} {value!r}".encode())
        inputs.append(Input(role=role, name="memory", sha256=digest.hexdigest()))
        return source
    if not isinstance(source, str | os.PathLike):
        raise UsageError(
            f"{role} must be a file or an artifact, not {type(source).__name__}",
            f"gen.Artifact({kind!r}, …) holds arrays",
        )
    path = Path(source)
    artifact = formats.read(path, host.formats(kind), kind=kind)
    _check_kind(f"{role} {path.name}", artifact, kind, host)
    with path.open("rb") as file:
        inputs.append(
            Input(role=role, name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        )
    return artifact


def _check_kind(what: str, artifact: Artifact, kind: str, host: Host) -> None:
    """Refuse an artifact of another kind than the formats of this one hold."""
    kinds = dict.fromkeys([kind, *(also for form in host.formats(kind) if form.reader for also in form.also)])
    if artifact.kind not in kinds:
        raise UsageError(f"{what} must be {' or '.join(kinds)}, not {artifact.kind}")


def check_shapes(init: Artifact, mask: Artifact) -> None:
    """Refuse a mask that would lie elsewhere on the input than where it was drawn."""
    (width, height), (across, down) = (
        (item.sizes.get("width", 0), item.sizes.get("height", 0)) for item in (init, mask)
    )
    # Of the same shape, but for the rounding of a side when it was scaled.
    if abs(width * down - across * height) > max(width, height, across, down):
        raise UsageError(
            f"the mask has {across} × {down} pixels and the input {width} × {height}: their shapes differ",
            "scale the mask to the input",
        )
