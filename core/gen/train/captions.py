"""Captions as people write them: articles, plurals, adjectives, frames, typing errors."""

from __future__ import annotations

import random

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
NUMBERS = ("one", "two", "three", "four", "five")
STOPS = frozenset({"with", "of", "in", "on", "and"})


def with_article(noun: str) -> str:
    """A noun behind "a" or "an", by its first letter."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def plural(noun: str) -> str:
    """The plural of a name, formed on the word before the first preposition."""
    words = noun.split()
    stop = next((i for i, word in enumerate(words) if i and word in STOPS), len(words))
    head = words[stop - 1]
    if head.endswith(("s", "x", "ch", "sh")):
        head += "es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return " ".join([*words[: stop - 1], head, *words[stop:]])


def framed(text: str, rng: random.Random) -> str:
    """A caption within words that say nothing of what is seen."""
    return rng.choice(FRAMES).format(text)


def adorned(noun: str, rng: random.Random) -> str:
    """A noun behind an adjective that changes nothing of what is seen."""
    return f"{rng.choice(ADJECTIVES)} {noun}"


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
