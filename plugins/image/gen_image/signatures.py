"""Which kind of picture a file is, by its first bytes."""

from __future__ import annotations


def is_png(head: bytes) -> bool:
    """Whether it is a PNG (W3C PNG, section 5.2)."""
    return head.startswith(b"\x89PNG\r\n\x1a\n")


def is_jpeg(head: bytes) -> bool:
    """Whether it is a JPEG (ITU-T T.81, annex B)."""
    return head.startswith(b"\xff\xd8\xff")


def is_still_webp(head: bytes) -> bool:
    """Whether it is a WebP without animation (RFC 9649, section 2.7.1)."""
    animated = head[12:16] == b"VP8X" and bool(head[20:21]) and bool(head[20] & 2)
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP" and not animated
