"""Every error that a user's mistake or a machine's limit can cause, with its exit code; and the warning.

The command line prints ``message`` (and ``hint``) on one line and leaves with ``exit_code``; the Python
API raises the same objects. ``code`` is the stable name that ``--json`` reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""


class GenError(Exception):
    """A failure that has a clear cause.

    Args:
        message: One line: what was wrong, with the offending value.
        hint: One line: what to do about it; empty when nothing can be done.
    """

    code: ClassVar[str] = "generation_failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(GenError):
    """An argument, parameter or input that cannot be used. Plugins raise it to refuse a value of the user."""

    code = "usage"
    exit_code = 2


class ArtifactError(UsageError):
    """Arrays or attributes that no artifact may hold.

    Args:
        message, hint: See ``GenError``.
        values: Whether values or sizes of the arrays are at fault, as those of a damaged file may be, and
            not their names, types or dimensions.
    """

    def __init__(self, message: str, hint: str = "", *, values: bool = False) -> None:
        super().__init__(message, hint)
        self.values = values


class PluginError(GenError):
    """A plugin that is unknown, broken, disabled or lacks a requirement."""

    code = "plugin"
    exit_code = 3


class ModelError(GenError):
    """A model that is unknown, missing, damaged or of another kind."""

    code = "model"
    exit_code = 4


class DeviceError(GenError):
    """A device that does not exist, or memory that does not suffice."""

    code = "device"
    exit_code = 5


class OutputError(GenError):
    """A file that exists already or cannot be written."""

    code = "output"
    exit_code = 6


class PartialError(GenError):
    """Some items of a batch were written and others failed."""

    code = "partial"
    exit_code = 7


class GenWarning(UserWarning):
    """A part of a request that has no effect, or that the model cannot heed; the result is made anyway."""


@contextmanager
def damaged_file() -> Iterator[None]:
    """Lay what is raised inside to the file that is read: for readers whose library raises at damaged ones.

    Raises:
        UsageError: In place of every exception that is neither a ``GenError`` nor about memory.
    """
    try:
        yield
    except (GenError, MemoryError):
        raise
    except Exception as error:
        raise UsageError("it is damaged, or not of the kind that its ending says") from error


def line_of(error: BaseException) -> str:
    """What an exception says, on one line of at most 200 characters; its type where it says nothing."""
    return _text(error)[:200] or type(error).__name__


def described(error: BaseException) -> str:
    """The type of an exception and what it says, on one line of at most 200 characters."""
    text = _text(error)
    if isinstance(error, BaseExceptionGroup):
        text = f"{text}: {'; '.join(map(described, error.exceptions))}"
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:200]


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:
        # A class of a plugin may fail at this, too.
        return ""
