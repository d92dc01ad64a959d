"""The sounds of English that the voice is made of: those of flite's American English."""

from __future__ import annotations

from collections.abc import Sequence

VOWELS = ("aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw")
CONSONANTS = (
    *("b", "ch", "d", "dh", "f", "g", "hh", "jh", "k", "l", "m", "n"),
    *("ng", "p", "r", "s", "sh", "t", "th", "v", "w", "y", "z", "zh"),
)
PAUSE = "pau"
PHONES = (PAUSE, *CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in "01"))
"""Vowels carry their stress: 1 in a stressed syllable, else 0. Ids are the places here plus one; 0: none."""

_IDS = {phone: index for index, phone in enumerate(PHONES, 1)}
_HISSING = frozenset(("s", "z", "sh", "zh", "ch", "jh"))
_VOICELESS = frozenset(("p", "t", "k", "f", "th"))


def ids(phones: Sequence[str]) -> list[int]:
    """Their numbers, 1 to ``len(PHONES)``.

    Raises:
        KeyError: One of them is no phone.
    """
    return [_IDS[phone] for phone in phones]


def is_vowel(phone: str) -> bool:
    """Whether it is a vowel, with or without its stress."""
    return phone.rstrip("01") in VOWELS


def possessive(phones: Sequence[str]) -> tuple[str, ...]:
    """A word with the ending 's: "fox's", "cat's", "dog's" end in three ways."""
    if not phones:
        return ()
    ending = ("ax0", "z") if phones[-1] in _HISSING else ("s",) if phones[-1] in _VOICELESS else ("z",)
    return (*phones, *ending)
