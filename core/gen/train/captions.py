"""Captions as people write them: articles, plurals, adjectives, frames, typing errors."""

from __future__ import annotations

import random
from functools import cache

from gen.train.thesaurus import held_out_word
from gen.words import word_table

ADJECTIVES = [
    "cute",
    "beautiful",
    "nice",
    "pretty",
    "lovely",
    "funny",
    "cool",
    "amazing",
    "simple",
    "old",
    "new",
    "young",
    "fresh",
    "shiny",
    "happy",
    "modern",
    "classic",
    "realistic",
    "cartoon",
    "detailed",
    "fancy",
    "little",
    "wonderful",
    "perfect",
    "single",
    "awesome",
    "adorable",
    "friendly",
    "real",
    "digital",
]
FRAMES = (
    "a picture of {}",
    "an image of {}",
    "a drawing of {}",
    "{} emoji",
    "an icon of {}",
    "draw {}",
    "{}, please",
    "a photo of {}",
    "an illustration of {}",
    "{}, digital art",
    "{}, cartoon style",
    "a sticker of {}",
    "a close-up of {}",
    "a cartoon of {}",
)
CONTEXTS = (
    "outside",
    "indoors",
    "at home",
    "in the garden",
    "in the city",
    "in the wild",
    "in the kitchen",
    "in the morning",
    "in summer",
    "in winter",
    "on the ground",
    "on a table",
    "on the street",
    "by the window",
    "by the sea",
    "near the river",
    "in the forest",
    "for my friend",
    "for the children",
    "for sale",
    "from above",
    "having fun",
    "doing nothing",
    "seen up close",
)
COMMON = 6000
"""So many rows at the front of the table of words, which is in order of frequency, are common."""
NUMBERS = ("one", "two", "three", "four", "five")


def with_article(noun: str) -> str:
    """A noun behind "a" or "an", by its first letter."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def framed(text: str, rng: random.Random) -> str:
    """A caption within words that say nothing of what is seen."""
    return rng.choice(FRAMES).format(text)


def adorned(noun: str, rng: random.Random) -> str:
    """A noun behind an adjective that changes nothing of what is seen."""
    return f"{rng.choice(ADJECTIVES)} {noun}"


def distracted(text: str, rng: random.Random) -> str:
    """A caption with a place, an occasion or a common word that names nothing, which changes nothing."""
    draw = rng.random()
    if draw < 0.4:
        return f"{text} {rng.choice(CONTEXTS)}"
    word = rng.choice(_nameless())
    return f"{text} {word}" if draw < 0.6 else f"{word} {text}"


@cache
def _nameless() -> tuple[str, ...]:
    """Common words that mean nothing that can be seen."""
    table = word_table()
    return tuple(
        name
        for row, name in enumerate(table.names[:COMMON])
        if row >= table.closed and not table.things[row] and name.isalpha() and not held_out_word(name)
    )


def misspelt(text: str, rng: random.Random) -> str:
    """A text with two neighbouring letters exchanged, one left out or one doubled, in a long word."""
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not long:
        return text
    place = rng.choice(long)
    word = words[place]
    at = rng.randrange(1, len(word) - 2)
    words[place] = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )
    return " ".join(words)
