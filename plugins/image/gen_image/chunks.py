"""What PNG, JPEG and WebP files hold beside their pixels, wherever in the file it stands.

Pillow reads the pixels. It would have to decode them to see what follows them, passes over text behind the
picture of a JPEG, and refuses a PNG whose text has a wrong checksum.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gen.errors import UsageError
from gen.recipe import MAX_BYTES

MAX_TEXTS = 16 * MAX_BYTES
"""Most characters of all text entries together."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_START, _END, _APP1, _COMMENT = 0xD8, 0xD9, 0xE1, 0xFE


@dataclass(frozen=True)
class Embedded:
    """What a file says beside its pixels.

    Args:
        texts: Text entries by name.
        exif: A TIFF structure with the header ``Exif``; empty where there is none.
        xmp: An XMP packet; empty where there is none.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    exif: bytes = b""
    xmp: bytes = b""


def embedded(content: bytes) -> Embedded:
    """What a picture's file says beside its pixels.

    Args:
        content: PNG, JPEG or WebP; of anything else nothing is found.

    Raises:
        UsageError: A PNG ends within a chunk, has a critical one with a wrong checksum, or longer texts than
            are read.
    """
    if content.startswith(PNG_SIGNATURE):
        return _of_png(content)
    if content.startswith(b"\xff\xd8"):
        return _of_jpeg(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _of_webp(content)
    return Embedded()


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of a PNG's chunks; ancillary ones with a wrong checksum are left out.

    Raises:
        UsageError: It ends within a chunk, or a critical one, without which there is no picture, has a wrong
            checksum.
    """
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        name, data = content[at + 4 : at + 8], content[at + 8 : end]
        if end + 4 > len(content):
            raise UsageError("it ends too early")
        if zlib.crc32(data, zlib.crc32(name)) == int.from_bytes(content[end : end + 4]):
            yield name, data
        elif not name[0] & 0x20:  # bit 5 of the first letter marks what is ancillary
            place = f"the checksum of its {name.decode()} chunk is wrong: " if name.isalpha() else ""
            raise UsageError(f"{place}it is damaged")
        at = end + 4
        if name == b"IEND":
            return


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG with its length and checksum (ISO/IEC 15948, 5.3)."""
    return len(data).to_bytes(4) + name + data + zlib.crc32(data, zlib.crc32(name)).to_bytes(4)


def only_pixels(content: bytes) -> bytes:
    """A PNG without all that is not needed for the pixels of its first picture; other files as they are.

    Raises:
        UsageError: See ``png_chunks``.
    """
    if not content.startswith(PNG_SIGNATURE):
        return content
    parts = [PNG_SIGNATURE]
    for name, data in png_chunks(content):
        if name in _PIXEL_CHUNKS or not name[0] & 0x20:
            parts.append(png_chunk(name, data))
    return b"".join(parts)


def _of_png(content: bytes) -> Embedded:
    texts: dict[str, str] = {}
    exif = b""
    for name, data in png_chunks(content):
        if name == b"eXIf":
            exif = _EXIF + data.removeprefix(_EXIF)
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            key, text = _png_text(name, data)
            texts[key] = text
            if sum(map(len, texts.values())) > MAX_TEXTS:
                raise UsageError(f"its text entries exceed {MAX_TEXTS} bytes")
    xmp = texts.pop("XML:com.adobe.xmp", "").encode(errors="replace")
    # ImageMagick's form, older than the chunks for these: a name, a length and hexadecimal digits.
    exif = exif or _raw_profile(texts.pop("Raw profile type exif", ""))
    xmp = xmp or _raw_profile(texts.pop("Raw profile type xmp", ""))
    return Embedded(texts, exif, xmp)


def _png_text(kind: bytes, data: bytes) -> tuple[str, str]:
    keyword, _, rest = data.partition(b"\0")
    key = keyword.decode("latin-1")
    compressed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        rest = rest[2:].split(b"\0", 2)[-1]
    if compressed:
        try:
            rest = zlib.decompressobj().decompress(rest, 4 * MAX_BYTES + 1)
        except zlib.error:
            rest = b""
    if len(rest) > 4 * MAX_BYTES:
        raise UsageError(f"its text entry {key[:40]!r} exceeds {MAX_BYTES} bytes")
    try:
        # The standard says Latin-1 for two of the three, and many programs write UTF-8.
        return key, rest.decode("utf-8-sig")
    except UnicodeDecodeError:
        return key, rest.decode("latin-1")


def _raw_profile(text: str) -> bytes:
    try:
        return bytes.fromhex("".join(text.strip().split("\n")[2:]))
    except ValueError:
        return b""


def _of_jpeg(content: bytes) -> Embedded:
    texts, exif, xmp = {}, b"", b""
    for marker, data in _jpeg_segments(content):
        if marker == _APP1 and data.startswith(_EXIF):
            # What does not fit into one segment goes on in the next.
            exif += data[len(_EXIF) if exif else 0 :]
        elif marker == _APP1 and data.startswith(_XMP):
            xmp = xmp or data[len(_XMP) :]
        elif marker == _COMMENT:
            texts["comment"] = data.decode("utf-8-sig", errors="replace").strip("\0")
    return Embedded(texts, exif, xmp)


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and data of each segment. Within coded pixels no marker but those of restarts can occur."""
    at = 0
    while found := _MARKER.search(content, at):
        marker, at = found[1][0], found.end()
        if marker == _END:
            return
        if marker not in (0x01, _START):
            length = max(2, int.from_bytes(content[at : at + 2]))
            yield marker, content[at + 2 : at + length]
            at += length


def _of_webp(content: bytes) -> Embedded:
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(content):
        end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        found.setdefault(content[at : at + 4], content[at + 8 : end])
        at = end + end % 2
    exif = found.get(b"EXIF", b"")
    return Embedded({}, exif and _EXIF + exif.removeprefix(_EXIF), found.get(b"XMP ", b""))
