"""Prompts in free words, said as the captions that the network was trained on.

A network that learned captions of names draws a thing well by its name, and badly by other words. Here the
parts of a prompt are found that captions are made of: things, their number, size, colour and skin, where they
stand, and what is behind them. A thing that has no name of the model becomes the name that means the nearest,
by the shared table of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile

from gen.nn import Caption, read_as
from gen.words import Stock, Word, is_name, nearest_name, plain, plural, read, singular, word_table

PROMPTS = "captions of names"
"""The entry ``prompts`` of a model file whose prompts are read so."""

PAINTS = (
    *("red", "orange", "yellow", "green", "blue", "light blue", "turquoise"),
    *("purple", "pink", "brown", "gray", "black", "white"),
)
"""Colours that captions give things."""
NUMBERS = ("one", "two", "three", "four", "five")
_MORE = ("six", "seven", "eight", "nine", "ten", "many")
_SIZES = ("small", "mirrored")
_BIG = ("big", "tall", "long", "wide", "thick")
_COLOUR = "(?:light blue|white|red|orange|yellow|green|blue|purple|pink|turquoise|brown|gray|grey|black)"
_PATTERN = "(?:striped|dotted|checkered|diagonal)"
_GROUND = f"(?:{_COLOUR} {_PATTERN}|{_PATTERN} {_COLOUR}|{_COLOUR})"
_BACKGROUND = re.compile(
    rf",? (?:(?:on|with|in front of|against) (?:an? |the )?(?P<ground>{_GROUND}) background"
    rf"|on (?P<colour>{_COLOUR})|(?P<bare>{_GROUND}) background)$"
)
_PLACE = re.compile(
    r" (?:on|in|at) the (?P<place>(?:top|bottom)(?: left| right)?|left|right)(?: corner| side)?$"
)
_SKIN = re.compile(
    r",? with (?:an? )?(?P<tone>light|medium|dark|medium[ -]light|medium[ -]dark)[ -]skin(?: tone| colou?r)?$"
    r"|(?P<before>\b(?:light|medium|dark|medium[ -]light|medium[ -]dark))[ -]skinned\b ?"
)
_DETERMINER = "(?:an?|the|one|some|two|three|four|five|another)"
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
_LOOSE = re.compile(
    rf" (?P<relation>with|holding|near|by|behind|in front of|on|in|inside) (?={_DETERMINER} )"
)
"""What stands between two things as well as within the description of one."""
_FRAME = re.compile(
    r"^(?:(?:please )?(?:draw|show|paint|make)(?: me)? )?"
    r"(?:(?:an? |the )?(?:picture|image|drawing|photo|icon|illustration|painting|sketch) of )?"
)
_LEAD = re.compile(
    rf"^(?P<first>{_DETERMINER} )?(?P<rest>(?:(?:small|tiny|little|big|mirrored|{_COLOUR}) )*)"
)
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
        colour = (found["ground"] or found["colour"] or found["bare"]).replace("grey", "gray")
        text, behind = text[: found.start()], f" on a {colour} background"
    if found := _PLACE.search(text):
        where = found["place"]
        text, place = text[: found.start()], f" in the {where} corner" if " " in where else f" on the {where}"
    relations = [] if place else _relations(text, stock)
    starts = [0, *(end for _, end, _ in relations)]
    ends = [*(start for start, _, _ in relations), len(text)]
    things = [_thing(text[start:end], stock) for start, end in zip(starts, ends, strict=True)]
    remarks = [remark for thing in things for remark in thing.remarks]
    if all(thing.as_written for thing in things) and not any(loose for *_, loose in relations):
        return Caption(prompt, tuple(remarks))
    said = things[0].text
    for (_, _, relation), thing in zip(relations, things[1:], strict=True):
        said += f", {thing.text}" if not relation else f" {_RELATIONS.get(relation, relation)} {thing.text}"
    return Caption(said + place + behind, tuple(remarks))


@dataclass(frozen=True)
class _Said:
    """A thing as captions say it; ``as_written`` where the prompt said it so."""

    text: str
    as_written: bool = False
    remarks: tuple[str, ...] = ()


def _relations(text: str, stock: Stock) -> list[tuple[int, int, str]]:
    """Where the words between the things of a prompt begin and end, and how captions say them."""
    found = [(at.start(), at.end(), at["relation"] or "") for at in _RELATION.finditer(text)]
    if not found:
        for at in _LOOSE.finditer(text):
            if all(_named(side, stock) for side in (text[: at.start()], text[at.end() :])):
                found = [(at.start(), at.end(), "above" if at["relation"] == "on" else "next to")]
    return [] if len(found) >= MOST else found


def _named(part: str, stock: Stock) -> bool:
    """Whether a part is a thing by its name."""
    rest = _attributes(part).said
    return is_name(part.partition(" ")[2], stock.names) or is_name(rest, stock.names)


@dataclass(frozen=True)
class _Attributes:
    """What a part of a prompt says of a thing: number, size, colours and skin, and all other words."""

    number: str
    more: str
    size: str
    colours: tuple[str, ...]
    skin: str
    rest: tuple[Word, ...]

    @property
    def said(self) -> str:
        """All other words, without those at the beginning that say nothing."""
        return " ".join(
            word.written for word in dropwhile(lambda word: word.known and not word.rows, self.rest)
        )


def _attributes(part: str) -> _Attributes:
    table = word_table()
    skin = _SKIN.search(part)
    tone = (skin["tone"] or skin["before"]).replace(" ", "-") if skin else ""
    if skin:
        part = part[: skin.start()] + part[skin.end() :]
    number = more = size = ""
    colours: list[str] = []
    rest: list[Word] = []
    reading = read(part)
    for word in reading.words:
        name = table.names[word.rows[0]] if len(word.rows) == 1 and word.rows[0] < table.closed else ""
        before = all(not other.rows for other in rest)
        # "A bunch of" flowers and "a couple" are no numbers.
        counted = reading.language != "en" or word.written in (*NUMBERS, *_MORE) or word.written.isdigit()
        if before and counted and name in NUMBERS:
            number = name
        elif before and counted and name in _MORE:
            number, more = NUMBERS[-1], word.written
        elif before and name in (*_SIZES, *_BIG):
            # "A little kitten" is a young one.
            size = name if name in _SIZES and word.written != "little" else ""
        elif name in PAINTS and not any(other.written == "of" for other in rest):
            colours.append(name)
        elif name != "and":
            rest.append(word)
    return _Attributes(number, more, size, tuple(dict.fromkeys(colours)), tone, tuple(rest))


def _thing(part: str, stock: Stock) -> _Said:
    """A thing as captions say it: as it is written where it has a name, else by the name nearest to it."""
    lead = _LEAD.match(part)
    assert lead is not None
    first = lead["first"] or ""
    if any(is_name(part[start:], stock.names) for start in (0, len(first), lead.end())):
        return _Said(part, as_written=True)
    of = _attributes(part)
    rest = of.said
    # A colour alone is a thing too.
    name = singular(rest, stock.names) or nearest_name(rest, stock) or nearest_name(part, stock)
    if not name:
        return _Said(part, as_written=True)
    colour = of.colours[-1] if of.colours else ""
    noun = " ".join(word for word in name.split() if word not in PAINTS) or name if colour else name
    noun = " ".join(filter(None, (of.size, colour, plural(noun) if of.number in NUMBERS[1:] else noun)))
    if of.number:
        noun = f"{of.number} {noun}"
    elif first in ("a ", "an "):
        noun = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    else:
        noun = first + noun
    if of.skin:
        noun += f" with {of.skin} skin tone"
    return _Said(noun, remarks=tuple(_remarks(part, of, rest, name, stock)))


def _remarks(part: str, of: _Attributes, rest: str, name: str, stock: Stock) -> Iterator[str]:
    """A line about each word that is read otherwise than it is written."""
    if not is_name(rest, stock.names) and (rest, name) not in stock.keywords:
        yield read_as(part, name)
    for other in of.colours[:-1]:
        yield f"a thing has one colour: {other!r} is not read, {of.colours[-1]!r} is"
    if of.more:
        yield f"{of.more!r} is read as {NUMBERS[-1]!r}, the most that the model counts to"
