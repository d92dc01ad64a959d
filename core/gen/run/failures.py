"""Failures of plugins and of the machine, each as one line that says what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gen.errors import DeviceError, GenError, UsageError, line_of


@contextmanager
def user_values(what: str = "") -> Iterator[None]:
    """Turn what the mathematics, an encoder or a codec says about values of the user into a usage error.

    Args:
        what: What the message starts with.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{what}{line_of(error)}") from error
    except UsageError as error:
        raise UsageError(f"{what}{error.message}", error.hint) from error


@contextmanager
def failures(what: str, otherwise: type[GenError], callers: Sequence[Exception] = ()) -> Iterator[None]:
    """Turn every failure of a plugin or of the machine, none of `callers`, into one that says what failed."""
    try:
        yield
    except GenError:
        raise
    except Exception as error:
        if error in callers:
            raise
        if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error):
            raise DeviceError(
                "the memory does not suffice", "ask for something smaller, or use another `device=…`"
            ) from error
        raise otherwise(f"{what}: {line_of(error)}") from error
