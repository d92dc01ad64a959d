"""Figures, letters, symbols and times of day, which have names of their own among pictures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_HOURS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_FIGURE = re.compile(r"(?:an? |the )?(?:number|digit|numeral|keycap) (?P<figure>\w+)")
_LETTER = re.compile(r"(?:an? |the )?letter (?P<letter>\w)")
_TIME = re.compile(
    rf"(?P<half>half past )?\b(?P<hour>1[0-2]|[1-9]|{'|'.join(_HOURS)})"
    r"(?P<minutes>[ .:-](?:00|30|thirty))?(?P<sign> ?[ap]\.?m\b| o'clock\b)?(?! ?\d)"
)
OTHERS = ("input numbers", "input latin letters")
"""The pictures of figures and of letters that have none of their own."""
_CLOCK = frozenset(("a", "an", "the", "it", "is", "it's", "at", "clock", "watch", "time", "showing", "says"))
"""Words beside a time that say nothing more of the picture."""

_EMOJI = {
    "\U0001f440": "eyes",
    "\U0001f373": "cooking",
    "\u2728": "sparkles",
    "\U0001f387": "sparkler",
    "\U0001f3d8": "houses",
    "\U0001f17e": "o button (blood type)",
}
"""Emoji whose names the table of words reads as another's."""


def symbol(prompt: str) -> str:
    """The name of the only character of a prompt that the table of words does not say; else the prompt."""
    character = prompt.strip().removesuffix("\ufe0f")
    if character in _EMOJI:
        return _EMOJI[character]
    if len(character) == 1 and unicodedata.category(character) in ("Sc", "Sm", "Po"):
        return unicodedata.name(character, prompt).lower()
    return prompt


def sign(part: str, names: Sequence[str]) -> str:
    """The name of a figure, a letter or a time of day; empty for anything else, and where there is none.

    Args:
        part: Of a prompt, in lower case: "the number 5", "letter a", "half past three".
        names: Of what can be drawn.
    """
    found = ""
    if at := _FIGURE.fullmatch(part):
        figure = at["figure"]
        found = f"keycap {_HOURS.index(figure) + 1 if figure in _HOURS else figure}"
        found = found if found in names else OTHERS[0]
    elif at := _LETTER.fullmatch(part):
        buttons = (name for name in names if name.startswith(f"{at['letter']} button"))
        found = next(buttons, OTHERS[1])
    elif (at := _TIME.search(part)) and (at["half"] or at["minutes"] or at["sign"]):
        rest = f"{part[: at.start()]} {part[at.end() :]}"
        half = at["half"] or (at["minutes"] or "")[1:] in ("30", "thirty")
        found = _time(at["hour"], bool(half)) if _CLOCK.issuperset(rest.split()) else ""
    return found if found in names else ""


def _time(hour: str, half: bool) -> str:
    said = hour if hour in _HOURS else _HOURS[int(hour) - 1]
    return f"{said}-thirty" if half else f"{said} o'clock"
