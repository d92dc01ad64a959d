"""English words in the plural, and with an article."""

import pytest

from gen.words import plural, with_article


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("red apple", "red apples"),
        ("box", "boxes"),
        ("cherry", "cherries"),
        ("key", "keys"),
        ("glass of milk", "glasses of milk"),
    ],
)
def test_plurals(noun: str, expected: str) -> None:
    assert plural(noun) == expected


def test_articles() -> None:
    assert with_article("apple") == "an apple"
    assert with_article("big apple") == "a big apple"
