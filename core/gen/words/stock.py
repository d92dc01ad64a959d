"""The names of the things that a model can make, and which of them a part of a prompt means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gen.words.forms import base_forms, plural
from gen.words.nearest import NEAR, nearness
from gen.words.reading import WEIGHT

KEYWORD = 0.8
"""How much a keyword counts against a name."""


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
    """How near (N,) each name of a stock is to a part of a prompt, by itself or by a keyword."""
    alike = nearness(part, stock.names)
    if stock.keywords:
        words, owners = _keywords(stock)
        np.maximum.at(alike, owners, stock.weight * nearness(part, words))
    return alike


def nearest_name(part: str, stock: Stock) -> str:
    """The name that means the nearest; empty where none is near."""
    alike = closeness(part, stock)
    best = int(alike.argmax())
    return stock.names[best] if alike[best] >= NEAR else ""


def is_name(text: str, names: tuple[str, ...]) -> bool:
    """Whether a text is a name, in the singular or plural."""
    known = _known(names)
    *before, last = text.split() or [""]
    return any(" ".join([*before, form]) in known for form in (last, *base_forms(last)))


@lru_cache(maxsize=16)
def _keywords(stock: Stock) -> tuple[tuple[str, ...], np.ndarray]:
    """The keywords, and the index of the name of each."""
    index = {name: at for at, name in enumerate(stock.names)}
    pairs = [(word, index[name]) for word, name in stock.keywords if name in index]
    return tuple(word for word, _ in pairs), np.array([at for _, at in pairs], np.int64)


@lru_cache(maxsize=16)
def _known(names: tuple[str, ...]) -> frozenset[str]:
    """Names as prompts hold them, in both numbers; those of faces also without the word."""
    singular = {text for name in names for text in (plain(name), plain(name).removesuffix(" face"))}
    return frozenset(singular | {plural(name) for name in singular if name})
