"""The chunks of a WAV: RIFF, its big-endian form RIFX, and RF64 (EBU Tech 3306) with sizes of 64 bits."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gen.errors import UsageError

STREAMED = 0x7FFF0000
"""The least size that programs write into a header before they know it, as into a pipe; or they write 0.

They write ``0x7FFFF000``, ``0x80000000``, ``0xFFFFFFFF`` or something a header's length below.
"""

_FORMS = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<", b"BW64": "<"}
_LARGE = 0xFFFFFFFF


@dataclass(frozen=True)
class Chunk:
    """A chunk of a file.

    Args:
        name: Four characters.
        size: Bytes of its body, as announced; of sound without a known length, all that follow.
        room: Bytes of the file from its body on.
        position: Where its body begins.
        unset: Where its size should stand and none does, and how it is packed; None mostly.
    """

    name: str
    size: int
    room: int
    position: int
    unset: tuple[int, str] | None = None


def chunk(name: str, body: bytes) -> bytes:
    """A little-endian chunk, padded to an even length."""
    return name.encode() + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a WAV, in order; sound whose length was not known when it was written is the last.

    Raises:
        UsageError: It is not a WAV.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    order = _FORMS.get(head[:4])
    if order is None or head[8:] != b"WAVE":
        raise UsageError("it is not a WAV")
    position, place, packed = 12, 0, f"{order}Q"
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        room, body = end - position - 8, position + 8
        where: tuple[int, str] = (position + 4, f"{order}I")
        if name == b"ds64" and room >= 16:
            place = body + 8
        elif name == b"data" and size == _LARGE and place:
            file.seek(place)
            size, where = struct.unpack(packed, file.read(8))[0], (place, packed)
        if name == b"data" and _is_unknown(file, size, body, end, order):
            yield Chunk("data", room, room, body, where)
            return
        yield Chunk(name.decode("latin-1"), size, room, body)
        position = body + size + size % 2


def with_lengths(file: BinaryIO) -> BinaryIO:
    """The file, or where the length of its sound was not known when it was written, a copy that says it.

    Raises:
        UsageError: It announces more sound than is there.
    """
    for each in chunks(file):
        if each.name != "data":
            continue
        if each.unset:
            file.seek(0)
            content = bytearray(file.read())
            place, packed = each.unset
            struct.pack_into(packed, content, place, each.room)
            return io.BytesIO(content)
        if each.size > each.room:
            raise UsageError(f"it is truncated: of {each.size:,} bytes of sound {each.room:,} are there")
    return file


def _is_unknown(file: BinaryIO, size: int, body: int, end: int, order: str) -> bool:
    """Whether an announced size of sound is none: too large, or 0 before something that is no chunk."""
    if size >= STREAMED:
        return size > end - body
    position = body
    while size == 0 and position < end:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or not head[:4].isascii() or not head[:4].decode().isprintable():
            return True
        position += 8 + (length := struct.unpack(f"{order}4sI", head)[1]) + length % 2
    return position > end + 1
