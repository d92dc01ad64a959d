"""The files and artifacts that a generation starts from, read and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gen.checkpoints.additions import Addition, roles
from gen.checkpoints.located import located
from gen.errors import UsageError
from gen.kinds import KINDS
from gen.plan.kinds import check_given
from gen.plugin.specs import CHECKPOINT
from gen.recipe import AnyRecipe, Input

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.checkpoints import Checkpoint, Component
    from gen.plugin.host import Host

Source: TypeAlias = "str | os.PathLike[str] | Artifact"


FILES = ("init", "mask", "vary", "interpolate", "style")
"""Options of every modality that are, or may be, files of its kind."""


class Inputs:
    """Inputs as they are read: artifacts, and what a recipe says about them.

    Args:
        host: Where formats come from.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.items: list[Input] = []
        self.parents: list[AnyRecipe] = []
        """Recipes of the inputs that carry one."""

    def read(self, role: str, source: Source, kind: str) -> Artifact:
        """Read an input, and note its digest: of the file, or of the content of one that was in no file.

        Args:
            role: What it is used as.
            source: A file, or an artifact.
            kind: The kind that it must have.

        Raises:
            UsageError: It cannot be read, or is of another kind.
        """
        from gen import formats
        from gen.artifact import Artifact

        if isinstance(source, Artifact):
            _check_kind(role, source, kind, self._host)
            self._note(source, role=role, name="memory", sha256=content_digest(source))
            return source
        if not isinstance(source, str | os.PathLike):
            raise UsageError(
                f"{role} must be a file or an artifact, not {type(source).__name__}",
                f"gen.Artifact({kind!r}, …) holds arrays",
            )
        path = Path(source)
        known = self._host.formats(kind)
        artifact = formats.read(path, known, kind=kind)
        _check_kind(f"{role} {path.name}", artifact, kind, self._host)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        form = formats.find_format(known, path=path, kind=kind).name
        self._note(artifact, role=role, name=path.name, sha256=digest, format=form)
        return artifact

    def checkpoint(self, role: str, source: object, *, allow_pickle: bool) -> Checkpoint | Component:
        """Open a checkpoint that is used beside the model, and note its digest.

        Args:
            role: What it is used as.
            source: Its folder, or ``hf:OWNER/NAME``.
            allow_pickle: Whether weights in pickles are read, as weights only.

        Raises:
            UsageError: It is no path.
            ModelError: It is no checkpoint, or damaged, or cannot be downloaded.
        """
        from gen.checkpoints.checkpoint import open_folder

        if not isinstance(source, str | os.PathLike):
            raise UsageError(f"{role} must be the folder of a checkpoint, not {type(source).__name__}")
        path, name = located(source, allow_pickle=allow_pickle)
        found = open_folder(path, role, allow_pickle=allow_pickle)
        self.items.append(Input(role=role, name=name, sha256=found.sha256, format=CHECKPOINT))
        return found

    def note(self, additions: Sequence[Addition]) -> None:
        """Note the digests of files that change the model.

        Raises:
            ModelError: One cannot be read.
        """
        for role, addition in roles(additions):
            one = Input(role=role, name=addition.name, sha256=addition.sha256, value=addition.value)
            self.items.append(one)

    def _note(self, artifact: Artifact, **about: str) -> None:
        parent = None
        if artifact.recipe is not None:
            parent = len(self.parents)
            self.parents.append(artifact.recipe)
        self.items.append(Input(**about, parent=parent))  # type: ignore[arg-type]


def content_digest(artifact: Artifact) -> str:
    """The SHA-256 of what an artifact holds, its recipe left out."""
    digest = hashlib.sha256()
    for name, array in sorted(artifact.arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    for name, value in sorted(artifact.attributes.items()):
        digest.update(f"{name} {value!r}".encode())
    return digest.hexdigest()


def _check_kind(what: str, artifact: Artifact, kind: str, host: Host) -> None:
    """Refuse an artifact of another kind than the formats of this one hold, and one that is not valid.

    Artifacts of the core's kinds are checked when they are made.
    """
    kinds = dict.fromkeys([kind, *(also for form in host.formats(kind) if form.reader for also in form.also)])
    if artifact.kind not in kinds:
        raise UsageError(f"{what} must be {' or '.join(kinds)}, not {artifact.kind}")
    if artifact.kind not in KINDS:
        check_given(host.kind(artifact.kind), artifact, what)


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
