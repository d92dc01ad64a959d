"""Prompts in free words, said as the captions that the network was trained on.

A network that learned captions of names draws a thing well by its name, and badly by other words. Here the
parts of a prompt are found that captions are made of: things, their number, size, colour and skin, where they
stand, and what is behind them. A thing that has no name of the model becomes the name that means the nearest,
by the shared table of words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile, groupby, zip_longest

from gen.nn import Caption, read_as, shortened
from gen.words import (
    Stock,
    Word,
    english,
    is_name,
    nearest_name,
    plain,
    plural,
    read,
    same_words,
    singular,
    with_article,
    word_table,
)

PROMPTS = "captions of names"
"""The entry ``prompts`` of a model file whose prompts are read so."""

PAINTS = (
    *("red", "orange", "yellow", "green", "blue", "light blue", "turquoise"),
    *("purple", "pink", "brown", "gray", "black", "white"),
)
"""Colours that captions give things."""
NUMBERS = ("one", "two", "three", "four", "five")
_MORE = ("six", "seven", "eight", "nine", "ten", "many")
_MANY = (
    *(*_MORE, "several", "lots", "eleven", "twelve", "dozen", "dozens", "twenty", "fifty"),
    *("hundred", "hundreds", "thousand", "thousands"),
)
"""English words for more than captions count to."""
_SIZES = ("small", "mirrored")
_BIG = ("big", "tall", "long", "wide", "thick")
_COLOUR = "(?:light blue|white|red|orange|yellow|green|blue|purple|pink|turquoise|brown|gray|grey|black)"
_PATTERN = "(?:striped|dotted|checkered|diagonal)"
_GROUND = f"(?:{_COLOUR} {_PATTERN}|{_PATTERN} {_COLOUR}|{_COLOUR})"
_WORD = r"(?!(?:on|in|with|of|against) )[^\s,]+"
_BACKGROUND = re.compile(
    rf",? (?:(?:on|with|in front of|against) (?:an? |the )?(?P<ground>{_WORD}(?: {_WORD}){{0,2}}) background"
    rf"|(?:on|against) (?P<colour>{_COLOUR})|(?P<bare>{_GROUND}) background)(?=$|, )"
)
_BACKGROUND_FIRST = re.compile(
    rf"^(?P<ground>(?:an? |the )?{_GROUND} background) (?:with|and|behind) (?P<thing>.+)$"
)
_KNOWN_GROUND = re.compile(rf"(?:\w+ )??(?P<ground>{_GROUND})|plain|simple|solid|blank|empty")
_SHADE = re.compile(
    rf"\b(?:dark|deep|bright|vivid|pale|pastel|light(?! blue))[ -](?=(?P<colour>{_COLOUR})\b)"
)
_PLACE = re.compile(
    r" (?:on|in|at) the "
    r"(?P<place>(?:top|bottom|upper|lower)(?:[ -](?:left|right))?|left|right|middle|cent(?:er|re))"
    r"(?:[ -](?:corner|side))?$"
)
_PLACES = {"upper": "top", "lower": "bottom"}
_TWO_PLACES = re.compile(
    r"^(?P<first>.+) (?:on|in|at) the (?P<place>left|right|top|bottom)(?: side)?(?:, and |, | and )"
    r"(?P<second>.+) (?:on|in|at) the (?:left|right|top|bottom)(?: side)?$"
)
_SIDES = {"left": "left of", "right": "right of", "top": "above", "bottom": "below"}
_TONE = "(?:medium[ -]light|medium[ -]dark|light|medium|dark)"
_SKIN = re.compile(rf",? ?\b(?:with (?:an? )?)?(?P<tone>{_TONE})[ -]skin(?:ned)?(?: tone| colou?r)?\b ?")
_SIDE = re.compile(r"(?<=\w) +(?:left|right)(?= +(?!of)\w)")
"""Words of other languages for "left of" become "left"."""
_SEPARATOR = re.compile(r"\s*(?:[;|+\n]|(?<!\bw)/)\s*")
_DETERMINER = "(?:an?|the|one|some|two|three|four|five|another)"
_BETWEEN = (
    "(?:(?:to|on) the )?(?:left|right)(?: side)? of|above|over|on top of|below|under|next to|beside|and|&"
)
_RELATION = re.compile(rf",? (?P<relation>{_BETWEEN}) (?={_DETERMINER} )|, (?={_DETERMINER} )")
_RELATIONS = {
    **{
        f"{to}{side}{of}": f"{side} of"
        for to in ("", "to the ", "on the ")
        for side in ("left", "right")
        for of in (" of", " side of")
    },
    "&": "and",
    "over": "above",
    "on top of": "above",
    "under": "below",
    "beside": "next to",
}
_LOOSE = re.compile(
    rf",? (?P<relation>{_BETWEEN}) "
    r"| (?P<loose>with|holding|near|by|behind|in front of|on|in|inside|\w+ing(?: at| to| on)?) "
    r"(?=(?:an?|the|one|some|another) )|, "
)
"""What stands between two things as well as within the description of one."""
_BESIDE = ("with", "near", "by")
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
    separated = _SEPARATOR.sub(", ", _in_english(prompt).strip())
    text = plain(separated)
    unchanged = text == plain(prompt)
    text = text[_FRAME.match(text).end() :].removesuffix(" emoji")  # type: ignore[union-attr]
    framed = text
    remarks = [read_as(f"{at[0]}{at['colour']}", at["colour"]) for at in _SHADE.finditer(text)]
    text = _BACKGROUND_FIRST.sub(r"\g<thing> on \g<ground>", _SHADE.sub("", text))
    behind = place = ""
    if found := _BACKGROUND.search(text):
        text = text[: found.start()] + text[found.end() :]
        ground = found["ground"] or found["colour"] or found["bare"]
        known = _KNOWN_GROUND.fullmatch(ground)
        if known is None:
            remarks.append(f"the background {shortened(ground)!r} is not read")
        elif known["ground"]:
            behind = f" on {with_article(known['ground'].replace('grey', 'gray'))} background"
    if sides := _TWO_PLACES.match(text):
        text = f"{sides['first']} {_SIDES[sides['place']]} {sides['second']}"
    elif found := _PLACE.search(text):
        where = " ".join(_PLACES.get(word, word) for word in re.split("[ -]", found["place"]))
        text, place = text[: found.start()], f" in the {where} corner" if " " in where else f" on the {where}"
        if where in ("middle", "center", "centre"):
            place = ""
    relations = [] if place else _relations(text, stock)
    if len(relations) >= MOST:
        end = relations[MOST - 1].start
        remarks.append(
            f"the model draws {MOST} things at most: {shortened(text[end:].strip(' ,'))!r} is not read"
        )
        text, relations = text[:end], relations[: MOST - 1]
    starts = [0, *(relation.end for relation in relations)]
    ends = [*(relation.start for relation in relations), len(text)]
    parts = _completed([text[start:end] for start, end in zip(starts, ends, strict=True)])
    things = [_thing(part, stock) for part in parts]
    remarks += [remark for thing in things for remark in thing.remarks]
    remarks += [remark for relation in relations for remark in relation.remarks]
    said = things[0].text
    for relation, thing in zip(relations, things[1:], strict=True):
        said += f"{relation.text} {thing.text}"
    said += place + behind
    return Caption(prompt if unchanged and said == framed else said, tuple(dict.fromkeys(remarks)))


def _in_english(prompt: str) -> str:
    """A prompt with foreign words and emoji in English; emoji in a row are a list, equal ones a number."""
    prompt = unicodedata.normalize("NFC", prompt).replace("\ufe0f", "")
    words = read(prompt).words
    runs = [
        (emoji, list(run))
        for emoji, run in groupby(words, lambda word: unicodedata.category(word.written[0]) == "So")
    ]
    if read(prompt).language == "en" and not any(emoji for emoji, _ in runs):
        return prompt
    counts = (*NUMBERS, *_MORE)
    for emoji, run in reversed(runs):
        if emoji and len(run) > 1:
            equal = [(written, len(list(many))) for written, many in groupby(word.written for word in run)]
            listed = ", ".join(
                written if count == 1 else f"{counts[min(count, len(counts)) - 1]} {written}"
                for written, count in equal
            )
            end = run[-1].place + len(run[-1].written)
            prompt = prompt[: run[0].place] + listed + prompt[end:]
    return _SIDE.sub(r"\g<0> of", english(prompt))


def _completed(parts: list[str]) -> list[str]:
    """Parts that are a colour only take the thing of the next: "a red and a blue car"."""
    for at in range(len(parts) - 2, -1, -1):
        lead = _LEAD.fullmatch(f"{parts[at]} ")
        if lead is not None and lead["rest"]:
            parts[at] = f"{parts[at]} {_attributes(parts[at + 1]).said}"
    return parts


@dataclass(frozen=True)
class _Said:
    """A thing as captions say it."""

    text: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Relation:
    """The words between two things, where they begin and end, and how captions say them."""

    start: int
    end: int
    text: str
    remarks: tuple[str, ...] = ()


def _relations(text: str, stock: Stock) -> list[_Relation]:
    """What stands between the things of a prompt, in order."""
    found: list[_Relation] = []
    begin = 0
    for at in [*_RELATION.finditer(text), None]:
        end = at.start() if at else len(text)
        found += _loose_relations(text, begin, end, stock)
        if at:
            found.append(_Relation(end, at.end(), _said(at["relation"])))
            begin = at.end()
    return found


def _said(relation: str | None) -> str:
    return f" {_RELATIONS.get(relation, relation)}" if relation else ","


def _loose_relations(text: str, begin: int, end: int, stock: Stock) -> Iterator[_Relation]:
    """Words of one part that stand between two names."""
    if _named(text[begin:end], stock):
        return
    found = list(_LOOSE.finditer(text, begin, end))
    for at, following in zip_longest(found, [other.start() for other in found[1:]], fillvalue=end):
        assert isinstance(at, re.Match)
        if _named(text[begin : at.start()], stock) and _named(text[at.end() : following], stock):
            if loose := at["loose"]:
                said = "above" if loose == "on" else "next to"
                remarks = () if loose in ("on", *_BESIDE) else (read_as(loose, said),)
                yield _Relation(at.start(), at.end(), f" {said}", remarks)
            else:
                yield _Relation(at.start(), at.end(), _said(at["relation"]))
            begin = at.end()


def _named(part: str, stock: Stock) -> bool:
    """Whether a part is a thing by its name."""
    lead = _LEAD.match(part)
    first = (lead["first"] or "") if lead else ""
    said = (part.removeprefix(first), _attributes(part).said)
    return any(_name(words, stock) for words in said)


def _name(said: str, stock: Stock) -> str:
    """The name that some words are, in whatever form and order; empty where they are none."""
    reading = read(said)
    if reading.unknown:
        return singular(said, stock.names)
    # "The flag of Japan" has the name "flag japan".
    full = " ".join(word.written for word in reading.words if word.rows)
    return singular(said, stock.names) or singular(full, stock.names) or same_words(said, stock.names)


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
    tone = skin["tone"].replace(" ", "-") if skin else ""
    if skin:
        part = f"{part[: skin.start()]} {part[skin.end() :]}".strip()
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
        elif before and (word.written in _MANY or _is_many(word.written) or (counted and name in _MORE)):
            number, more = NUMBERS[-1], word.written
        elif before and name in (*_SIZES, *_BIG):
            # "A little kitten" is a young one.
            size = name if name in _SIZES and word.written != "little" else ""
        elif (
            name in PAINTS and word.written != f"{name}s" and not any(other.written == "of" for other in rest)
        ):
            colours.append(name)
        elif name != "and":
            rest.append(word)
    if not any(word.rows or not word.known for word in rest) and (number or colours):
        # A colour or a number alone is a thing too.
        last = [word for word in reading.words if word.rows][-1]
        rest = [last]
        colours = colours[: len(colours) - 1]
        number = more = ""
    return _Attributes(number, more, size, tuple(dict.fromkeys(colours)), tone, tuple(rest))


def _is_many(written: str) -> bool:
    return written.isdecimal() and int(written) > len(NUMBERS)


def _thing(part: str, stock: Stock) -> _Said:
    """A thing as captions say it: as it is written where it has a name, else by the name nearest to it."""
    lead = _LEAD.match(part)
    assert lead is not None
    first = lead["first"] or ""
    if any(is_name(part[start:], stock.names) for start in (0, len(first), lead.end())):
        before, noun = part[: lead.end()], part[lead.end() :]
        single = singular(noun, stock.names) == noun and not noun.endswith("s")
        return _Said(before + plural(noun) if single and first.strip() in NUMBERS[1:] else part)
    part, unread = _without_asides(part)
    of = _attributes(part)
    rest = of.said
    name = _name(rest, stock) or nearest_name(rest, stock)
    if not name:
        return _Said(part)
    bare = " ".join(word for word in name.split() if word not in PAINTS)
    if not of.colours and not set(rest.split()) & set(PAINTS) and bare in stock.names:
        name = bare
    colour = of.colours[-1] if of.colours else ""
    noun = " ".join(word for word in name.split() if word not in PAINTS) or name if colour else name
    noun = " ".join(filter(None, (of.size, colour, plural(noun) if of.number in NUMBERS[1:] else noun)))
    if of.number:
        noun = f"{of.number} {noun}"
    elif first in ("a ", "an "):
        noun = with_article(noun)
    else:
        noun = first + noun
    if of.skin:
        noun += f" with {of.skin} skin tone"
    return _Said(noun, remarks=(*_remarks(part, of, rest, name, stock), *unread))


def _without_asides(part: str) -> tuple[str, tuple[str, ...]]:
    """A part without the words behind a comma that say no colour and skin, and a line about each."""
    first, *others = part.split(", ")
    words = _attributes(first).rest
    if not (words and words[-1].rows and word_table().things[words[-1].rows[-1]]):
        return part, ()
    kept = [other for other in others if _LEAD.fullmatch(f"{other} ") or _SKIN.fullmatch(other)]
    unread = [other for other in others if other not in kept and read(other).rows]
    return ", ".join([first, *kept]), tuple(f"{shortened(other)!r} is not read" for other in unread)


def _remarks(part: str, of: _Attributes, rest: str, name: str, stock: Stock) -> Iterator[str]:
    """A line about each word that is read otherwise than it is written."""
    if not _name(rest, stock) and (rest, name) not in stock.keywords:
        yield read_as(part, name)
    for other in of.colours[:-1]:
        yield f"a thing has one colour: {other!r} is not read, {of.colours[-1]!r} is"
    if of.more:
        yield f"{of.more!r} is read as {NUMBERS[-1]!r}, the most that the model counts to"
