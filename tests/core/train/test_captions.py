"""Captions as people write them."""

import pytest

from gen.train.captions import with_article
from gen.words import plural


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
