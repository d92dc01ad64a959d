"""One thing of a prompt as captions say it: its name, and its number, size, colour and skin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import dropwhile

from gen.nn import read_as
from gen.words import (
    Stock,
    Word,
    closeness,
    forms,
    nearest_name,
    noun_phrase,
    owners,
    plural,
    read,
    same_words,
    singular,
    with_article,
    word_table,
)
from gen_image.signs import OTHERS, sign

PAINTS = (
    *("red", "orange", "yellow", "green", "blue", "light blue", "turquoise"),
    *("purple", "pink", "brown", "gray", "black", "white"),
)
"""Colours that captions give things."""
NUMBERS = ("one", "two", "three", "four", "five")
MOST_IN_GROUP = 3
"""So many of a thing are beside another at most."""
MORE = ("six", "seven", "eight", "nine", "ten", "many")
COLOUR = "(?:light blue|white|red|orange|yellow|green|blue|purple|pink|turquoise|brown|gray|grey|black)"
DETERMINER = "(?:an?|the|one|some|two|three|four|five|another)"
_MANY = (
    *(*MORE, "several", "lots", "eleven", "twelve", "dozen", "dozens", "twenty", "fifty"),
    *("hundred", "hundreds", "thousand", "thousands"),
)
"""English words for more than captions count to."""
_SIZES = ("small", "big", "mirrored")
_PROPORTIONS = ("tall", "long", "wide", "thick")
"""What captions do not say of things."""
_LEAD = re.compile(rf"^(?P<first>{DETERMINER} )?(?P<rest>(?:(?:small|tiny|little|big|mirrored|{COLOUR}) )*)")
_SIZED = re.compile(r"\b(small|tiny|little|big) ")
_TONES = {
    **{tone: tone for tone in ("medium-light", "medium-dark", "light", "medium", "dark")},
    **dict.fromkeys(("white", "pale", "fair"), "light"),
    **dict.fromkeys(("tan", "olive"), "medium"),
    "brown": "medium-dark",
    "black": "dark",
}
"""Words for the colour of skin, and the tones that captions know."""
_SKIN = re.compile(
    rf",? ?\b(?:with (?:an? )?)?(?P<tone>{'|'.join(_TONES).replace('-', '[ -]')})"
    r"[ -]skin(?:ned)?(?: tone| colou?r)?\b ?"
)
_PERSON = re.compile(
    r"\b(?P<tone>black|brown|white) (?P<person>(?:[\w-]+ )?(?:m[ae]n|wom[ae]n|boys?|girls?|person|people)"
    r"(?: [\w-]+)?)$"
)
_OWNER = re.compile(r"\b(?:\w[\w-]*'s|\w[\w-]*s') (?=\w)")
_FORBIDS = re.compile(r"(?:no|never|don't|do not) [^,]+$")
CLEAR = 0.6
"""A part that is so close to a name means that thing."""
ONE = 0.4
"""Two parts that are so close to a name together may mean that thing."""
MARGIN = 0.03
"""They do, where it is so much nearer than what each of them means."""
OWN = 0.02
"""So much nearer is a name that a part has before it says where or how the thing is: a house on fire."""
OWNER = 0.12
"""The owner of a thing is left out where the thing is so much nearer to a name without him."""
KEYWORD_MARGIN = 0.05
"""So much nearer is what a keyword means, where it is not the thing that it is a keyword of."""
OUTWEIGHS = 0.04
"""For each part, so much nearer than the names of the parts is the one that a whole text means. When this was
set, it read 19 more of 1,577 development prompts rightly, and two fewer of 300 for several things."""
DESCRIBED = 0.45
"""Number and colour of words that are so near to a name are those of the thing."""
SHORT = 2
"""Words of a thing whose colour is left out when its name is looked for."""
SAID = {
    "1st place medal": "gold medal",
    "2nd place medal": "silver medal",
    "3rd place medal": "bronze medal",
    "cooking": "fried egg",
    "eyes": "staring eyes",
    "houses": "row of houses",
    "keycap #": "hash keycap",
    "keycap *": "asterisk keycap",
    "o button (blood type)": "zero button (blood type)",
    "sparkler": "sparkler firework",
    "sparkles": "sparkling stars",
}
"""Names that the table of words reads as another's, and what captions say for them."""
_SAYINGS = {said: name for name, said in SAID.items()}


