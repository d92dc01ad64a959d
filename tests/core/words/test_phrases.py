"""Phrases are found in any form of their words, and foreign words in English ones."""

import pytest

from gen.errors import UsageError
from gen.words import Phrases, Stock, closeness, nearest_name, plain, singular, words_of
from gen.words.translation import english

DEEDS = Phrases({"bounce": ("jump", "jump up and down"), "grow": ("get big",), "circle": ("in circle",)})


@pytest.mark.parametrize(
    ("text", "found", "left"),
    [
        ("a dog jumping", ["bounce"], ["a", "dog"]),
        ("a dog jumps up and down", ["bounce"], ["a", "dog"]),
        ("it is getting bigger, in circles", ["grow", "circle"], ["it", "is", ","]),
        ("a dog", [], ["a", "dog"]),
    ],
)
def test_phrases_are_taken_from_words(text: str, found: list[str], left: list[str]) -> None:
    meanings, rest = DEEDS.take(words_of(text))
    assert (list(meanings), rest) == (found, left)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a five-pointed star", "a five-pointed star"),
        ("three hot dogs, please", "three hot dogs, please"),
        ("ein grüner Hund", "a green dog"),
        ("🐶 jumping", "dog face jumping"),
        ("a dog without a hat", "a dog,"),
        ("a (red:1.3) car", "a (red ) car"),
        ("an elefant", "an elefant"),
        ("", ""),
    ],
)
def test_foreign_words_and_emoji_become_english(prompt: str, said: str) -> None:
    assert " ".join(english(prompt).split()) == said


def test_control_characters_are_refused() -> None:
    with pytest.raises(UsageError, match=r"U\+0007"):
        english("a\x07dog")


def test_the_nearest_name_is_of_the_stock_and_keywords_count_less() -> None:
    stock = Stock(("dog", "cat"), (("whiskers", "cat"),))
    assert nearest_name("a puppy", stock) == "dog"
    assert nearest_name("whiskers", stock) == "cat"
    assert nearest_name("qwxz", stock) == ""
    named = Stock(("dog", "whiskers"))
    assert closeness("a puppy", stock)[1] < closeness("whiskers", stock)[1] < closeness("whiskers", named)[1]
    assert singular("dogs", stock.names)
    assert not singular("puppy", stock.names)
    assert plain("A dog , PLEASE!") == "a dog, please"
