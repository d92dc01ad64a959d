"""Captions as people write them."""

import random

import pytest

from gen.train.captions import adorned, framed, misspelt, with_article
from gen.words import plural, read


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


def test_frames_add_little_to_what_is_read() -> None:
    rng = random.Random(0)
    texts = {framed("a red fox", rng) for _ in range(200)}
    assert len(texts) > 10
    for text in texts:
        rows = read(text).rows
        assert set(read("a red fox").rows) <= set(rows)
        assert len(rows) <= 4


def test_adjectives_come_before_the_noun() -> None:
    assert adorned("fox", random.Random(0)).endswith(" fox")


def test_typing_errors_change_one_word_by_one_edit() -> None:
    rng = random.Random(0)
    right = "a yellow elephant in it"
    for _ in range(100):
        words = zip(right.split(), misspelt(right, rng).split(), strict=True)
        changed = [(one, other) for one, other in words if one != other]
        assert len(changed) <= 1
        assert all(abs(len(one) - len(other)) <= 1 for one, other in changed)
    assert misspelt("a cat", rng) == "a cat"