@dataclass(frozen=True)
class Said:
    """A thing as captions say it.

    Args:
        text: With its determiner, number, size and colour.
        remarks: Lines about what was guessed.
        unread: Parts of the prompt that are not read.
        name: That the thing has in the model; empty where it has none.
        named: Whether the prompt says that name, or another word for it.
    """

    text: str
    remarks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    name: str = ""
    named: bool = False


@dataclass(frozen=True)
class Attributes:
    """What a part of a prompt says of a thing: number, size, colours and skin, and all other words.

    Proportions are those words that no caption says.
    """

    number: str
    more: str
    size: str
    proportions: tuple[str, ...]
    colours: tuple[str, ...]
    skin: str
    rest: tuple[Word, ...]

    @property
    def said(self) -> str:
        """All other words, without those at the beginning that say nothing."""
        return " ".join(
            word.written for word in dropwhile(lambda word: word.known and not word.rows, self.rest)
        )


def is_thing(part: str, stock: Stock) -> bool:
    """Whether a part of a prompt is a thing by its name."""
    return any(_name(said, stock) for said in _ways(part))


def is_known(part: str, stock: Stock) -> bool:
    """Whether a part of a prompt is a thing by its name or another word for it."""
    return is_thing(part, stock) or any(owners(said, stock) for said in _ways(part))


def is_clear(part: str, stock: Stock) -> bool:
    """Whether a part of a prompt is a thing by its name or another word for it, or surely means one."""
    said = attributes(noun_phrase(part)).said
    return is_known(part, stock) or any(
        _best(form, stock)[1] >= CLEAR for form in {said, said.removesuffix("s")}
    )


def is_one(whole: str, before: str, behind: str, stock: Stock, least: float) -> bool:
    """Whether two parts of a prompt mean one thing together, which neither is: a woman on a wave.

    Args:
        whole, before, behind: The two parts with what stands between them, and each of them.
        stock: What the network can draw.
        least: How near the whole must be to a name.
    """
    alike = closeness(_read(whole), stock)
    at = int(alike.argmax())
    if alike[at] < least:
        return False
    # "A man with a beard" is "man beard", as a beard alone is.
    if set(attributes(before).said.split()) < set(stock.names[at].split()) <= set(whole.split()):
        return True
    # "A woman riding a horse" rides no bicycle; "standing on one leg" is said of a flamingo.
    if behind.startswith(("a ", "an ")) and is_thing(before, stock) and is_thing(behind, stock):
        return False
    parts = [int(closeness(_read(part), stock).argmax()) for part in (before, behind)]
    # A potted plant has its pot.
    if at == parts[0] and _in_any_form(stock.names[at]) & set(attributes(behind).said.split()):
        return True
    return bool(alike[at] - alike[parts].max() > MARGIN)


def outweighing(text: str, parts: Sequence[str], things: Sequence[Said], stock: Stock) -> Said | None:
    """What a text means as a whole, where that outweighs what its parts mean: a monkey covering its ears.

    Args:
        text: Of the prompt.
        parts: Of the text, each of which is taken for a thing.
        things: What they mean.
        stock: What the network can draw.
    """
    name = "" if all(said.named for said in things) else nearest_name(text, stock)
    if not name:
        return None
    alike = dict(zip(stock.names, closeness(text, stock).tolist(), strict=True))
    nearest = max((alike[said.name] for said in things if said.name in alike), default=-1.0)
    if alike[name] - nearest < OUTWEIGHS * len(things):
        return None
    # "Two pups in a basket" are two of the thing; but "three green arrows in a triangle" are one.
    described, alone = attributes(noun_phrase(parts[0])).said, replace(stock, names=(name,))
    if len(parts) == 1 and closeness(described, alone).max() > DESCRIBED:
        return thing(parts[0], alone)
    return Said(SAID.get(name, name), (read_as(text, name),), name=name)


