"""The named emoji of Noto Color Emoji, as straight-alpha sprites."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from gen.errors import PluginError
from gen.train.data_files import locate
from gen.train.words import cldr

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
ANNOTATIONS = Path("/usr/share/unicode/cldr/common/annotations/en.xml")
TONES = tuple(f"{shade} skin tone" for shade in ("medium-light", "medium-dark", "light", "medium", "dark"))
PACKAGES = "fonts-noto-color-emoji unicode-cldr-core"


@dataclass(frozen=True)
class Emoji:
    """One emoji.

    Args:
        character: The code point, or the sequence of several.
        name: CLDR short name, e.g. ``"red apple"``.
        keywords: CLDR keywords without the name, e.g. ``("apple", "fruit")``.
        tone: Its skin tone, e.g. ``"dark skin tone"``; empty where it has none of its own.
    """

    character: str
    name: str
    keywords: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True, eq=False)
class EmojiSet:
    """Emoji and their sprites.

    Args:
        emoji: N emoji in code point order; behind them sequences.
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
            sprites.append(_bitmap(bitmaps[glyphs[code]].imageData))
            found.append(Emoji(character, names[character], keywords.get(character, ())))
    return EmojiSet(tuple(found), np.stack(sprites))


def with_sequences(emoji_set: EmojiSet, font: Path | None = None) -> EmojiSet:
    """The set, and behind it every sequence that CLDR names and the font has one bitmap for.

    Sequences are flags, people of a profession, families, and people of one skin tone.

    Args:
        emoji_set: As ``load`` gives it.
        font: By default that of `find_font`.

    Raises:
        UsageError: The font or CLDR is not installed.
    """
    from fontTools.ttLib import TTFont

    found: list[Emoji] = []
    sprites: list[np.ndarray] = []
    with TTFont(font or find_font(), lazy=True) as file:
        glyphs = file.getBestCmap()
        bitmaps = file["CBDT"].strikeData[0]
        ligatures = _ligatures(file)
        for sequence, annotation in sorted(cldr.names_and_keywords("en").items()):
            tones = [character for character in sequence if ord(character) in cldr.SKIN_TONES]
            if len(sequence) == 1 or len(tones) > 1:
                continue
            shaped = _shaped([glyphs.get(ord(character), "") for character in sequence], ligatures)
            if len(shaped) != 1 or shaped[0] not in bitmaps:
                continue
            tone = next((t for t in TONES if tones and annotation.name.endswith(t)), "")
            name = annotation.name.removesuffix(tone).strip()
            words = tuple(word for word in annotation.keywords if word != name and word[:1].isalpha())
            sprites.append(_bitmap(bitmaps[shaped[0]].imageData))
            found.append(Emoji(sequence, name, words, tone))
    return EmojiSet((*emoji_set.emoji, *found), np.stack([*emoji_set.sprites, *sprites]))


def _ligatures(font: TTFont) -> list[dict[str, list[tuple[list[str], str]]]]:
    """Per lookup of the font: first glyph to pairs (glyphs behind it, the ligature), the longest first."""
    if "GSUB" not in font:
        return []
    lookups: list[dict[str, list[tuple[list[str], str]]]] = []
    for lookup in font["GSUB"].table.LookupList.Lookup:
        found: dict[str, list[tuple[list[str], str]]] = {}
        for subtable in lookup.SubTable:
            for first, several in getattr(subtable, "ligatures", {}).items():
                found.setdefault(first, []).extend((list(one.Component), one.LigGlyph) for one in several)
        for rules in found.values():
            rules.sort(key=lambda rule: -len(rule[0]))
        lookups.append(found)
    return lookups


def _shaped(glyphs: list[str], ligatures: list[dict[str, list[tuple[list[str], str]]]]) -> list[str]:
    """Glyphs with every ligature in place."""
    for lookup in ligatures:
        at = 0
        while at < len(glyphs):
            for behind, instead in lookup.get(glyphs[at], ()):
                if glyphs[at + 1 : at + 1 + len(behind)] == behind:
                    glyphs = [*glyphs[:at], instead, *glyphs[at + 1 + len(behind) :]]
                    break
            at += 1
    return glyphs


def _bitmap(content: bytes) -> np.ndarray:
    """A bitmap of the font as a sprite."""
    return _square(Image.open(io.BytesIO(content)).convert("RGBA"), 128)


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
