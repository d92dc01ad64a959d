"""Files that appear whole or not at all, and a folder for those that nobody is to see."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gen.errors import OutputError

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another folder"),
    errno.EFBIG: ("the file would exceed the size limit", "raise the limit or choose another format"),
    errno.EACCES: ("permission denied", "choose a folder that you may write to"),
    errno.EPERM: ("permission denied", "choose a folder that you may write to"),
    errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
    errno.ENOENT: ("the folder does not exist", "create it first"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another folder"),
    errno.EISDIR: ("it is a folder", "name a file in it"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ELOOP: ("its links go round in a circle", "choose another path"),
    errno.EEXIST: ("the file exists", "use `overwrite=True` or choose another name"),
}


def check_writable(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse a path that cannot be written, without writing anything. To be called before the work is done.

    Args:
        path: Where a file is going to be.
        overwrite: Whether a file there may be replaced.

    Raises:
        OutputError: The file exists, is not a plain file, or its folder is missing or not writable.
    """
    with _errors_about(path):
        target = _target(path, overwrite)
        folder = target.parent
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise OSError(errno.ENOTDIR, "")
        effective = os.access in os.supports_effective_ids
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
            raise OSError(errno.EACCES, "")


@contextmanager
def atomic_file(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[BinaryIO]:
    """Write a file through a temporary one in the same folder, which takes the name only when it is complete.

    Leaves nothing behind when the block raises, be it ``KeyboardInterrupt``.

    Args:
        path: Where the file is going to be. A link there is followed.
        overwrite: Whether a file there is replaced; if not, one that appears meanwhile is not touched either.

    Yields:
        The temporary file, open for reading and writing.

    Raises:
        OutputError: The path cannot be written, or the disk is full.
    """
    with _errors_about(path):
        target = _target(path, overwrite)
        temporary = target.with_name(f".gen-{secrets.token_hex(8)}.tmp")
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        descriptor = os.open(
            temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
        )
        try:
            with os.fdopen(descriptor, "w+b") as file:
                if mode is not None:
                    temporary.chmod(mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                os.replace(temporary, target)
            else:
                _rename_to_new(temporary, target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for files that are needed inside the block only.

    Raises:
        OutputError: None can be made.
    """
    import tempfile

    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        cause, _ = _CAUSES.get(error.errno or 0, (error.strerror or str(error), ""))
        reason = "no folder for them can be written" if error.errno == errno.ENOENT else cause
        raise OutputError(
            f"cannot make temporary files: {reason}", "set TMPDIR to a folder that you may write to"
        ) from error
    with folder as name:
        yield Path(name)


def _target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Where the file really goes: links are followed, also one that leads to nothing yet."""
    if not os.fspath(path):
        raise OSError(errno.ENOENT, "")
    try:
        os.lstat(path)
    except FileNotFoundError:
        if os.fspath(path).endswith(("/", os.sep)):
            raise OSError(errno.EISDIR, "") from None
        return Path(path).absolute()
    except ValueError as error:
        raise OutputError(
            f"cannot write {path_in_a_line(path)}: not a valid path", "choose another name"
        ) from error
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "")
    if not stat.S_ISREG(mode):
        raise OutputError(f"cannot write {path}: it is a device or a pipe", "name a plain file")
    if not overwrite:
        raise OSError(errno.EEXIST, "")
    return Path(os.path.realpath(path))


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Rename, unless the name is taken; ``os.rename`` would replace what is there."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: take the name first, then replace what was put there.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            os.replace(temporary, target)
        except BaseException:
            target.unlink()
            raise


@contextmanager
def _errors_about(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause, hint = _CAUSES.get(error.errno or 0, (error.strerror or str(error), ""))
        raise OutputError(f"cannot write {path_in_a_line(path)}: {cause}", hint) from error


def path_in_a_line(path: str | os.PathLike[str]) -> str:
    """The path on one line, whatever characters it holds."""
    text = os.fsdecode(path)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 200 else f"{text[:100]}…{text[-60:]}"
