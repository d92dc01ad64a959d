"""Pictures in files: PNG, JPEG and WebP with their metadata, through Pillow.

Where the metadata goes: PNG has text chunks ``gen`` (the recipe), ``parameters`` and ``Software`` and an XMP
packet; JPEG and WebP have EXIF (``Software``, and ``parameters`` as ``UserComment``) and an XMP packet that
holds the recipe too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from gen.artifact import Artifact
from gen.errors import GenError, UsageError
from gen.recipe import MAX_BYTES, Metadata, recipe_in_xmp

MAX_PIXELS = 64 * 2**20
"""Largest picture that is read."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_SOFTWARE, _MAKE, _MODEL, _EXIF_IFD, _USER_COMMENT = 0x0131, 0x010F, 0x0110, 0x8769, 0x9286
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")


def write_png(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a PNG with 8 bits per channel, straight alpha and the sRGB tag.

    Args:
        artifact: An image.
        file: Where to.
        metadata: What to say about it.
    """
    info = PngImagePlugin.PngInfo()
    info.add(b"sRGB", b"\0")
    for key, text in metadata.png_texts():
        info.add_itxt(key, text)
    artifact.to_pil().save(file, "PNG", pnginfo=info)


def write_jpeg(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a JPEG of quality 95 with full colour resolution.

    Args:
        artifact: An image.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: The image is transparent somewhere, is too large, or its recipe is.
    """
    image = artifact.to_pil()
    if image.mode == "RGBA":
        if image.getchannel("A").getextrema() != (255, 255):
            raise UsageError("JPEG cannot hold a transparent picture", "use .png or .webp")
        image = image.convert("RGB")
    exif, xmp = _exif(metadata), metadata.xmp(with_recipe=True).encode()
    if max(len(exif), len(xmp)) > 65_000:
        raise UsageError("the recipe is too long for JPEG", "use .png or .webp, or --metadata minimal")
    _check_side(image, 65_535, "JPEG")
    image.save(file, "JPEG", quality=95, subsampling=0, optimize=True, exif=exif, xmp=xmp)


def write_webp(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a lossless WebP; a grey picture becomes RGB.

    Args:
        artifact: An image.
        file: Where to.
        metadata: What to say about it.

    Raises:
        UsageError: The image is too large.
    """
    image = artifact.to_pil()
    _check_side(image, 16_383, "WebP")
    xmp = metadata.xmp(with_recipe=True).encode()
    image.save(file, "WEBP", lossless=True, exact=True, exif=_exif(metadata), xmp=xmp)


def read(file: BinaryIO) -> Artifact:
    """Read a picture: turned as its EXIF says, palettes and CMYK converted, the first frame of several.

    An embedded colour profile is not applied.

    Args:
        file: PNG, JPEG or WebP.

    Returns:
        An image without a recipe: (H, W, C) with C = 1, 3 or 4.

    Raises:
        UsageError: Something else, damaged, or more than ``MAX_PIXELS``.
    """
    with _opened(file) as image:
        image.load()
        return Artifact("image", {"pixels": _pixels(ImageOps.exif_transpose(image))})


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the text entries of a picture without decoding it.

    Args:
        file: PNG, JPEG or WebP.

    Returns:
        Texts under the names that they have in PNG, whatever the format: ``gen``, ``parameters``,
        ``Software``, ``xmp``, and other programs' such as ``prompt``, ``workflow``, ``invokeai_metadata``.

    Raises:
        UsageError: Something else, damaged, or an entry of more than ``gen.recipe.MAX_BYTES``.
    """
    with _opened(file) as image:
        entries = {str(key): text for key, text in image.info.items() if isinstance(text, str)}
        xmp = next((image.info[key] for key in _XMP_KEYS if key in image.info), "")
        for key in _XMP_KEYS:
            entries.pop(key, None)
        exif = _exif_entries(image)
    packet = xmp.decode(errors="replace") if isinstance(xmp, bytes) else str(xmp)
    entries = {**exif, **({"xmp": packet} if packet else {}), **entries}
    for key, text in entries.items():
        if len(text) > MAX_BYTES:
            raise UsageError(f"its text entry {key[:40]!r} exceeds {MAX_BYTES} bytes")
    if "gen" not in entries and (recipe := recipe_in_xmp(packet)):
        entries["gen"] = recipe
    return entries


def _exif(metadata: Metadata) -> bytes:
    if not metadata.software:
        return b""
    exif = Image.Exif()
    exif[_SOFTWARE] = metadata.software
    if metadata.parameters:
        comment = b"UNICODE\0" + metadata.parameters.encode("utf-16-be")
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = comment
    return exif.tobytes()


def _exif_entries(image: Image.Image) -> dict[str, str]:
    entries: dict[str, str] = {}
    # Of a PNG without EXIF, getexif would decode the pixels to look behind them.
    if "exif" not in image.info:
        return entries
    exif = image.getexif()
    if isinstance(software := exif.get(_SOFTWARE), str):
        entries["Software"] = software
    comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    if isinstance(comment, bytes) and (text := _comment_text(comment)):
        entries["parameters"] = text
    # ComfyUI counts downwards from these tags and writes "name:JSON" into each.
    for tag in (_MODEL, _MAKE):
        name, colon, text = str(exif.get(tag, "")).partition(":")
        if colon and name in ("prompt", "workflow"):
            entries[name] = text
    return entries


def _comment_text(comment: bytes) -> str:
    """The text of an EXIF UserComment: eight bytes name the encoding, in the byte order that fits better."""
    code, body = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        big, little = (body.decode(f"utf-16-{order}", errors="replace") for order in ("be", "le"))
        return max(big, little, key=lambda text: sum(character < "\u0100" for character in text))
    return body.decode(errors="replace").strip("\0 ") if code in (b"ASCII\0\0\0", bytes(8)) else ""


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    """A picture whose size is known to be bearable, not yet decoded."""
    try:
        with warnings.catch_warnings():
            # Damaged and huge files are refused below; the library's own remarks would come on top.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise UsageError(f"it has {width} × {height} pixels; at most {MAX_PIXELS} are read")
                yield image
    except (GenError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UsageError(f"it has more than {MAX_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise UsageError("it is not a PNG, JPEG or WebP picture") from None
    except Exception as error:
        raise UsageError(f"it is damaged: {' '.join(str(error).split())[:120]}") from error


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    if image.mode.startswith("I;16"):
        return (np.asarray(image).astype(np.float32) / np.float32(65535))[..., None]
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    pixels = np.asarray(image).astype(np.float32) / np.float32(255)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _check_side(image: Image.Image, limit: int, name: str) -> None:
    if max(image.size) > limit:
        raise UsageError(
            f"{name} cannot hold {image.width} × {image.height} pixels", f"a side has at most {limit}"
        )
