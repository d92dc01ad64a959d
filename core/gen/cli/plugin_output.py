"""Stdout while plugin code runs: what is written to it, by C code or a child process too, goes to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

STDOUT, STDERR = 1, 2

_redirected: ContextVar[bool] = ContextVar("redirected", default=False)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send the descriptor of stdout, and ``sys.stdout``, to stderr; nowhere where stderr is closed.

    For the command line only: descriptors belong to all threads of a process.
    """
    if _redirected.get():
        yield
        return
    token = _redirected.set(True)
    _flush()
    before = _duplicate(STDOUT)
    target = _duplicate(STDERR)
    if target is None:
        target = os.open(os.devnull, os.O_WRONLY)
    try:
        if target != STDOUT:
            os.dup2(target, STDOUT)
            os.close(target)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        if before is None:
            os.close(STDOUT)
        else:
            os.dup2(before, STDOUT)
            os.close(before)
        _redirected.reset(token)


def _duplicate(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:
        return None


def _flush() -> None:
    """Write what buffers of Python and C hold, so that it goes where stdout leads at this moment."""
    if sys.__stdout__ is not None:
        with suppress(OSError, ValueError):
            sys.__stdout__.flush()
    # Whoever writes through C has loaded it: torch and numpy do.
    if "ctypes" in sys.modules:
        with suppress(AttributeError, OSError, TypeError):
            _c_library().fflush(None)


@cache
def _c_library() -> Any:
    """C's functions in this process, whose library is opened once: plugin code is called often."""
    import ctypes

    return ctypes.CDLL(None)
