"""Contact sheets: frames of a clip side by side, as PNG with text entries or JPEG with an XMP packet."""

from __future__ import annotations

import math
from typing import BinaryIO

from PIL import Image, PngImagePlugin

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata
from gen_video.files.pixels import opaque, pictures

SHEET_FRAMES = 16
"""Frames on a contact sheet."""


def write_png_sheet(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write up to 16 frames, evenly spread over the clip, side by side as a PNG.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.
    """
    info = PngImagePlugin.PngInfo()
    for key, text in metadata.png_texts():
        info.add_itxt(key, text)
    _sheet(artifact).save(file, "PNG", pnginfo=info)


def write_jpeg_sheet(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write up to 16 frames, evenly spread over the clip, side by side as a JPEG.

    Args:
        artifact: A clip.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: It is transparent somewhere, or the recipe is too long.
    """
    opaque(artifact.arrays["frames"], "JPEG", "use .png")
    xmp = metadata.xmp(with_recipe=True).encode()
    if len(xmp) > 65_000:
        raise UsageError("the recipe is too long for JPEG", "use .png, or `metadata='minimal'`")
    _sheet(artifact).convert("RGB").save(file, "JPEG", quality=95, subsampling=0, xmp=xmp)


def _sheet(artifact: Artifact) -> Image.Image:
    frames = artifact.arrays["frames"]
    count = min(SHEET_FRAMES, len(frames))
    rows = [round(index * (len(frames) - 1) / max(1, count - 1)) for index in range(count)]
    shown = pictures(Artifact("video", {"frames": frames[rows]}, {"fps": artifact.attributes["fps"]}))
    columns = math.ceil(math.sqrt(count))
    width, height = shown[0].size
    sheet = Image.new(shown[0].mode, (columns * width, math.ceil(count / columns) * height))
    for index, picture in enumerate(shown):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet
