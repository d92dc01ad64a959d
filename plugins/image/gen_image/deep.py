"""PNG with 16 bits per sample, of which Pillow keeps eight.

The filters of PNG work on each byte of a pixel by itself (ISO/IEC 15948, clause 9). The bytes at the same
place of all pixels are therefore a grey picture of their own with the same filters, which Pillow can decode.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gen.errors import UsageError
from gen_image.chunks import PNG_SIGNATURE, png_chunk, png_chunks

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row and the steps from one to the next of each pass."""


def is_deep(content: bytes) -> bool:
    """Whether a file is a PNG with 16 bits per sample."""
    return content.startswith(PNG_SIGNATURE) and content[24:25] == b"\x10"


def read_deep(content: bytes) -> NDArray[np.float32]:
    """Decode a PNG with 16 bits per sample.

    Args:
        content: A PNG whose header has been checked.

    Returns:
        (H, W, C) in [0, 1], with C = 1, 3 or 4; 4 where it has alpha or names a transparent colour.

    Raises:
        UsageError: It ends too early, or is damaged.
    """
    chunks = list(png_chunks(content))
    width, height, _, colour, _, _, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    samples = np.zeros((height, width, _CHANNELS[colour]), np.uint16)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = [samples[top::down, left::right] for left, top, right, down in passes]
    parts = [part for part in parts if part.size]
    size = sum(len(part) + 2 * part.size for part in parts)
    stream = b"".join(data for name, data in chunks if name == b"IDAT")
    raw = np.frombuffer(zlib.decompressobj().decompress(stream, size), np.uint8)
    if len(raw) < size:
        raise UsageError("it ends too early")
    for part in parts:
        rows, raw = raw[: len(part) + 2 * part.size], raw[len(part) + 2 * part.size :]
        _unfilter(rows.reshape(len(part), -1), part)
    pixels = samples.astype(np.float32) / np.float32(65535)
    if colour in (4, 6):
        return np.concatenate([np.broadcast_to(pixels[..., :-1], (height, width, 3)), pixels[..., -1:]], -1)
    clear = dict(chunks).get(b"tRNS", b"")
    if len(clear) < 2 * samples.shape[-1]:
        return pixels
    shown = (samples != np.frombuffer(clear, ">u2")[: samples.shape[-1]]).any(-1, keepdims=True)
    return np.concatenate([np.broadcast_to(pixels, (height, width, 3)), shown], -1, dtype=np.float32)


def _unfilter(rows: NDArray[np.uint8], samples: NDArray[np.uint16]) -> None:
    """Decode rows, each a filter's number and filtered bytes, into samples (H, W, C) of the same height."""
    height, width, channels = samples.shape
    filters, pixels = rows[:, :1], rows[:, 1:].reshape(height, width, channels, 2)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for channel in range(channels):
        for half in range(2):
            grey = np.concatenate([filters, pixels[:, :, channel, half]], 1)
            file = io.BytesIO(
                PNG_SIGNATURE
                + png_chunk(b"IHDR", header)
                + png_chunk(b"IDAT", zlib.compress(grey.tobytes(), 1))
                + png_chunk(b"IEND", b"")
            )
            with Image.open(file, formats=["PNG"]) as image:
                samples[..., channel] |= np.asarray(image).astype(np.uint16) << (8 - 8 * half)
