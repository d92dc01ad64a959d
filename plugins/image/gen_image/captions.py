"""Prompts in free words, said as the captions that a network was trained on.

A network that learned captions of names draws a thing well by its name, and badly by other words. Here the
parts of a prompt are found that captions are made of: things, where they stand, and what is behind them. A
thing that has no name of the model becomes the name that means the nearest, by the shared table of words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from gen.diffusion import Conditioning
from gen.nn import TextEncoder
from gen.nn.text import unchanged
from gen.words import WEIGHT, base_forms, nearness, plural, read
from gen.words.nearest import NEAR

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
KEYWORD = 0.8
"""How much a keyword counts against a name."""
SHOWN = 60
"""Characters of a part that a remark shows."""
MOST = 3
"""Things that captions hold at most."""


@dataclass(frozen=True)
class Caption:
    """What a network reads in place of a prompt.

    Args:
        text: The caption; the prompt itself where all its things are names.
        instead: Parts of the prompt, and the names that they became.
    """

    text: str
    instead: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Stock:
    """What a network can draw.

    Args:
        names: Of all things, as captions say them.
        keywords: Pairs of another word for a thing and its name.
    """

    names: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class CaptionEncoder(TextEncoder):
    """A ``TextEncoder`` of prompts in free words, which become captions of names.

    Args:
        keywords: Pairs of another word for a thing and its name.
    """

    keywords: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        config: Mapping[str, object],
        length: int,
        said: Callable[[str, Mapping[str, object]], str] = unchanged,
    ) -> CaptionEncoder:
        """As of ``TextEncoder``, with the entry ``keywords``: name to words, divided by ``|``.

        Raises:
            KeyError, ValueError: As of ``TextEncoder``, or ``keywords`` is something else.
        """
        entry = config["keywords"]
        if not isinstance(entry, Mapping):
            raise ValueError("its keywords are not a mapping of names to words")
        keywords = tuple((word, name) for name, words in entry.items() for word in str(words).split("|"))
        read = TextEncoder.of(config, length, said)
        return cls(read.subwords, read.length, read.names, read.words, read.said, keywords)

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """As ``TextEncoder`` does it, of the captions."""
        return super().__call__([self._caption(prompt).text for prompt in prompts], params)

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of the caption that is too long; mostly empty."""
        return super().unread(self._caption(prompt).text, params)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words of the caption that no caption of the training held."""
        return super().unknown_words(self._caption(prompt).text)

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """A line about each weight, each part that became a name by guess, and a prompt that says nothing."""
        named = (
            f"{_short(part)!r} is read as {name!r}"
            for part, name in self._caption(prompt).instead
            if (_core(part), name) not in self.keywords
        )
        words = read(_plain(prompt)).words
        silent = prompt.strip() and all(word.known and not word.rows for word in words)
        nothing = ["no word of it says what to draw"] if silent else []
        return (*super().remarks(prompt, params), *named, *nothing)

    def _caption(self, prompt: str) -> Caption:
        return caption(prompt, self._stock)

    @cached_property
    def _stock(self) -> Stock:
        return Stock(self.names, self.keywords)


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: English; a thing may be said in any language that the table of words knows.
        stock: What the network can draw.
    """
    text = _plain(prompt)
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
    instead = tuple((part, name) for part, (_, name) in zip(parts, things, strict=True) if name)
    if not instead:
        return Caption(prompt)
    said = things[0][0]
    for found, (thing, _) in zip(relations, things[1:], strict=True):
        relation = found["relation"]
        said += f", {thing}" if not relation else f" {_RELATIONS.get(relation, relation)} {thing}"
    return Caption(said + place + behind, instead)


def _plain(prompt: str) -> str:
    """A prompt in lower case, without punctuation other than commas, hyphens and apostrophes."""
    text = re.sub(r"[^\w\s,'’.&\-\U0001f000-\U0001faff\u2000-\u2bff]|\.(?!\w)", " ", WEIGHT.sub(" ", prompt))
    return " ".join(text.lower().replace(" ,", ",").split()).strip(" ,-'")


def _core(part: str) -> str:
    """A thing without its article, number, size and colour."""
    lead = _LEAD.match(part)
    assert lead is not None
    return part[lead.end() :]


def _short(part: str) -> str:
    return part if len(part) <= SHOWN else f"{part[: SHOWN - 1]}…"


def _thing(part: str, stock: Stock) -> tuple[str, str]:
    """A thing as captions say it, and its name; empty where it is named already, or nothing is near."""
    lead = _LEAD.match(part)
    assert lead is not None
    first = lead["first"] or ""
    if any(_is_name(part[start:], stock.names) for start in (0, len(first), lead.end())):
        return part, ""
    name = _nearest(part, stock)
    if not name:
        return part, ""
    if first in ("a ", "an "):
        first = "an " if name[0] in "aeiou" else "a "
    return f"{first}{plural(name) if first.strip() in _MANY else name}", name


def _nearest(part: str, stock: Stock) -> str:
    """The name that means the nearest, by itself or by a keyword; empty where none is near."""
    alike = nearness(part, stock.names)
    if stock.keywords:
        words, owners = _keywords(stock)
        np.maximum.at(alike, owners, KEYWORD * nearness(part, words))
    best = int(alike.argmax())
    return stock.names[best] if alike[best] >= NEAR else ""


@lru_cache(maxsize=16)
def _keywords(stock: Stock) -> tuple[tuple[str, ...], np.ndarray]:
    """The keywords, and the index of the name of each."""
    index = {name: at for at, name in enumerate(stock.names)}
    pairs = [(word, index[name]) for word, name in stock.keywords if name in index]
    return tuple(word for word, _ in pairs), np.array([at for _, at in pairs], np.int64)


def _is_name(text: str, names: tuple[str, ...]) -> bool:
    known = _known(names)
    *before, last = text.split() or [""]
    return any(" ".join([*before, form]) in known for form in (last, *base_forms(last)))


@lru_cache(maxsize=16)
def _known(names: tuple[str, ...]) -> frozenset[str]:
    """Names as prompts hold them, in both numbers; those of faces also without the word."""
    singular = {text for name in names for text in (_plain(name), _plain(name).removesuffix(" face"))}
    return frozenset(singular | {plural(name) for name in singular if name})
