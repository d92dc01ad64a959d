"""The names of the things that a model can make, and which of them a part of a prompt means."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gen.words.head import head, kinds, single_words
from gen.words.inflection import base_forms, plural
from gen.words.reading import WEIGHT, read
from gen.words.sentences import meaning, meanings
from gen.words.table import word_table
from gen.words.word_vectors import matrix, pooled

KEYWORD = 0.8
"""How much a keyword counts against a name."""
KIND = 0.8
"""How much what a thing is a sort of counts against the thing itself, at each step."""
MOST_GENERAL = 3
"""So many steps are taken."""
WORDS = 0.25
"""The share of the vectors of words in how near a name is to a single word; the rest is that of the whole
text. A longer text has this share divided by its words that say something. Of 330 uncommon words 58 % are
nearest to a right name so, 53 % with 0.15, and of 2,672 prompts as many."""
WORDS_ALONE = 0.62
"""How much the vectors of words count by themselves where the network of sentences cannot read the text."""
LONGEST = 30
"""Words; of a longer text it reads the beginning alone."""
NEAR = 0.37
"""A name that is less near to a text with an unknown word is none that it means."""
CERTAIN = 0.42
"""The same for a text of which no word is surely known: of 150 made-up texts 2 % are nearer to one of 1,580
names."""
FAR = 0.2
"""The same for a text of known words, one of them surely known, of which something is made in any case."""
APART = 0.1
"""So much nearer than all others is a name that a text with an unknown word means, though it is not near. By
the network alone 1 % of 150 made-up texts have one among 329 names, and 67 % of prompts that are read
rightly."""
MANY = 100
"""Of fewer names one stands apart by chance."""
SAID = 0.1
"""So much nearer is a name that a part of a prompt holds, than it is by its meaning."""
CONTEXT = 0.8
"""How much the text around a part counts, of which the part holds the thing alone. The thing of 94 % of 796
prompts for clips was read rightly so when this was set, of 93 % with 0.5."""


@dataclass(frozen=True)
class Stock:
    """What a model can make.

    Args:
        names: Of all things, as captions say them.
        keywords: Pairs of another word for a thing and its name.
    """

    names: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...] = ()


def plain(prompt: str) -> str:
    """A prompt in lower case, without punctuation other than commas, hyphens and apostrophes."""
    text = re.sub(r"[^\w\s,'’.&\-\U0001f000-\U0001faff\u2000-\u2bff]|\.(?!\w)", " ", WEIGHT.sub(" ", prompt))
    return " ".join(text.lower().replace(" ,", ",").split()).strip(" ,-'")


def closeness(part: str, stock: Stock) -> np.ndarray:
    """How near (N,) each name of a stock is to a part of a prompt, as a whole and by its words, in [-1, 1].

    Raises:
        UsageError: The part holds a control character.
    """
    words, spoken = _word_closeness(part, stock), read(part).words
    share = WORDS / max(1, sum(bool(word.rows) or not word.known for word in spoken))
    both: np.ndarray = (1 - share) * likeness(part, stock.names) + share * words
    legible = len(part.split()) <= LONGEST and not any(word.misspelt for word in spoken)
    return both if legible else np.maximum(both, WORDS_ALONE * words)


def likeness(text: str, names: tuple[str, ...]) -> np.ndarray:
    """How near (N,) each of N names is to a text by the network of sentences alone, in [-1, 1].

    For what is said by a whole sentence and not by a noun, as what a thing does.
    """
    found: np.ndarray = meanings(names) @ meaning(text)
    return found


def _word_closeness(part: str, stock: Stock) -> np.ndarray:
    """How near (N,) each name is by the vectors of words, by itself or by a keyword.

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
        np.maximum.at(alike, owners, KEYWORD * (matrix(words) @ vector))
    found: np.ndarray = alike
    return found


