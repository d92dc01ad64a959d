"""Files of clips that lack their end or are damaged, and what is said of them."""

from __future__ import annotations

import io
from typing import BinaryIO

from gen.errors import UsageError

TOO_EARLY, DAMAGED = "it ends too early", "it is damaged"

_MAX_BOXES = 20_000


def fault_of(error: Exception) -> str:
    """The fault of a file with which Pillow or ``zipfile`` gave up, as a line for the user."""
    return TOO_EARLY if "truncated" in str(error).lower() else DAMAGED


def check_whole(file: BinaryIO) -> None:
    """Refuse a file that is shorter than its parts say; FFmpeg reads the part that is there without a word.

    Args:
        file: MP4 or WebM; it is left at its beginning.

    Raises:
        UsageError: Its end is missing.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4096)
    ends = _end_of_segment(head) if head.startswith(b"\x1a\x45\xdf\xa3") else _end_of_boxes(file, size)
    file.seek(0)
    if ends > size:
        raise UsageError(TOO_EARLY)


def _end_of_segment(head: bytes) -> int:
    """Where a WebM ends, of which these are the first bytes; 0 where it does not say it."""
    at = head.find(b"\x18\x53\x80\x67") + 4
    if at < 4 or at == len(head):
        return 0
    # A number of EBML (RFC 8794, 4): leading zeros of the first byte count the bytes that follow it.
    length = 9 - head[at].bit_length()
    content = int.from_bytes(head[at : at + length]) & ((1 << 7 * length) - 1)
    unknown = content == (1 << 7 * length) - 1
    return 0 if unknown else at + length + content


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last of the boxes of an MP4 ends that hold its index or its content (ISO 14496-12, 4.2)."""
    at = last = 0
    for _ in range(_MAX_BOXES):
        if at >= size:
            break
        file.seek(at)
        head = file.read(16)
        length, name = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:])
        if length < 8:
            break
        at += length
        if name in (b"moov", b"mdat", b"moof"):
            last = at
    return last
