"""Prompts in free words, said as the captions that the network was trained on.

A network that learned captions of names draws a thing well by its name, and badly by other words. Here the
parts of a prompt are found that captions are made of: things, their number, size, colour and skin, where they
stand, and what is behind them. A thing that has no name of the model becomes the name that means the nearest,
by the network of sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, zip_longest

from gen.nn import Caption, not_read, read_as, shortened
from gen.words import Stock, noun_phrase, plain, request, wanted, with_article
from gen_image.signs import symbol
from gen_image.things import (
    CLEAR,
    COLOUR,
    DETERMINER,
    ONE,
    attributes,
    counted_in_group,
    is_clear,
    is_known,
    is_one,
    is_thing,
    only_described,
    outweighing,
    prohibition,
    thing,
    untoned,
)

PROMPTS = "captions of names"
"""The entry ``prompts`` of a model file whose prompts are read so."""

_PATTERN = "(?:striped|dotted|checkered|diagonal)"
_GROUND = f"(?:{COLOUR} {_PATTERN}|{_PATTERN} {COLOUR}|{COLOUR})"
_WORD = r"(?!(?:on|in|with|of|against) )[^\s,]+"
_BACKGROUND = re.compile(
    rf",? (?:(?:on|with|in front of|against) (?:an? |the )?(?P<ground>{_WORD}(?: {_WORD}){{0,2}}) background"
    rf"|(?:on|against) (?P<colour>{COLOUR})|(?P<bare>{_GROUND}) background)"
    r"(?=$|, | (?:with|and|next to|beside) )"
)
_BACKGROUND_FIRST = re.compile(
    rf"^(?:(?:on|against|with|in front of) )?(?P<ground>(?:an? |the )?{_GROUND} background)"
    r"(?:, | (?:with|and|behind) )(?P<thing>.+)$"
)
_KNOWN_GROUND = re.compile(rf"(?:\w+ )??(?P<ground>{_GROUND})|plain|simple|solid|blank|empty")
_SHADE = re.compile(rf"\b(?:dark|deep|bright|vivid|pale|pastel|light(?! blue))[ -](?=(?P<colour>{COLOUR})\b)")
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
_BESIDE_EACH_OTHER = "(?:left|right) of|above|over|on top of|below|under|next to|and|&"
_RELATION = re.compile(rf",? (?P<relation>{_BESIDE_EACH_OTHER}) (?={DETERMINER} )|, (?={DETERMINER} )")
_RELATIONS = {"&": "and", "over": "above", "on top of": "above", "under": "below"}
_BETWEEN = re.compile(
    r"^(?P<thing>.+?) between (?:(?:two|2) |(?=.+ and ))(?P<one>.+?)(?: and (?P<other>.+))?$"
)
_LOOSE = re.compile(
    rf",? (?P<relation>{_BESIDE_EACH_OTHER}) "
    r"| (?P<loose>with|holding|near|by|behind|in front of|on|in|inside|\w+ing(?: at| to| on)?) "
    rf"(?:(?<=wearing )|(?<=holding )|(?={DETERMINER} ))|, "
)
"""What stands between two things as well as within the description of one."""
_LAST = re.compile(r",? (?:and|&) ")
_BESIDE = ("with", "near", "by")
_DETERMINED = re.compile(rf"(?:{DETERMINER}|six|seven|eight|nine|ten|\d+) ")
MOST = 3
"""Things that captions hold at most."""
TRIED = 16
"""So many places of a prompt are tried at which one thing may end and another begin."""


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: English; a thing may be said in any language that the table of words knows.
        stock: What the network can draw.
    """
    stock = untoned(stock)
    if sign := prohibition(plain(prompt), stock):
        return Caption(sign, (read_as(plain(prompt), sign),))
    stock = wanted(prompt, stock)
    asked = request(symbol(prompt), stock.names)
    text, unread = asked.text, list(asked.unread)
    shades = [read_as(f"{at[0]}{at['colour']}", at["colour"]) for at in _SHADE.finditer(text)]
    remarks: list[str] = []
    text = _BACKGROUND_FIRST.sub(r"\g<thing> on \g<ground>", _SHADE.sub("", text))
    behind = place = ""
    if found := _BACKGROUND.search(text):
        text = text[: found.start()] + text[found.end() :]
        ground = found["ground"] or found["colour"] or found["bare"]
        known = _KNOWN_GROUND.fullmatch(ground)
        if known is None:
            unread.append(f"{ground} background")
        elif known["ground"]:
            behind = f" on {with_article(known['ground'].replace('grey', 'gray'))} background"
    if sides := _TWO_PLACES.match(text):
        text = f"{sides['first']} {_SIDES[sides['place']]} {sides['second']}"
    elif found := _PLACE.search(text):
        where = " ".join(_PLACES.get(word, word) for word in re.split("[ -]", found["place"]))
        text, place = text[: found.start()], f" in the {where} corner" if " " in where else f" on the {where}"
        if where in ("middle", "center", "centre"):
            place = ""
    if three := _between(text, stock):
        text = three
        remarks.append(read_as("between", "next to"))
    relations = [] if place else list(islice(_relations(text, stock), MOST))
    if len(relations) >= MOST:
        end = relations[MOST - 1].start
        remarks.append(
            f"the model draws {MOST} things at most: {shortened(text[end:].strip(' ,'))!r} is not read"
        )
        text, relations = text[:end], relations[: MOST - 1]
    starts = [0, *(relation.end for relation in relations)]
    ends = [*(relation.start for relation in relations), len(text)]
    parts = _completed([text[start:end] for start, end in zip(starts, ends, strict=True)])
    things = [thing(part, stock) for part in parts]
    if one := outweighing(asked.text, parts, things, stock):
        remarks, things, relations = [], [one], []
    if len(things) > 1:
        things = [counted_in_group(said) for said in things]
    remarks += [remark for said in things for remark in said.remarks]
    remarks += [remark for relation in relations for remark in relation.remarks]
    unread += [words for said in things for words in said.unread]
    # Of two things with a comma between them alone, the network makes one; of three all only by "a, b and c".
    if len(relations) == MOST - 1:
        said_so = [relation.text.strip() for relation in relations]
        remarks += [read_as(text, "and") for text in said_so if text not in (",", "and", "next to")]
        relations = [replace(relations[0], text=","), replace(relations[1], text=" and")]
    elif relations and relations[0].text == ",":
        relations = [replace(relations[0], text=" and")]
    whole = things[0].text
    for relation, said in zip(relations, things[1:], strict=True):
        whole += f"{relation.text} {said.text}"
    whole += place + behind
    return Caption(
        prompt if whole in ("", plain(prompt)) else whole,
        (*dict.fromkeys([*shades, *remarks]), *not_read(unread)),
    )