def nearest_name(
    part: str, stock: Stock, said: Collection[str] = (), nearer: float = SAID, context: str = ""
) -> str:
    """The name that means the nearest; empty where none is near, or the part says nothing.

    Args:
        part: Of a prompt.
        stock: What the model can make.
        said: Names that words of the part say.
        nearer: So much nearer these are.
        context: The text around the part, whose meaning counts more than the part's.

    Raises:
        UsageError: The part holds a control character.
    """
    if not stock.names or _says_nothing(part):
        return ""
    alike = closeness(part, stock)
    own = alike
    if context:
        alike = CONTEXT * closeness(context, stock) + (1 - CONTEXT) * alike
    if said:
        alike = alike + np.float32(nearer) * np.isin(stock.names, list(said))
    # A part that means a name does so in any context: "macbook opening" is a laptop.
    least = _least(part)
    if not _is_near(alike, least):
        if not _is_near(own, least):
            return ""
        if own[alike.argmax()] < least:
            alike = own
    return stock.names[int(alike.argmax())]


def _is_near(alike: np.ndarray, least: float) -> bool:
    """Whether one name is near enough, or much nearer than all others."""
    if alike.max() >= least or len(alike) < MANY:
        return bool(alike.max() >= least)
    second, first = np.partition(alike, -2)[-2:]
    return bool(first >= FAR and first - second >= APART)


def nearest(prompt: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names that mean the most alike, the nearest first; at most ``count``, none that is far off.

    Raises:
        UsageError: The prompt holds a control character.
    """
    if not names or _says_nothing(prompt):
        return ()
    alike = closeness(prompt, Stock(names))
    order = np.argsort(-alike, kind="stable")[:count]
    return tuple(names[at] for at in order if alike[at] >= NEAR)


def _least(part: str) -> float:
    """How near a name must be that a part means."""
    reading = read(part)
    # "dranquil" may be a word that nobody has heard of as well as tranquil.
    certain = any(word.rows and not word.misspelt for word in reading.words)
    if not reading.unknown:
        return FAR if certain else NEAR
    return NEAR if certain else CERTAIN


def _says_nothing(text: str) -> bool:
    """Whether no word of a text says what is made: "of the"."""
    reading = read(text)
    return not reading.unknown and not (reading.rows and single_words(text))


def singular(text: str, names: tuple[str, ...]) -> str:
    """A name, in the singular where the text is one in the plural; empty where it is none."""
    known = _known(names)
    *before, last = text.split() or [""]
    forms = (" ".join([*before, form]) for form in (*base_forms(last), last))
    return next((form for form in forms if form in known), "")


def same_words(text: str, names: tuple[str, ...]) -> str:
    """The name of the same words in other forms or another order; empty where there is none, or several."""
    return _by_words(names).get(tuple(sorted(read(text).rows)), "")


def owners(text: str, stock: Stock) -> tuple[str, ...]:
    """The names that a text is another word for, in the singular or plural; none where it is no keyword."""
    things = _things(stock)
    return things.get(singular(text, tuple(things)), ())


def wanted(prompt: str, stock: Stock) -> Stock:
    """The stock without what a prompt says shall not be made: a table without chairs is no chair.

    Raises:
        UsageError: The prompt holds a control character.
    """
    unwanted = {same_words(part.partition(" ")[2], stock.names) for part in read(prompt).left_out}
    names = tuple(name for name in stock.names if name not in unwanted)
    return stock if names == stock.names else replace(stock, names=names)


@lru_cache(maxsize=16)
def _keywords(stock: Stock) -> tuple[tuple[str, ...], np.ndarray]:
    """The keywords, and the index of the name of each."""
    index = {name: at for at, name in enumerate(stock.names)}
    pairs = [(word, index[name]) for word, name in stock.keywords if name in index]
    return tuple(word for word, _ in pairs), np.array([at for _, at in pairs], np.int64)


@lru_cache(maxsize=16)
def _things(stock: Stock) -> Mapping[str, tuple[str, ...]]:
    """The keywords that mean something that can be seen, and the names of each: "oranges", not "orange"."""
    table, names = word_table(), set(stock.names)
    found: dict[str, tuple[str, ...]] = {}
    for word, name in stock.keywords:
        row = next(reversed(read(word).rows), 0)
        if name in names and row and (table.things[row] or row < table.closed):
            key = plain(word) if table.things[row] else plural(plain(word))
            found[key] = (*found.get(key, ()), name)
    return found


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