def _in_any_form(name: str) -> frozenset[str]:
    return frozenset().union(*(forms(word) for word in name.split()))


def _best(text: str, stock: Stock) -> tuple[str, float]:
    """The name that a text means, and how near it is; none where nothing can be drawn."""
    if not stock.names:
        return "", -1.0
    alike = closeness(_read(text), stock)
    at = int(alike.argmax())
    return stock.names[at], float(alike[at])


def _read(part: str) -> str:
    """The words of a part that are read, without its determiner."""
    lead = _LEAD.match(part)
    bare = part.removeprefix((lead["first"] or "") if lead else "")
    return " ".join(word.written for word in read(bare).words) or part


def _ways(part: str) -> tuple[str, str]:
    """A part without its determiner, and without all that is said of the thing."""
    lead = _LEAD.match(part)
    first = (lead["first"] or "") if lead else ""
    return part.removeprefix(first), attributes(part).said


def prohibition(text: str, stock: Stock) -> str:
    """The sign that a text means which forbids something and asks for nothing: "do not smoke in here".

    Empty where it means none.
    """
    if text in stock.names or not stock.names or not _FORBIDS.match(text):
        return ""
    wanted = " ".join(word.written for word in read(text).words)
    if wanted and is_clear(wanted, stock):
        return ""
    alike = closeness(text, stock)
    name = stock.names[int(alike.argmax())]
    return name if alike.max() >= ONE and name.startswith(("no ", "non-")) else ""


def counted_in_group(said: Said) -> Said:
    """A thing among others, of which captions say no size, and no more than they count to."""
    said = _unsized(said)
    number, _, rest = said.text.partition(" ")
    if number not in NUMBERS[MOST_IN_GROUP:]:
        return said
    most = NUMBERS[MOST_IN_GROUP - 1]
    remark = f"{number!r} is read as {most!r}, the most that the model counts to beside another thing"
    return replace(said, text=f"{most} {rest}", remarks=(*said.remarks, remark))


def _unsized(said: Said) -> Said:
    """One of several things, of which captions say no size."""
    sizes = _SIZED.findall(said.text)
    if not sizes:
        return said
    bare = _SIZED.sub("", said.text)
    article, _, rest = bare.partition(" ")
    text = with_article(rest) if article in ("a", "an") else bare
    return replace(said, text=text, unread=(*said.unread, *sizes))


def only_described(part: str) -> bool:
    """Whether a part is size and colour of a thing that it does not name."""
    lead = _LEAD.fullmatch(f"{part} ")
    return lead is not None and bool(lead["rest"])


def thing(part: str, stock: Stock) -> Said:
    """A thing as captions say it: as it is written where it has a name, else by the name nearest to it.

    Args:
        part: Of a prompt, in lower case.
        stock: What the network can draw.
    """
    # A black woman has dark skin.
    part = _PERSON.sub(r"\g<person> with \g<tone> skin", part)
    lead = _LEAD.match(part)
    assert lead is not None
    first = lead["first"] or ""
    if part[lead.end() :] in _SAYINGS:
        return Said(part, name=_SAYINGS[part[lead.end() :]], named=True)
    starts = (0, len(first), lead.end())
    if name := next(filter(None, (singular(part[start:], stock.names) for start in starts)), ""):
        before, noun = part[: lead.end()], part[lead.end() :]
        if first.strip() not in NUMBERS[1:]:
            return Said(before + _captioned(noun, stock.names), name=name, named=True)
        many = plural(_captioned(singular(noun, stock.names) or noun, stock.names))
        return _unsized(Said(before + many, name=name, named=True))
    without, unread = _without_asides(part)
    if unread and _best(part, stock)[1] > _best(without, stock)[1]:
        # "See something, say something" means what neither part does.
        unread = ()
    else:
        part = without
    if known := sign(part, stock.names) or _same_words(part.removeprefix(first), stock.names):
        remarks = (read_as(part, known),) if known in OTHERS else ()
        noun = SAID.get(known, known)
        if first.strip() in NUMBERS[1:]:
            noun = plural(noun)
        text = with_article(noun) if first in ("a ", "an ") else first + noun
        return Said(text, remarks, unread, known, named=True)
    of = attributes(part)
    found = _found(of, part, stock)
    if not found.name:
        return Said(part)
    colour, noun = of.colours[-1] if of.colours else "", SAID.get(found.name, found.name)
    if colour:
        noun = " ".join(word for word in noun.split() if word not in PAINTS) or noun
    number = of.number
    if noun.split()[0] in NUMBERS:
        # "A pair of lovers" is the name "two hearts".
        number = ""
    if number in NUMBERS[1:]:
        noun = plural(noun)
    noun = " ".join(filter(None, (number, of.size, colour, noun)))
    if not number:
        noun = with_article(noun) if first in ("a ", "an ") else first + noun
    if of.skin:
        noun += f" with {of.skin} skin tone"
    said = Said(
        noun,
        (*found.remarks(part), *_overruled(of)),
        (*of.proportions, *found.unread, *unread),
        found.name,
        found.exact,
    )
    return _unsized(said) if number in NUMBERS[1:] else said


