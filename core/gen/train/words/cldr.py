"""Names and keywords of emoji in many languages, from CLDR's annotations."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from gen.train.data_files import locate_path

COMMON = Path("/usr/share/unicode/cldr/common")
PACKAGES = "unicode-cldr-core"
SELECTOR = "\ufe0f"
"""Asks for an emoji's coloured form; CLDR leaves it out."""
SKIN_TONES = range(0x1F3FB, 0x1F400)


@dataclass(frozen=True)
class Annotation:
    """What one language calls an emoji.

    Args:
        name: Its short name; mostly in lower case.
        keywords: Words that it is found by, without the name.
    """

    name: str
    keywords: tuple[str, ...]


def names_and_keywords(language: str) -> Mapping[str, Annotation]:
    """Emoji, without variation selectors, to their names and keywords; sequences too.

    Args:
        language: As CLDR names it, e.g. ``"de"``.

    Raises:
        UsageError: CLDR is not installed, or does not have the language.
    """
    names: dict[str, str] = {}
    keywords: dict[str, tuple[str, ...]] = {}
    for folder in ("annotations", "annotationsDerived"):
        path = locate_path(COMMON / folder / f"{language}.xml", packages=PACKAGES)
        for entry in ElementTree.parse(path).getroot().iter("annotation"):
            text, emoji = entry.text or "", entry.get("cp", "").replace(SELECTOR, "")
            if not is_emoji(emoji) or "↑" in text:
                continue
            if entry.get("type") == "tts":
                names[emoji] = plain(text)
            else:
                keywords[emoji] = tuple(plain(word) for word in text.split("|"))
    return {
        emoji: Annotation(name, tuple(word for word in keywords.get(emoji, ()) if word != name))
        for emoji, name in names.items()
    }


def is_emoji(text: str) -> bool:
    """Whether a text is a picture: a symbol beyond Latin-1 and currency, a keycap, or a sequence of them."""
    return len(text) > 1 or unicodedata.category(text[:1] or " ") in ("So", "Sk", "Cn")


def has_skin_tone(emoji: str) -> bool:
    """Whether a sequence holds a modifier of skin tone."""
    return len(emoji) > 1 and any(ord(character) in SKIN_TONES for character in emoji)


def plain(text: str) -> str:
    """Lower case without the typographic marks that nobody types."""
    for mark, other in (("“", ""), ("”", ""), ("„", ""), ("«", ""), ("»", ""), ("’", "'"), ("⊛", "")):
        text = text.replace(mark, other)
    return " ".join(text.lower().replace(":", "").replace(",", "").split())
