"""Text in files: its encoding and its numbers."""

from __future__ import annotations

import codecs
import warnings

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError


def decoded(content: bytes) -> str:
    """Text in UTF-8, or in UTF-16 where a byte-order mark says so; all ends of lines become ``\\n``.

    Bytes that are not UTF-8 become replacement characters: they stand in names and comments.
    """
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbers(text: str | bytes) -> NDArray[np.float64]:
    """The numbers (N,) of a text, which white space separates.

    Raises:
        UsageError: There is something else among them.
    """
    if not text.strip():
        return np.zeros(0)
    try:
        with warnings.catch_warnings():
            # Before 2.3, numpy ends at the first word that is no number, and only warns.
            warnings.simplefilter("error", DeprecationWarning)
            return np.fromstring(text, dtype=np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        raise UsageError(f"it holds {_wrong(text)!r} in place of a number") from None


def _wrong(text: str | bytes) -> str:
    for word in (text if isinstance(text, str) else text.decode(errors="replace")).split():
        try:
            float(word)
        except ValueError:
            return word[:40]
    return "something else"
