"""English words in the plural, and with an article."""

import pytest

from gen.words import base_forms, plural, with_article


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("red apple", "red apples"),
        ("box", "boxes"),
        ("cherry", "cherries"),
        ("key", "keys"),
        ("glass of milk", "glasses of milk"),
        ("mouse", "mice"),
        ("snowman", "snowmen"),
        ("men holding hands", "men holding hands"),
        ("white sheep", "white sheep"),
        ("leaf in wind", "leaves in wind"),
    ],
)
def test_plurals(noun: str, expected: str) -> None:
    assert plural(noun) == expected


@pytest.mark.parametrize(
    ("word", "base"), [("running", "run"), ("bigger", "big"), ("controlling", "control"), ("beeping", "beep")]
)
def test_base_forms(word: str, base: str) -> None:
    assert base in base_forms(word)


def test_a_consonant_is_taken_off_where_it_is_doubled_alone() -> None:
    assert "bee" not in base_forms("beeping")
    assert "boa" not in base_forms("boating")


def test_articles() -> None:
    assert with_article("apple") == "an apple"
    assert with_article("big apple") == "a big apple"


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("mice", "mouse"),
        ("policemen", "policeman"),
        ("women", "woman"),
        ("people", "person"),
        ("sheep", "sheep"),
    ],
)
def test_irregular_plurals_have_a_base_form(word: str, base: str) -> None:
    assert next(base_forms(word)) == base
