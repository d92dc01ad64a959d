"""English words in their base form, and in the plural."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

VOWELS = "aeiouy"
_SINGULAR = frozenset({"atlas", "canvas", "christmas", "gas", "lens", "pancreas", "pampas"})
STOPS = frozenset({"with", "of", "in", "on", "and"})
"""Words that end the head of a name."""

_PLURALS = {
    "calf": "calves",
    "child": "children",
    "deer": "deer",
    "elf": "elves",
    "fish": "fish",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "hero": "heroes",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "mouse": "mice",
    "ox": "oxen",
    "potato": "potatoes",
    "sheep": "sheep",
    "shelf": "shelves",
    "thief": "thieves",
    "tomato": "tomatoes",
    "tooth": "teeth",
    "wife": "wives",
    "wolf": "wolves",
}
"""Irregular plurals, but for those of man and woman, which are rows of the table that no caption held."""
_MANS = frozenset({"man", "woman", "human", "german", "shaman", "roman", "ottoman", "talisman", "caiman"})
_SINGULARS = {"people": "person"} | {plural: singular for singular, plural in _PLURALS.items()}
_IRREGULAR = {
    "came": "come",
    "drove": "drive",
    "fell": "fall",
    "flew": "fly",
    "flown": "fly",
    "going": "go",
    "gone": "go",
    "got": "get",
    "grew": "grow",
    "grown": "grow",
    "lying": "lie",
    "ran": "run",
    "sang": "sing",
    "sank": "sink",
    "sat": "sit",
    "shook": "shake",
    "shrank": "shrink",
    "slept": "sleep",
    "spun": "spin",
    "stood": "stand",
    "swam": "swim",
    "swung": "swing",
    "took": "take",
    "went": "go",
}


def base_forms(word: str) -> Iterator[str]:
    """Words that an English word may be a regular form of, the likeliest first.

    Plurals, usual irregular ones as well, the third person, -ing, -ed, possessives, comparatives and
    superlatives.

    Args:
        word: In lower case.
    """
    if "'" in word:
        yield word.partition("'")[0]
        return
    if len(word) < 3:
        return
    if word in _SINGULARS:
        yield _SINGULARS[word]
        return
    if word.endswith("men"):
        yield f"{word[:-3]}man"
        return
    if len(word) < 4:
        return
    if word.endswith("s") and not word.endswith("ss"):
        if word.endswith("ies"):
            yield f"{word[:-3]}y"
        yield word[:-1]
        if word.endswith("es"):
            yield word[:-2]
        if word.endswith("ves"):
            yield f"{word[:-3]}f"
            yield f"{word[:-3]}fe"
    for ending in ("ing", "ed", "er", "est"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2:
            if ending != "ing" and stem.endswith("i"):
                yield f"{stem[:-1]}y"
            if stem[-1] == stem[-2] and stem[-1] not in "ls":
                yield stem[:-1]
            # One consonant behind one vowel would be doubled: "hoped" is of "hope", "cleaned" of "clean".
            short = stem[-1] not in VOWELS and stem[-2] in VOWELS and stem[-3] not in VOWELS
            doubled = (stem[:-1],) if stem[-1] == stem[-2] else ()
            yield from (f"{stem}e", stem) if short else (stem, f"{stem}e", *doubled)


@lru_cache(maxsize=4096)
def forms(word: str) -> frozenset[str]:
    """A word in lower case, and words that it may be a form of, regular or not."""
    return frozenset({word, *base_forms(word), _IRREGULAR.get(word, word)})


def plural(noun: str) -> str:
    """The plural of a name, formed on the word before the first preposition; a plural stays."""
    words = noun.split()
    stop = next((i for i, word in enumerate(words) if i and word in STOPS), len(words))
    head = words[stop - 1]
    many = head.endswith("s") and not head.endswith(("ss", "us", "is")) and head not in _SINGULAR
    if many or head in _SINGULARS or head in ("men", "women"):
        # Cherries, glasses and men are plurals already.
        return noun
    if head in _PLURALS:
        head = _PLURALS[head]
    elif head.endswith("man") and head not in _MANS:
        head = f"{head[:-3]}men"
    elif head.endswith(("s", "x", "ch", "sh")):
        head += "es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return " ".join([*words[: stop - 1], head, *words[stop:]])


def with_article(noun: str) -> str:
    """A noun behind "a" or "an", by its first letter."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"