def _between(text: str, stock: Stock) -> str:
    """A text in which a thing between two others is said as captions can; empty where it says none."""
    found = _BETWEEN.match(text)
    if not found:
        return ""
    thing, one, other = found["thing"], found["one"], found["other"]
    if not all(is_clear(part, stock) for part in (thing, one, other) if part):
        return ""
    return f"{thing}, {one} and {other}" if other else f"{thing} next to two {one}"


def _completed(parts: list[str]) -> list[str]:
    """Parts that are a colour only take the thing of the next that has one, too: "a red and a blue car"."""
    for at in range(len(parts) - 2, -1, -1):
        following = attributes(parts[at + 1])
        if only_described(parts[at]) and (following.colours or following.size):
            parts[at] = f"{parts[at]} {following.said}"
    return parts


@dataclass(frozen=True)
class _Relation:
    """The words between two things, where they begin and end, and how captions say them."""

    start: int
    end: int
    text: str
    remarks: tuple[str, ...] = ()


def _relations(text: str, stock: Stock) -> Iterator[_Relation]:
    """What stands between the things of a prompt, in order."""
    begin = 0
    for at in [*_RELATION.finditer(text), None]:
        end = at.start() if at else len(text)
        yield from _loose_relations(text, begin, end, stock)
        if at:
            yield _Relation(end, at.end(), _said(at["relation"]))
            begin = at.end()


def _is_setting(word: str, behind: str, stock: Stock) -> bool:
    """Whether what stands behind a word says where a thing is: in the park, on the sea, in a cage."""
    if word in ("in", "inside"):
        return behind.startswith("the ") or not is_thing(behind, stock)
    return word in ("on", "by", "near") and behind.startswith("the ") and not is_thing(behind, stock)


def _said(relation: str | None) -> str:
    return f" {_RELATIONS.get(relation, relation)}" if relation else ","


def _loose_relations(text: str, begin: int, end: int, stock: Stock) -> Iterator[_Relation]:
    """Words of one part that stand between two names."""
    if is_thing(text[begin:end], stock):
        return
    found = list(islice(_LOOSE.finditer(text, begin, end), TRIED))
    # "Coffee, newspaper and a bagel": the last "and" stands behind this part.
    listed = any(at["relation"] in ("and", "&") for at in found) or bool(_LAST.match(text, end))
    for at, following in zip_longest(found, [other.start() for other in found[1:]], fillvalue=end):
        assert isinstance(at, re.Match)
        before, behind = text[begin : at.start()], noun_phrase(text[at.end() : following])
        if at["loose"] and _is_setting(at["loose"], behind, stock):
            separate = False
        elif at["relation"] in ("and", "&") and not _DETERMINED.match(behind):
            # "So quiet and surprised" is one face.
            one, other = (is_thing(part, stock) for part in (before, behind))
            separate = is_known(before, stock) and is_known(behind, stock)
            separate = separate or (one and is_clear(behind, stock)) or (other and is_clear(before, stock))
        elif at["relation"] or at["loose"] or listed:
            separate = is_clear(before, stock) and is_clear(behind, stock)
        else:
            # Behind a comma, "night" may be a mood as well as a thing, but not in "sun, moon and stars".
            separate = is_thing(before, stock) and is_thing(behind, stock)
        if at["loose"] or at["relation"]:
            # "A boy and a kitten" is no family, unless it surely means one.
            least = CLEAR if at["relation"] in ("and", "&") else ONE
            separate = separate and not is_one(text[begin:following], before, behind, stock, least)
        if separate:
            if loose := at["loose"]:
                said = "above" if loose == "on" else "next to"
                remarks = () if loose in ("on", *_BESIDE) else (read_as(loose, said),)
                yield _Relation(at.start(), at.end(), f" {said}", remarks)
            else:
                yield _Relation(at.start(), at.end(), _said(at["relation"]))
            begin = at.end()
