"""Prompts in free words, said as the captions that a network was trained on.

A network that learned captions of names draws a thing well by its name, and badly by other words. Here the
parts of a prompt are found that captions are made of: things, where they stand, and what is behind them. A
thing that has no name of the model becomes the name that means the nearest, by the shared table of words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from gen.nn import Caption, read_as
from gen.words import Stock, is_name, nearest_name, plain, plural

PROMPTS = "captions of names"
"""The entry ``prompts`` of a model file whose prompts are read so."""

_COLOUR = "(?:light blue|white|red|orange|yellow|green|blue|purple|pink|turquoise|brown|gray|grey|black)"
_PATTERN = "(?:striped|dotted|checkered|diagonal)"
_GROUND = f"(?:{_COLOUR} {_PATTERN}|{_PATTERN} {_COLOUR}|{_COLOUR})"
_BACKGROUND = re.compile(
    rf",? (?:(?:on|with|in front of|against) (?:an? |the )?(?P<ground>{_GROUND}) background"
    rf"|on (?P<colour>{_COLOUR}))$"
)
_PLACE = re.compile(
    r" (?:on|in|at) the (?P<place>(?:top|bottom)(?: left| right)?|left|right)(?: corner| side)?$"
)
_DETERMINER = "(?:an?|the|one|some|two|three|four|five)"
_RELATION = re.compile(
    r",? (?P<relation>(?:to the )?(?:left|right) of|above|over|on top of|below|under|next to|beside|and) "
    rf"(?={_DETERMINER} )|, (?={_DETERMINER} )"
)
_RELATIONS = {
    "to the left of": "left of",
    "to the right of": "right of",
    "over": "above",
    "on top of": "above",
    "under": "below",
    "beside": "next to",
}
_FRAME = re.compile(
    r"^(?:(?:please )?(?:draw|show|paint|make)(?: me)? )?"
    r"(?:(?:an? |the )?(?:picture|image|drawing|photo|icon|illustration|painting|sketch) of )?"
)
_LEAD = re.compile(
    rf"^(?P<first>{_DETERMINER} )?(?P<rest>(?:(?:small|tiny|little|big|mirrored|{_COLOUR}) )*)"
)
_MANY = frozenset({"two", "three", "four", "five"})
MOST = 3
"""Things that captions hold at most."""


def keywords_of(config: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The entry ``keywords`` of a model file, name to words divided by ``|``, as pairs of word and name.

    Raises:
        KeyError, ValueError: It is missing, or something else.
    """
    entry = config["keywords"]
    if not isinstance(entry, Mapping):
        raise ValueError("its keywords are not a mapping of names to words")
    return tuple((word, name) for name, words in entry.items() for word in str(words).split("|"))


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: English; a thing may be said in any language that the table of words knows.
        stock: What the network can draw.
    """
    text = plain(prompt)
    text = text[_FRAME.match(text).end() :].removesuffix(" emoji")  # type: ignore[union-attr]
    behind = place = ""
    if found := _BACKGROUND.search(text):
        colour = (found["ground"] or found["colour"]).replace("grey", "gray")
        text, behind = text[: found.start()], f" on a {colour} background"
    if found := _PLACE.search(text):
        where = found["place"]
        text, place = text[: found.start()], f" in the {where} corner" if " " in where else f" on the {where}"
    relations = list(_RELATION.finditer(text))
    if len(relations) >= MOST or place:
        relations = []
    starts = [0, *(found.end() for found in relations)]
    ends = [*(found.start() for found in relations), len(text)]
    parts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    things = [_thing(part, stock) for part in parts]
    instead = [(part, name) for part, (_, name) in zip(parts, things, strict=True) if name]
    if not instead:
        return Caption(prompt)
    said = things[0][0]
    for found, (thing, _) in zip(relations, things[1:], strict=True):
        relation = found["relation"]
        said += f", {thing}" if not relation else f" {_RELATIONS.get(relation, relation)} {thing}"
    guessed = (read_as(part, name) for part, name in instead if (_core(part), name) not in stock.keywords)
    return Caption(said + place + behind, tuple(guessed))


def _core(part: str) -> str:
    """A thing without its article, number, size and colour."""
    lead = _LEAD.match(part)
    assert lead is not None
    return part[lead.end() :]


def _thing(part: str, stock: Stock) -> tuple[str, str]:
    """A thing as captions say it, and its name; empty where it is named already, or nothing is near."""
    lead = _LEAD.match(part)
    assert lead is not None
    first = lead["first"] or ""
    if any(is_name(part[start:], stock.names) for start in (0, len(first), lead.end())):
        return part, ""
    name = nearest_name(part, stock)
    if not name:
        return part, ""
    if first in ("a ", "an "):
        first = "an " if name[0] in "aeiou" else "a "
    return f"{first}{plural(name) if first.strip() in _MANY else name}", name
