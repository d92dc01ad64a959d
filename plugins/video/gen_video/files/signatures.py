"""Which kind of clip a file is, by its first bytes."""

from __future__ import annotations


def is_animated_webp(head: bytes) -> bool:
    """Whether it is a WebP with an animation (RFC 9649, section 2.7.1)."""
    if not (head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and len(head) > 20):
        return False
    return bool(head[20] & 2)
