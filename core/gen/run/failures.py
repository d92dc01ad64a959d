"""Failures of the core and of the machine while something is made, each as one line that says what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gen.errors import DeviceError, GenError, line_of
from gen.plugin.boundary import memory_is_short


@contextmanager
def failures(what: str, callers: Sequence[BaseException] = ()) -> Iterator[None]:
    """Turn every exception, none of `callers`, into an error that says what failed.

    Raises:
        DeviceError: The memory does not suffice.
        GenError: Anything else.
    """
    try:
        yield
    except GenError:
        raise
    except Exception as error:
        if any(error is one for one in callers):
            raise
        if memory_is_short(error):
            raise DeviceError(
                "the memory does not suffice", "ask for something smaller, or use another `device=…`"
            ) from error
        raise GenError(f"{what}: {line_of(error)}") from error
