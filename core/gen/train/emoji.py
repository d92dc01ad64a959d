"""The named emoji of Noto Color Emoji, as straight-alpha sprites."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from gen.errors import PluginError
from gen.train.data_files import locate

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
ANNOTATIONS = Path("/usr/share/unicode/cldr/common/annotations/en.xml")
PACKAGES = "fonts-noto-color-emoji unicode-cldr-core"


@dataclass(frozen=True)
class Emoji:
    """One emoji.

    Args:
        character: The single code point.
        name: CLDR short name, e.g. ``"red apple"``.
        keywords: CLDR keywords without the name, e.g. ``("apple", "fruit")``.
    """

    character: str
    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class EmojiSet:
    """Emoji and their sprites.

    Args:
        emoji: N emoji in code point order.
        sprites: (N, 128, 128, 4) uint8, straight alpha, the bitmap scaled to fit and centred.
    """

    emoji: tuple[Emoji, ...]
    sprites: np.ndarray


def find_font() -> Path:
    """The font: in the folder ``GEN_TRAINING_DATA``, or as Debian installs it.

    Raises:
        UsageError: It is in neither place.
    """
    return locate(FONT, packages=PACKAGES)


def find_annotations() -> Path:
    """CLDR's English names: in the folder ``GEN_TRAINING_DATA``, or as Debian installs them.

    Raises:
        UsageError: They are in neither place.
    """
    return locate(ANNOTATIONS, packages=PACKAGES)


def load(font: Path | None = None, annotations: Path | None = None) -> EmojiSet:
    """Read every emoji that is one code point, has a CLDR name and a bitmap in the font.

    Args:
        font: A font with bitmaps (tables CBDT and CBLC); by default that of `find_font`.
        annotations: An XML file of CLDR's annotations; by default that of `find_annotations`.

    Raises:
        UsageError: The font or the annotations are not installed.
        PluginError: fontTools is not installed.
    """
    try:
        from fontTools.ttLib import TTFont
    except ImportError:
        raise PluginError("fontTools is not installed", 'pip install "gen-toolkit[train]"') from None
    font, annotations = font or find_font(), annotations or find_annotations()
    names, keywords = _annotations(annotations)
    found: list[Emoji] = []
    sprites: list[np.ndarray] = []
    with TTFont(font, lazy=True) as file:
        glyphs = file.getBestCmap()
        bitmaps = file["CBDT"].strikeData[0]
        for code in sorted(glyphs):
            character = chr(code)
            if character not in names or glyphs[code] not in bitmaps:
                continue
            bitmap = Image.open(io.BytesIO(bitmaps[glyphs[code]].imageData)).convert("RGBA")
            sprites.append(_square(bitmap, 128))
            found.append(Emoji(character, names[character], keywords.get(character, ())))
    return EmojiSet(tuple(found), np.stack(sprites))


def scaled(sprite: np.ndarray, size: int, resample: Image.Resampling) -> np.ndarray:
    """A square sprite (S, S, 4), uint8 with straight alpha, at another size: (size, size, 4) alike.

    It is scaled in premultiplied alpha, so that edges keep their colour.
    """
    image = Image.fromarray(sprite, "RGBA").convert("RGBa").resize((size, size), resample)
    return np.asarray(image.convert("RGBA"))


def dominant_hue(sprite: np.ndarray) -> float | None:
    """The hue in degrees that covers most of a sprite (H, W, 4) uint8, or None when no hue does."""
    hsv = np.asarray(Image.fromarray(sprite[..., :3]).convert("HSV")).reshape(-1, 3).astype(np.float32)
    opaque = sprite[..., 3].reshape(-1) > 128
    coloured = opaque & (hsv[:, 1] > 80) & (hsv[:, 2] > 60)
    if coloured.sum() < 0.4 * opaque.sum():
        return None
    angles = hsv[coloured, 0] * (2 * np.pi / 255)
    mean = np.angle(np.exp(1j * angles).mean())
    near = np.abs(np.angle(np.exp(1j * (angles - mean)))) < np.radians(35)
    return float(np.degrees(mean)) if near.mean() > 0.75 else None


def turned(sprite: np.ndarray, degrees: float) -> np.ndarray:
    """A sprite (H, W, 4) uint8 with every hue turned by so many degrees."""
    hsv = np.asarray(Image.fromarray(sprite[..., :3]).convert("HSV")).copy()
    hsv[..., 0] = (hsv[..., 0].astype(np.float32) + degrees * 255 / 360).round().astype(np.int64) % 256
    colour = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))
    return np.concatenate([colour, sprite[..., 3:]], -1)


def _annotations(path: Path) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    names: dict[str, str] = {}
    keywords: dict[str, tuple[str, ...]] = {}
    for entry in ElementTree.parse(path).getroot().iter("annotation"):
        text, character = entry.text or "", entry.get("cp", "")
        if len(character) != 1:
            continue
        if entry.get("type") == "tts":
            names[character] = _plain(text)
        else:
            keywords[character] = tuple(_plain(word) for word in text.split("|"))
    return names, {
        character: tuple(word for word in words if word != names.get(character) and word[:1].isalpha())
        for character, words in keywords.items()
    }


def _plain(text: str) -> str:
    """Lower case without the typographic marks that nobody types."""
    for mark, plain in (("“", ""), ("”", ""), ("’", "'"), ("⊛", ""), (":", ""), (",", "")):
        text = text.replace(mark, plain)
    return " ".join(text.lower().split())


def _square(bitmap: Image.Image, size: int) -> np.ndarray:
    """Scale to fit a square and centre, in premultiplied alpha so that edges keep their colour."""
    premultiplied = np.asarray(bitmap.convert("RGBa"))
    scale = size / max(bitmap.size)
    shape = (round(bitmap.width * scale), round(bitmap.height * scale))
    image = Image.fromarray(premultiplied, "RGBa").resize(shape, Image.Resampling.LANCZOS)
    canvas = Image.new("RGBa", (size, size))
    canvas.paste(image, ((size - shape[0]) // 2, (size - shape[1]) // 2))
    return np.asarray(canvas.convert("RGBA"))
