"""What a prompt says of the background, the camera and the loop, as captions say it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gen.words import with_article
from gen_video.phrases import WHERE
from gen_video.vocabulary import COLOURS, PATTERNS, PLACES

NIGHT = "on a black background"
STEEP = ("hill", "slope")
"""Places that things go up and down."""


def any_of(words: Sequence[str]) -> str:
    """The pattern of a regular expression that matches any of the words, the longest first."""
    return f"(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})"


_SCROLL = re.compile(r",? ?(?:the )?background (?:scroll|mov)(?:s|es|ing)? (?:to the )?(?P<way>left|right)")
_CAMERA = re.compile(
    r",? ?(?:(?:(?:the )?camera )?pan(?:s|ning)?|(?:the )?camera (?:mov|go|turn|track)(?:s|es|ing)) "
    r"(?:to the )?(?P<way>left|right)\b"
    r"|,? ?(?:(?:the )?camera )?zoom(?:s|ing)? (?P<how>in|out)(?:to\b)?(?: (?:on|of|from)\b)?"
)
_LOOP = re.compile(
    r",? ?(?:(?:in|as) an? )?(?:endless(?:ly)? |seamless(?:ly)? )?(?<!\ba )\bloop(?:s|ed|ing)?\b(?! the)"
)
_BACKGROUND = re.compile(
    rf",? (?:on|against|with|in front of) (?:an? |the )?(?:(?P<colour>{any_of([*COLOURS, 'gray'])}) ?)?"
    rf"(?P<pattern>{any_of(PATTERNS)})? ?background"
)
_AT = re.compile(
    r"(?:,? (?:in|into|on|onto|at|across|over|through|along|under|by|from|above) "
    r"|(?<=crossing) |(?<=crosses) |,? (?P<way>up|down) (?=(?:the|an?) )|,? (?=underwater))"
    r"(?:(?:the|an?|outer|deep|open|dark|night|starry|clear|cloudy|blue|green|busy|wet|hot|sunny|snowy) )*"
    r"(?P<where>(?!(?:in|on|at|over) )[\w-]+)\b"
)


def scenery(text: str) -> tuple[str, str]:
    """What a prompt says of the things, and the end of its caption: what is behind them, camera and loop.

    Args:
        text: By ``gen.words.plain``.
    """
    behind = ending = ""
    if _LOOP.search(text):
        text, ending = _LOOP.sub("", text), ", loop"
    if found := _CAMERA.search(text):
        moves = f"pans {found['way']}" if found["way"] else f"zooms {found['how']}"
        text, ending = text.replace(found[0], "", 1), f", the camera {moves}{ending}"
    if found := _SCROLL.search(text):
        text, ending = text.replace(found[0], "", 1), f", the background scrolls {found['way']}" + ending
    if (found := _BACKGROUND.search(text)) and (found["colour"] or found["pattern"]):
        text = text.replace(found[0], "", 1)
        words = f"{(found['colour'] or 'blue').replace('gray', 'grey')} {found['pattern'] or ''}".strip()
        behind = f" on {with_article(words)} background"
    for found in () if behind else _AT.finditer(text):
        if place := WHERE.at([found["where"]], 0):
            # Down a road is along it.
            way = f" {found['way']}" if found["way"] and found["where"] in STEEP else ""
            return text.replace(found[0], way, 1), f" {PLACES.get(place[1], NIGHT)}{ending}"
    return text, behind + ending
