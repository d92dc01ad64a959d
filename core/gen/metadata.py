"""What files say about how their artifact came about: texts, XMP packets, and how they are read again."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal, get_args

from gen.errors import UsageError
from gen.recipe import AnyRecipe, Recipe

MetadataLevel = Literal["full", "minimal", "none"]
METADATA_LEVELS: tuple[MetadataLevel, ...] = get_args(MetadataLevel)

XMP_NAMESPACE = "urn:gen-toolkit:xmp:1/"
"""The namespace of ``recipe`` in XMP packets."""

_GIF_HEADER = 13
_GIF_XMP = b"!\xff\x0bXMP DataXMP"
_GIF_XMP_END = bytes([1, *range(255, -1, -1)])
"""Leads a reader that takes the packet for blocks with lengths to the end, wherever it arrives."""


@dataclass(frozen=True)
class Metadata:
    """What a writer puts into a file, each in the format's own slot; what is empty is left out.

    Args:
        software: Name and version of the program.
        source_type: IPTC DigitalSourceType, a URI.
        recipe: Canonical JSON of the recipe.
        parameters: The same in AUTOMATIC1111's form.
    """

    software: str = ""
    source_type: str = ""
    recipe: str = ""
    parameters: str = ""

    @classmethod
    def of(cls, recipe: AnyRecipe | None, level: str) -> Metadata:
        """What a level says about an artifact; without a recipe nothing is known and nothing is said.

        Args:
            recipe: The artifact's recipe.
            level: ``"full"``: everything. ``"minimal"``: the program, and that a model generated it, but
                neither prompt nor seed. ``"none"``: nothing.

        Raises:
            UsageError: A level that does not exist.
        """
        if level not in METADATA_LEVELS:
            raise UsageError(f"unknown metadata level {level!r}", f"one of {', '.join(METADATA_LEVELS)}")
        if recipe is None or level == "none":
            return cls()
        source_type = f"http://cv.iptc.org/newscodes/digitalsourcetype/{_source_type(recipe)}"
        if level == "minimal":
            return cls(software=recipe.generator, source_type=source_type)
        return cls(
            software=recipe.generator,
            source_type=source_type,
            recipe=recipe.to_json(),
            parameters=recipe.to_a1111(),
        )

    def png_texts(self) -> Iterator[tuple[str, str]]:
        """Keyword and text of each international text chunk (iTXt) of a PNG."""
        for key, text in (
            ("Software", self.software),
            ("gen", self.recipe),
            ("parameters", self.parameters),
            ("XML:com.adobe.xmp", self.xmp(with_recipe=False)),
        ):
            if text:
                yield key, text

    def xmp(self, *, with_recipe: bool) -> str:
        """An XMP packet (ISO 16684-1) with the DigitalSourceType; empty when there is nothing to say.

        Args:
            with_recipe: Whether the packet also carries the recipe, for formats without a slot of their own.
        """
        if not self.source_type:
            return ""
        # U+FFFE and U+FFFF are characters of JSON but not of XML.
        recipe = self.recipe.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff") if with_recipe else ""
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about=""'
            ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
            ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
            f' xmlns:gen="{XMP_NAMESPACE}">'
            f"<xmp:CreatorTool>{escape(self.software)}</xmp:CreatorTool>"
            f"<Iptc4xmpExt:DigitalSourceType>{escape(self.source_type)}</Iptc4xmpExt:DigitalSourceType>"
            + (f"<gen:recipe>{escape(recipe, quote=False)}</gen:recipe>" if recipe else "")
            + '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        )

    def in_gif(self, content: bytes) -> bytes:
        """A GIF with the XMP packet in its extension (XMP specification, part 3, 1.1.2), after its palette.

        Args:
            content: The GIF without it.
        """
        packet = self.xmp(with_recipe=False).encode()
        if not packet:
            return content
        flags = content[10]
        palette = 3 << ((flags & 7) + 1) if flags & 0x80 else 0
        at = _GIF_HEADER + palette
        return content[:at] + _GIF_XMP + packet + _GIF_XMP_END + b"\0" + content[at:]


def _source_type(recipe: AnyRecipe) -> str:
    """The IPTC DigitalSourceType of what a recipe makes."""
    if isinstance(recipe, Recipe):
        edited = not {"mask", "expand"}.isdisjoint(recipe.edits) or any(
            item.role == "mask" for item in recipe.inputs
        )
        return "compositeWithTrainedAlgorithmicMedia" if edited else "trainedAlgorithmicMedia"
    types = {
        "algorithmicallyEnhanced" if parent is None else _source_type(parent)
        for parent in map(recipe.parent_of, recipe.inputs)
    }
    return types.pop() if len(types) == 1 else "compositeWithTrainedAlgorithmicMedia"


def xmp_in_gif(content: bytes) -> bytes:
    """The XMP packet of a GIF; empty when there is none."""
    return content.partition(_GIF_XMP)[2].partition(_GIF_XMP_END[:4])[0]


def recipe_in_xmp(packet: str) -> str:
    """The text of the recipe in an XMP packet that anybody may have written; empty when there is none.

    XMP writes a simple property as an element or, shorter, as an attribute of its description (ISO 16684-1,
    7.4 and 7.9.2.2); both are read.
    """
    from xml.etree import ElementTree

    if XMP_NAMESPACE not in packet:
        return ""
    # What starts at the first element has no place for entities, so it cannot grow while it is parsed.
    start = re.search(r"<[A-Za-z_]", packet)
    try:
        tree = ElementTree.fromstring(packet[start.start() if start else 0 :].rstrip("\0 \r\n"))
    except ElementTree.ParseError:
        return ""
    name = f"{{{XMP_NAMESPACE}}}recipe"
    for element in tree.iter():
        if element.tag == name:
            return "".join(element.itertext()).strip()
        if name in element.attrib:
            return element.attrib[name]
    return ""


def decode_text(content: bytes) -> str:
    """Text of a file that anybody may have written: UTF-8, or UTF-16 where a byte-order mark says so.

    The mark itself is left out; bytes that are no text become U+FFFD.
    """
    if content.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")