def _captioned(noun: str, names: tuple[str, ...]) -> str:
    """A noun as captions say it: a name, of which a prompt may leave out the word "face"."""
    face = f"{noun} face"
    if noun not in names and face in names:
        return face
    if noun in SAID:
        return SAID[noun]
    one = singular(noun, names)
    return plural(SAID[one]) if one in SAID else noun


def attributes(part: str) -> Attributes:
    """Take a part of a prompt, in lower case, for a thing and what is said of it."""
    table = word_table()
    skin = _SKIN.search(part)
    tone = _TONES[skin["tone"].replace(" ", "-")] if skin else ""
    if skin:
        part = f"{part[: skin.start()]} {part[skin.end() :]}".strip()
    number = more = size = ""
    colours: list[str] = []
    proportions: list[str] = []
    rest: list[Word] = []
    reading, end = read(part), len(noun_phrase(part))
    for word in reading.words:
        name = table.names[word.rows[0]] if len(word.rows) == 1 and word.rows[0] < table.closed else ""
        before = all(not other.rows for other in rest)
        # "A bunch of" flowers and "a couple" are no numbers.
        counted = reading.language != "en" or word.written in (*NUMBERS, *MORE) or word.written.isdigit()
        if before and counted and name in NUMBERS:
            number = name
        elif before and (word.written in _MANY or _is_many(word.written) or (counted and name in MORE)):
            number, more = NUMBERS[-1], word.written
        elif before and name in _SIZES:
            # "A little kitten" is a young one, and "great" praises.
            size = name if word.written not in ("little", "great") else ""
        elif before and name in _PROPORTIONS:
            proportions.append(word.written)
        elif name in PAINTS and word.written != f"{name}s" and _is_own(word, end, rest):
            colours.append(name)
        elif name != "and":
            rest.append(word)
    named = [word for word in reading.words if word.rows]
    described = any(word.rows or not word.known for word in rest)
    if (number or colours) and not described:
        # A colour or a number alone is a thing too.
        rest = named[-1:]
        colours = colours[: len(colours) - 1]
        number = more = ""
    return Attributes(
        number, more, size, tuple(proportions), tuple(dict.fromkeys(colours)), tone, tuple(rest)
    )


def _is_own(word: Word, end: int, rest: list[Word]) -> bool:
    """Whether a colour is that of the thing itself: not so in "red wine", of which there is a glass."""
    return word.place < end and all(other.written != "of" for other in rest)


def _is_many(written: str) -> bool:
    return written.isdecimal() and int(written) > len(NUMBERS)


@dataclass(frozen=True)
class _Found:
    """The name of a thing.

    Args:
        name: Empty where none is near.
        exact: Whether it was named so, or by a keyword.
        unread: What the prompt says of the place of the thing, which is left out.
    """

    name: str
    exact: bool
    unread: tuple[str, ...]

    def remarks(self, part: str) -> Iterator[str]:
        """A line about a part that is read otherwise than it is written."""
        if not (self.unread or self.exact):
            yield read_as(part, self.name)


