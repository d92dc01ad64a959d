"""Pictures in files: PNG, JPEG and WebP with their metadata, through Pillow.

Where the metadata goes: PNG has text chunks ``gen`` (the recipe), ``parameters`` and ``Software`` and an XMP
packet; JPEG and WebP have EXIF (``Software``, and ``parameters`` as ``UserComment``) and an XMP packet that
holds the recipe too.
"""

from __future__ import annotations

import codecs
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from gen.artifact import Artifact
from gen.errors import GenError, UsageError, damaged_file
from gen.metadata import Metadata, decode_text, recipe_in_xmp
from gen.recipe import MAX_BYTES
from gen_image.chunks import PNG_SIGNATURE, embedded, only_pixels
from gen_image.deep import is_deep, read_deep

MAX_PIXELS = 64 * 2**20
"""Largest picture that is read."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_SOFTWARE, _MAKE, _MODEL, _DESCRIPTION = 0x0131, 0x010F, 0x0110, 0x010E
_ORIENTATION, _EXIF_IFD, _USER_COMMENT = 0x0112, 0x8769, 0x9286


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
        raise UsageError("the recipe is too long for JPEG", "use .png or .webp, or `metadata='minimal'`")
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


@damaged_file()
def read(file: BinaryIO) -> Artifact:
    """Read a picture: turned as its EXIF says, palettes and CMYK converted, the first frame of several.

    Of a PNG, samples of 16 bits are kept, and ancillary chunks with a wrong checksum are passed over. An
    embedded colour profile is not applied.

    Args:
        file: PNG, JPEG or WebP.

    Returns:
        An image without a recipe: (H, W, C) with C = 1, 3 or 4.

    Raises:
        UsageError: Something else, damaged, or more than ``MAX_PIXELS``.
    """
    content = file.read()
    with _opened(content) as image:
        pixels = read_deep(content) if is_deep(content) else _pixels(image, content)
        return Artifact("image", {"pixels": _turned(pixels, _parsed(embedded(content).exif))})


@damaged_file()
def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """Read the text entries of a picture without decoding it.

    Args:
        file: PNG, JPEG or WebP.

    Returns:
        Texts under the names that they have in PNG, whatever the format: ``gen``, ``parameters``,
        ``Software``, ``xmp``, and other programs' such as ``prompt``, ``workflow``, ``invokeai_metadata``;
        ``comment`` of a JPEG.

    Raises:
        UsageError: Something else, damaged, or an entry of more than ``gen.recipe.MAX_BYTES``.
    """
    content = file.read()
    with _opened(content):
        found = embedded(content)
        packet = decode_text(found.xmp)
        entries = {**_exif_entries(found.exif), **({"xmp": packet} if packet else {}), **found.texts}
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
        exif[_EXIF_IFD] = {_USER_COMMENT: comment}
    return exif.tobytes()


def _parsed(exif: bytes) -> Image.Exif:
    """EXIF that anybody may have written; empty where it is damaged, as the picture is none the worse."""
    parsed = Image.Exif()
    try:
        parsed.load(exif)
        parsed.get_ifd(_EXIF_IFD)
    except Exception:
        return Image.Exif()
    return parsed


def _exif_entries(content: bytes) -> dict[str, str]:
    entries: dict[str, str] = {}
    exif = _parsed(content)
    if isinstance(software := exif.get(_SOFTWARE), str):
        entries["Software"] = software
    comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT, exif.get(_USER_COMMENT))
    if isinstance(comment, bytes):
        comment = _comment_text(comment)
    if isinstance(comment, str) and comment:
        entries["parameters"] = comment
    # ComfyUI counts downwards from the model's tag and writes "name:JSON" into each.
    for tag in (_MODEL, _MAKE, _DESCRIPTION):
        name, colon, text = str(exif.get(tag, "")).partition(":")
        if colon and name.lower() in ("prompt", "workflow"):
            entries[name.lower()] = text.strip()
    return entries


def _comment_text(comment: bytes) -> str:
    """The text of an EXIF UserComment, of which eight bytes name the encoding (EXIF 2.32, 4.6.5)."""
    code, body = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        text = _utf16(body)
    elif code == b"JIS\0\0\0\0\0":
        text = body.decode("iso2022_jp", errors="replace")
    else:
        # Some programs leave the name of the encoding out.
        text = decode_text(body if code in (b"ASCII\0\0\0", bytes(8)) else comment)
    return text.strip("\0 ")


def _utf16(body: bytes) -> str:
    """UTF-16 in the byte order of its mark, else in the one that fits better; or UTF-8 that is called so."""
    if body.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF8)):
        return decode_text(body)
    if b"\0" not in body.rstrip(b"\0"):
        with suppress(UnicodeDecodeError):
            return body.rstrip(b"\0").decode()
    big, little = (body.decode(f"utf-16-{order}", errors="replace") for order in ("be", "le"))
    return max(big, little, key=lambda text: sum(character < "\u0100" for character in text))


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """A picture whose size is known to be bearable, not yet decoded."""
    try:
        with warnings.catch_warnings():
            # Damaged and huge files are refused below; the library's own remarks would come on top.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(only_pixels(content)), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise UsageError(f"it has {width} × {height} pixels; at most {MAX_PIXELS} are read")
                yield image
    except (GenError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UsageError(f"it has more than {MAX_PIXELS} pixels") from None
    except UnidentifiedImageError:
        known = content.startswith((PNG_SIGNATURE, b"\xff\xd8\xff", b"RIFF"))
        raise UsageError("it is damaged" if known else "it is not a PNG, JPEG or WebP picture") from None
    except Exception as error:
        fault = "it ends too early" if "truncated" in str(error).lower() else "it is damaged"
        raise UsageError(fault) from error


def _pixels(image: Image.Image, content: bytes) -> NDArray[np.float32]:
    if content.startswith(PNG_SIGNATURE) and image.mode in ("L", "RGB") and "transparency" in image.info:
        # Pillow spreads samples of two and four bits over eight, but not the one that is transparent.
        most = 2 ** content[24] - 1
        clear = image.info["transparency"]
        image.info["transparency"] = (
            (clear & most) * 255 // most if image.mode == "L" else tuple(level & most for level in clear)
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    pixels = np.asarray(image).astype(np.float32) / np.float32(255)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _turned(pixels: NDArray[np.float32], exif: Image.Exif) -> NDArray[np.float32]:
    """Pixels (H, W, C) as they are to be seen; orientations 2 to 8 as in EXIF 2.32, 4.6.4."""
    orientation = exif.get(_ORIENTATION, 1)
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _check_side(image: Image.Image, limit: int, name: str) -> None:
    if max(image.size) > limit:
        raise UsageError(
            f"{name} cannot hold {image.width} × {image.height} pixels", f"a side has at most {limit}"
        )
