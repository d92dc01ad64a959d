"""The names of the things that a model can make, and which of them a part of a prompt means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gen.words.forms import base_forms, plural
from gen.words.head import head, kinds, single_words
from gen.words.nearest import NEAR, matrix, pooled
from gen.words.reading import WEIGHT, read
from gen.words.table import word_table

KEYWORD = 0.8
"""How much a keyword counts against a name."""
KIND = 0.8
"""How much what a thing is a sort of counts against the thing itself, at each step."""
MOST_GENERAL = 3
"""So many steps are taken."""
SAME = 1e-4
"""Names whose closeness differs by less are equally near."""
ALMOST = 0.02
"""Names that have the very word for a keyword are meant though another is nearer by so much."""


@dataclass(frozen=True)
class Stock:
    """What a model can make.

    Args:
        names: Of all things, as captions say them.
        keywords: Pairs of another word for a thing and its name.
        weight: How much a keyword counts against a name, in [0, 1].
    """

    names: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...] = ()
    weight: float = KEYWORD


def plain(prompt: str) -> str:
    """A prompt in lower case, without punctuation other than commas, hyphens and apostrophes."""
    text = re.sub(r"[^\w\s,'’.&\-\U0001f000-\U0001faff\u2000-\u2bff]|\.(?!\w)", " ", WEIGHT.sub(" ", prompt))
    return " ".join(text.lower().replace(" ,", ",").split()).strip(" ,-'")


def closeness(part: str, stock: Stock) -> np.ndarray:
    """How near (N,) each name of a stock is to a part of a prompt, by itself or by a keyword.

    The whole part counts twice as much as its head. A head is also what it is a sort of, the less the more
    general: a sheepdog is a dog.
    """
    alike = _by_name_or_keyword(pooled(part), stock)
    row = head(part)
    if row:
        table = word_table()
        near = np.full(len(stock.names), -1, np.float32)
        for steps, kind in enumerate([row, *kinds(row, MOST_GENERAL)]):
            near = np.maximum(near, KIND**steps * _by_name_or_keyword(table.unit((kind,)), stock))
        alike = (2 * alike + near) / 3
    return alike


def _by_name_or_keyword(vector: np.ndarray, stock: Stock) -> np.ndarray:
    alike = matrix(stock.names) @ vector
    if stock.keywords:
        words, owners = _keywords(stock)
        np.maximum.at(alike, owners, stock.weight * (matrix(words) @ vector))
    found: np.ndarray = alike
    return found


def nearest_name(part: str, stock: Stock) -> str:
    """The name that means the nearest; empty where none is near.

    Names that hold several words of the part, and all of them, come before others: a hanging traffic light is
    a traffic light and no traffic sign.
    """
    alike, wanted = closeness(part, stock), single_words(part)
    # A phrase of the table may mean something else than its words: an american flag is not that of Samoa.
    phrase = sum(bool(word.rows) for word in read(part).words) == 1
    holding = holders(wanted, stock.names) if len(wanted) > 1 and not phrase else ()
    if holding:
        return stock.names[max(holding, key=lambda at: float(alike[at]))]
    best = float(alike.max(initial=-1))
    if best < NEAR:
        return ""
    owners = _owners(part, stock)
    equal = [at for at in owners if alike[at] >= best - ALMOST] or np.flatnonzero(alike >= best - SAME)
    # Names of equal words differ in number; a keyword may be one of many names, some of which hold it: a cake
    # is a birthday cake, and no fish cake with swirl.
    meant = {word_table().names[row] for row in read(part).rows}
    written = meant.union(plain(part).split())

    def plainness(name: str) -> tuple[int, int]:
        words = name.split()
        return len(written.intersection(words)), -len(words)

    return max((stock.names[at] for at in equal), key=plainness)


@lru_cache(maxsize=1024)
def holders(rows: frozenset[int], names: tuple[str, ...]) -> tuple[int, ...]:
    """Indices of the names that hold all of some words.

    Args:
        rows: As ``single_words`` gives them.
        names: Of things.
    """
    return tuple(at for at, held in enumerate(_single_words(names)) if rows <= held)


@lru_cache(maxsize=16)
def _single_words(names: tuple[str, ...]) -> tuple[frozenset[int], ...]:
    return tuple(single_words(name) for name in names)


def singular(text: str, names: tuple[str, ...]) -> str:
    """A name, in the singular where the text is one in the plural; empty where it is none."""
    known = _known(names)
    *before, last = text.split() or [""]
    forms = (" ".join([*before, form]) for form in (*base_forms(last), last))
    return next((form for form in forms if form in known), "")


def same_words(text: str, names: tuple[str, ...]) -> str:
    """The name of the same words in other forms or another order; empty where there is none, or several."""
    return _by_words(names).get(tuple(sorted(read(text).rows)), "")


def is_keyword(text: str, stock: Stock) -> bool:
    """Whether a text is another word for a thing, in the singular or plural."""
    return bool(singular(text, _things(stock)))


def _owners(text: str, stock: Stock) -> tuple[int, ...]:
    """Indices of the names that a text is another word for, in the singular or plural."""
    word = singular(text, _things(stock))
    owners = {name for other, name in stock.keywords if word and plain(other) == word}
    return tuple(at for at, name in enumerate(stock.names) if name in owners)


def is_name(text: str, names: tuple[str, ...]) -> bool:
    """Whether a text is a name, in the singular or plural."""
    return bool(singular(text, names))


@lru_cache(maxsize=16)
def _keywords(stock: Stock) -> tuple[tuple[str, ...], np.ndarray]:
    """The keywords, and the index of the name of each."""
    index = {name: at for at, name in enumerate(stock.names)}
    pairs = [(word, index[name]) for word, name in stock.keywords if name in index]
    return tuple(word for word, _ in pairs), np.array([at for _, at in pairs], np.int64)


@lru_cache(maxsize=16)
def _things(stock: Stock) -> tuple[str, ...]:
    """The keywords that mean something that can be seen; of colours in the plural: oranges are fruit."""
    table = word_table()
    found = []
    for word in dict(stock.keywords):
        row = next(reversed(read(word).rows), 0)
        if table.things[row]:
            found.append(word)
        elif 0 < row < table.closed:
            found.append(plural(word))
    return tuple(found)


@lru_cache(maxsize=16)
def _by_words(names: tuple[str, ...]) -> dict[tuple[int, ...], str]:
    """The name of each set of words, as sorted rows of the table; empty where several are of it."""
    found: dict[tuple[int, ...], str] = {}
    for name in names:
        rows = tuple(sorted(read(name).rows))
        if rows:
            found[rows] = "" if rows in found else name
    return found


@lru_cache(maxsize=16)
def _known(names: tuple[str, ...]) -> frozenset[str]:
    """Names as prompts hold them, in both numbers; those of faces also without the word."""
    singular = {text for name in names for text in (plain(name), plain(name).removesuffix(" face"))}
    return frozenset(singular | {plural(name) for name in singular if name})
