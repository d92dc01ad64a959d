"""Whether an MP3 or Ogg file lacks its end, which decoders pass over in silence."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from gen.errors import UsageError

_SEARCHED = 2**16
"""Bytes that are searched for the first frame of an MP3, and for the last page of an Ogg file."""

_LAST_PAGE = 4


def check_mp3(file: BinaryIO) -> None:
    """Compare an MP3 with the number of bytes that its Xing header announces, where it has one.

    The header stands in the first frame: "Xing" or "Info", flags, the number of frames where flag 1 is set,
    and that of bytes where flag 2 is.

    Raises:
        UsageError: Bytes are missing.
    """
    end = file.seek(0, io.SEEK_END)
    start = _after_id3(file)
    file.seek(start)
    content = file.read(_SEARCHED)
    frame = next((place for place in range(len(content) - 4) if _is_frame(content[place : place + 4])), None)
    if frame is None:
        return
    header = content[frame : frame + 52]
    found = max(header.find(b"Xing"), header.find(b"Info"))
    if found < 0 or len(header) < found + 16:
        return
    (flags,) = struct.unpack_from(">I", header, found + 4)
    if not flags & 2:
        return
    (announced,) = struct.unpack_from(">I", header, found + 8 + 4 * (flags & 1))
    there = end - start - frame
    if there < announced:
        raise UsageError(f"it is truncated: of {announced:,} bytes of sound {there:,} are there")


def ogg_has_end(file: BinaryIO) -> bool:
    """Whether the last page of an Ogg file is whole and marked as the last (RFC 3533, section 6)."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 2 * _SEARCHED))
    content = file.read()
    page = content.rfind(b"OggS")
    if page < 0 or len(content) < page + 27:
        return False
    table = content[page + 27 : page + 27 + content[page + 26]]
    return bool(content[page + 5] & _LAST_PAGE) and page + 27 + len(table) + sum(table) <= len(content)


def _after_id3(file: BinaryIO) -> int:
    """Where an ID3v2 tag at the beginning ends (its size has 7 bits per byte); 0 where there is none."""
    file.seek(0)
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _is_frame(head: bytes) -> bool:
    """Whether four bytes begin a frame of layer III: sync, and no value that is reserved."""
    return (
        head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[1] & 0x18 != 0x08
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    )
