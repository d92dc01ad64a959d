"""Small stand-ins for the training data that Debian's packages install, drawn and written here.

The font has the tables of Noto Color Emoji (CBDT and CBLC), with one plain shape for every name; the names
are those of the emoji that clips show, in all their poses. The sentences are this project's own.
"""

import colorsys
import io
import math
import random
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import newTable
from fontTools.ttLib.tables.BitmapGlyphMetrics import SmallGlyphMetrics
from fontTools.ttLib.tables.C_B_D_T_ import cbdt_bitmap_format_17
from fontTools.ttLib.tables.E_B_L_C_ import (
    BitmapSizeTable,
    SbitLineMetrics,
    Strike,
    eblc_index_sub_table_1,
)
from PIL import Image, ImageDraw

from gen_video.training.data.things import POSES
from gen_video.vocabulary import GAITS

FIRST = 0x1F300
WIDTH, HEIGHT = 136, 128
KEYWORDS = ("apple | fruit | red", "heart", "vehicle | rocket | space")
BOOK = """  The little rabbit ran across the garden without looking back.  "Who has taken my golden
watch?" asked the old king.

  Nobody in the castle knew where the key was.  A cheerful sailor walked slowly to the harbour.
"""


def names() -> list[str]:
    """The names of all emoji of the stand-in, in the order of their code points."""
    return list(dict.fromkeys([*(name for names in GAITS.values() for name in names), *POSES.values()]))


def write(folder: Path) -> None:
    """Write a font, its names and a book into a folder, named as Debian's packages name them."""
    known = names()
    write_font(folder / "NotoColorEmoji.ttf", [sprite(index, name) for index, name in enumerate(known)])
    write_annotations(folder / "en.xml", known)
    (folder / "alice").write_text(BOOK, encoding="ascii")


def sprite(index: int, name: str) -> Image.Image:
    """A shape that fills the bitmap and differs from its mirror image and from every other shape.

    Its colour is that of the name, or its own; every sixth has several colours.
    """
    rng = random.Random(index)
    hues = {"red": 0, "orange": 30, "yellow": 50, "green": 125, "blue": 218, "purple": 275}
    hue = next((hues[word] for word in name.split() if word in hues), rng.randrange(360))
    colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue / 360, 0.7, 0.85))
    corners = 90 if name.endswith("circle") else rng.randint(5, 9)
    # Drawn four times as large, so that edges are smooth.
    image = Image.new("RGBA", (4 * WIDTH, 4 * HEIGHT))
    draw = ImageDraw.Draw(image)
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    is_disc = corners == 90
    reach = [0.9 if is_disc else 1 if corner % 2 == 0 else rng.uniform(0.75, 1) for corner in range(corners)]
    points = [
        (2 * WIDTH * (1 + 0.96 * far * math.cos(turn)), 2 * HEIGHT * (1 + 0.96 * far * math.sin(turn)))
        for far, turn in zip(reach, turns, strict=True)
    ]
    draw.polygon(points, fill=(*colour, 255))
    if index % 6 == 5:
        draw.rectangle((0, 2 * HEIGHT, 4 * WIDTH, 4 * HEIGHT), fill=(255 - colour[0], colour[2], 120, 255))
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).polygon(points, fill=255)
        image.putalpha(mask)
    if not is_disc:
        x, y, radius = 4 * rng.randint(45, 60), 4 * rng.randint(45, 80), 4 * rng.randint(6, 12)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(40, 30, 30, 255))
    return image.convert("RGBa").resize((WIDTH, HEIGHT), Image.Resampling.BOX).convert("RGBA")


def write_font(path: Path, sprites: Sequence[Image.Image]) -> None:
    """Write a font whose glyphs from U+1F300 on are pictures."""
    glyphs = [f"u{FIRST + index:X}" for index in range(len(sprites))]
    builder = FontBuilder(HEIGHT)
    builder.setupGlyphOrder([".notdef", *glyphs])
    builder.setupCharacterMap({FIRST + index: glyph for index, glyph in enumerate(glyphs)})
    builder.setupMaxp()
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *glyphs], (WIDTH, 0)))
    builder.setupHorizontalHeader(ascent=HEIGHT, descent=0)
    builder.setupNameTable({"familyName": "Stand-in", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    bitmaps = newTable("CBDT")
    bitmaps.version = 3.0
    bitmaps.strikeData = [{glyph: _bitmap(image) for glyph, image in zip(glyphs, sprites, strict=True)}]
    strike = Strike()
    strike.bitmapSizeTable = _size_table()
    lines = eblc_index_sub_table_1(b"", None)
    lines.indexFormat, lines.imageFormat, lines.names = 1, 17, glyphs
    lines.firstGlyphIndex, lines.lastGlyphIndex = 1, len(glyphs)
    strike.indexSubTables = [lines]
    places = newTable("CBLC")
    places.version = 3.0
    places.strikes = [strike]
    builder.font["CBDT"], builder.font["CBLC"] = bitmaps, places
    builder.save(path)


def write_annotations(path: Path, known: Sequence[str]) -> None:
    """Write names and keywords of the characters from U+1F300 on, as CLDR's XML has them."""
    root = ElementTree.Element("ldml")
    entries = ElementTree.SubElement(root, "annotations")
    for index, name in enumerate(known):
        character = chr(FIRST + index)
        keywords = f"{name.split()[-1]} | {KEYWORDS[index % len(KEYWORDS)]}"
        ElementTree.SubElement(entries, "annotation", cp=character).text = keywords
        ElementTree.SubElement(entries, "annotation", cp=character, type="tts").text = name
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _bitmap(image: Image.Image) -> cbdt_bitmap_format_17:
    file = io.BytesIO()
    image.save(file, "PNG")
    bitmap = cbdt_bitmap_format_17(b"", None)
    bitmap.metrics = SmallGlyphMetrics()
    bitmap.metrics.height, bitmap.metrics.width = image.height, image.width
    bitmap.metrics.BearingX, bitmap.metrics.BearingY, bitmap.metrics.Advance = 0, 101, WIDTH
    bitmap.imageData = file.getvalue()
    return bitmap


def _size_table() -> BitmapSizeTable:
    table = BitmapSizeTable()
    table.hori, table.vert = _line(), _line()
    table.colorRef, table.ppemX, table.ppemY, table.bitDepth, table.flags = 0, 109, 109, 32, 1
    table.startGlyphIndex = table.endGlyphIndex = 0
    return table


def _line() -> SbitLineMetrics:
    line = SbitLineMetrics()
    line.ascender, line.descender, line.widthMax = 101, -27, WIDTH
    line.caretSlopeNumerator = line.caretSlopeDenominator = line.caretOffset = 0
    line.minOriginSB = line.minAdvanceSB = line.maxBeforeBL = line.minAfterBL = line.pad1 = line.pad2 = 0
    return line
