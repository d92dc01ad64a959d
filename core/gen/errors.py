"""Every error that a user's mistake or a machine's limit can cause, with its exit code; and the warning.

The command line prints ``message`` (and ``hint``) on one line and leaves with ``exit_code``; the Python
API raises the same objects. ``code`` is the stable name that ``--json`` reports.
"""

from __future__ import annotations

from typing import ClassVar


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
    """An argument, parameter or input that cannot be used."""

    code = "usage"
    exit_code = 2


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


def line_of(error: BaseException) -> str:
    """What an exception says, on one line of at most 200 characters; its type where it says nothing."""
    return " ".join(str(error).split())[:200] or type(error).__name__