def _found(of: Attributes, part: str, stock: Stock) -> _Found:
    """The name that a thing has, or else the nearest to all that is said of it."""
    name, unread = _name(of.said, stock), ""
    exact = bool(name)
    if not name:
        # "A red car" is a car, whatever is red; of more words the colour may say which thing is meant.
        short = of.colours and len(of.said.split()) <= SHORT
        whole, phrase = _of_anybody(of.said if short else _read(part), stock), noun_phrase(of.said)
        meant = owners(of.said, stock)
        # The sea is rather a wave than a sailboat, whose keyword it is.
        if (
            meant
            and _best(of.said, stock)[1] - _best(of.said, replace(stock, names=meant))[1] > KEYWORD_MARGIN
        ):
            meant = ()
        among = replace(stock, names=meant) if meant else stock
        own = _name(phrase, stock)
        name = nearest_name(whole, among, (own,) if own else (), OWN) or nearest_name(phrase, among)
        exact = name in meant
        if own and name == own:
            unread = of.said[len(phrase) :].strip()
    bare, said = " ".join(word for word in name.split() if word not in PAINTS), set(of.said.split())
    plain = bare.split() + plural(bare).split() if bare else []
    if not of.colours and not said.intersection(PAINTS) and bare != name and said.intersection(plain):
        # A heart is red, as the first that is a heart but for its colour.
        name = bare if bare in stock.names else _first_in_colour(bare, stock.names)
    return _Found(name, exact, (unread,) if unread else ())


def _of_anybody(text: str, stock: Stock) -> str:
    """A text without the owner of a thing, where that is ``OWNER`` nearer to a name; else as it is.

    "My grandma's clock" is a clock, but "a piggy's head" the face of a pig.
    """
    bare = _OWNER.sub("", text)
    if bare == text:
        return text
    return text if _best(text, stock)[1] > _best(bare, stock)[1] - OWNER else bare


@lru_cache(maxsize=256)
def _first_in_colour(bare: str, names: tuple[str, ...]) -> str:
    """The first name that is some words and a colour."""
    return next(name for name in names if " ".join(w for w in name.split() if w not in PAINTS) == bare)


def _same_words(said: str, names: tuple[str, ...]) -> str:
    """The name of the same words, with numbers and colours, where all of them are known."""
    return "" if read(said).unknown else same_words(said, names)


def _name(said: str, stock: Stock) -> str:
    """The name that some words are, in whatever form and order; empty where they are none."""
    reading = read(said)
    if reading.unknown:
        return singular(said, stock.names)
    # "The flag of Japan" has the name "flag japan".
    full = " ".join(word.written for word in reading.words if word.rows)
    return singular(said, stock.names) or singular(full, stock.names) or same_words(said, stock.names)


@lru_cache(maxsize=16)
def untoned(stock: Stock) -> Stock:
    """The stock without names that hold a skin tone, which nobody means who names none."""
    return replace(stock, names=tuple(name for name in stock.names if "skin tone" not in name))


def _without_asides(part: str) -> tuple[str, tuple[str, ...]]:
    """A part without the words behind a comma that say no colour and skin, and these."""
    first, *others = part.split(", ")
    words = attributes(first).rest
    if not (words and words[-1].rows and word_table().things[words[-1].rows[-1]]):
        return part, ()
    kept = [other for other in others if _LEAD.fullmatch(f"{other} ") or _SKIN.fullmatch(other)]
    unread = [other for other in others if other not in kept and read(other).rows]
    return ", ".join([first, *kept]), tuple(unread)


def _overruled(of: Attributes) -> Iterator[str]:
    """A line about each attribute that is left out."""
    for other in of.colours[:-1]:
        yield f"a thing has one colour: {other!r} is not read, {of.colours[-1]!r} is"
    if of.more:
        yield f"{of.more!r} is read as {NUMBERS[-1]!r}, the most that the model counts to"
