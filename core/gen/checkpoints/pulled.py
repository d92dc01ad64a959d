"""Checkpoints that were pulled from the hub: which there are, whether they are whole, and their removal."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from gen.atomic import atomic_file
from gen.errors import ModelError, OutputError, line_of
from gen.plugin.cache import cache_folder

SCHEME = "hf:"
MAIN = "main"
_PIECE = 1 << 20
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*"
_REFERENCE = re.compile(rf"hf:({_WORD}/{_WORD})((?:/(?!\.)[^/@\s]+)*)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class HubReference:
    """A repository of the hub, or a file in it, at a revision.

    Args:
        repository: ``"owner/name"``.
        revision: A branch, a tag or a commit.
        file: Path of a file in it; empty for what is needed of all.
    """

    repository: str
    revision: str = MAIN
    file: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``hf:owner/name[/file][@revision]``.

        Raises:
            ModelError: It has another form.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise ModelError(
                f"{text!r} is no repository of the hub", "write hf:OWNER/NAME or hf:OWNER/NAME@REVISION"
            )
        return cls(found[1], found[3] or MAIN, found[2].removeprefix("/"))

    def __str__(self) -> str:
        return self._place() + ("" if self.revision == MAIN else f"@{self.revision}")

    def at(self, revision: str) -> str:
        """The reference with a revision, also with the usual one."""
        return f"{self._place()}@{revision}"

    def _place(self) -> str:
        return "/".join(filter(None, (f"{SCHEME}{self.repository}", self.file)))


@dataclass(frozen=True)
class PulledFile:
    """A file of a checkpoint, as the hub lists it.

    Args:
        size: Bytes.
        sha256: Its digest; empty of small files, which the hub does not give one.
        git: Its id in git: the sha1 of a header and the content.
    """

    size: int
    sha256: str
    git: str

    def fits(self, path: Path) -> bool:
        """Whether a file has this size and digest. It is read whole."""
        try:
            if path.stat().st_size != self.size:
                return False
            digest = hashlib.sha256() if self.sha256 else hashlib.sha1(f"blob {self.size}\0".encode())
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except OSError:
            return False
        return digest.hexdigest() == (self.sha256 or self.git)


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """A checkpoint in the hub's cache, whole.

    Args:
        reference: What was asked for.
        commit: What the revision meant.
        folder: Where its files are.
        licence: As its card says; empty when it does not.
        variant: Of the weights that was asked for.
        files: By path within the folder.
    """

    reference: HubReference
    commit: str
    folder: Path
    licence: str
    variant: str | None
    files: Mapping[str, PulledFile]

    @property
    def name(self) -> str:
        """The reference with the commit, which always means the same files."""
        return self.reference.at(self.commit)

    @property
    def path(self) -> Path:
        """The folder, or the file where there is nothing else."""
        return self.folder if len(self.files) > 1 else self.folder / next(iter(self.files))

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files.values())

    def missing(self) -> list[str]:
        """Paths of the files that are not there, or not of their size."""
        return [
            name
            for name, file in self.files.items()
            if not (self.folder / name).is_file() or (self.folder / name).stat().st_size != file.size
        ]

    def damaged(self) -> list[str]:
        """Paths of the files that are missing or have other bytes. Reads every file."""
        return [name for name, file in self.files.items() if not file.fits(self.folder / name)]


def find_pulled(reference: HubReference, variant: str | None = None, *, whole: bool = True) -> Pulled | None:
    """The checkpoint of a reference; None where it was not pulled, or is not there whole.

    Args:
        reference: Its revision may be the commit.
        variant: That was asked for.
        whole: Whether it must be there whole.
    """
    for pulled in all_pulled():
        if (
            (pulled.reference.repository, pulled.reference.file) == (reference.repository, reference.file)
            and reference.revision in (pulled.reference.revision, pulled.commit)
            and pulled.variant == variant
            and not (whole and pulled.missing())
        ):
            return pulled
    return None


def all_pulled() -> Iterator[Pulled]:
    """Everything that was pulled, by name; records that cannot be read are left out."""
    for path in sorted(_records().glob("*.json")):
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            yield Pulled(
                reference=HubReference(table["repository"], table["revision"], table.get("file", "")),
                commit=str(table["commit"]),
                folder=Path(table["folder"]),
                licence=str(table["licence"]),
                variant=table["variant"],
                files={
                    name: PulledFile(int(size), str(sha256), str(git))
                    for name, (size, sha256, git) in table["files"].items()
                },
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ModelError, RecursionError):
            continue


def keep_pulled(pulled: Pulled) -> None:
    """Write down that a checkpoint is there, whole.

    Raises:
        ModelError: The cache cannot be written.
    """
    table = {
        "repository": pulled.reference.repository,
        "revision": pulled.reference.revision,
        "file": pulled.reference.file,
        "commit": pulled.commit,
        "folder": str(pulled.folder),
        "licence": pulled.licence,
        "variant": pulled.variant,
        "files": {name: [file.size, file.sha256, file.git] for name, file in pulled.files.items()},
    }
    path = _record(pulled)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, overwrite=True) as file:
            file.write(json.dumps(table, indent=1).encode())
    except (OSError, OutputError) as error:
        reason = error.message if isinstance(error, OutputError) else line_of(error)
        raise ModelError(
            f"{pulled.reference} came whole, but that cannot be written down: {reason}",
            "free some room, or set GEN_CACHE to a folder that can be written",
        ) from None


def remove_pulled(pulled: Pulled) -> int:
    """Delete a checkpoint from the hub's cache, but for files that another one there shares.

    Returns:
        Bytes that were freed.

    Raises:
        ModelError: A file cannot be deleted.
    """
    blobs = {(pulled.folder / name).resolve() for name in pulled.files}
    kept: set[Path] = set()
    snapshots = pulled.folder.parent
    others = [
        snapshot
        for snapshot in (snapshots.iterdir() if snapshots.is_dir() else ())
        if snapshot != pulled.folder
    ]
    for snapshot in others:
        kept |= {path.resolve() for path in snapshot.rglob("*") if path.is_file()}
    siblings = [
        one
        for one in all_pulled()
        if one.folder == pulled.folder and (one.reference, one.variant) != (pulled.reference, pulled.variant)
    ]
    needed = {name for one in siblings for name in one.files}
    kept |= {(pulled.folder / name).resolve() for name in needed}
    freed = 0
    try:
        _record(pulled).unlink(missing_ok=True)
        for name in pulled.files.keys() - needed:
            (pulled.folder / name).unlink(missing_ok=True)
        for blob in blobs - kept:
            if blob.is_file():
                freed += blob.stat().st_size
                blob.unlink()
        _prune(pulled.folder)
    except OSError as error:
        raise ModelError(
            f"{error.filename} cannot be deleted: {error.strerror}", "check its rights"
        ) from None
    return freed


def _prune(folder: Path) -> None:
    """Delete the folders of a snapshot that are empty."""
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(inner.iterdir()):
            inner.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _records() -> Path:
    return cache_folder() / "pulled"


def _record(pulled: Pulled) -> Path:
    name = pulled.reference.at(pulled.reference.revision).removeprefix(SCHEME)
    variant = f".{pulled.variant}" if pulled.variant else ""
    return _records() / f"{quote(name, safe='@')}{variant}.json"
