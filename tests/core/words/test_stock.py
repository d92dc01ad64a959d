"""Which name a part of a prompt means."""

import pytest

from gen.words import Stock, nearest_name, same_words, wanted, word_table
from gen.words.head import head, kinds
from gen.words.translation import english


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a snowman with a carrot nose", "snowman"),
        ("a spaceship flying to mars", "spaceship"),
        ("a pile of gold coins", "coin"),
        ("a wedding ring", "ring"),
        ("a dog in the kitchen", "dog"),
        ("of the", ""),
    ],
)
def test_the_head_is_the_thing_that_is_meant(text: str, expected: str) -> None:
    assert word_table().names[head(text)] == expected


def test_a_thing_is_read_as_what_it_is_a_sort_of() -> None:
    (row,) = word_table().find("en", "sheepdog") or ()
    assert "dog" in [word_table().names[kind] for kind in kinds(row, 3)]
    assert nearest_name("a sheepdog", Stock(("dog", "ram", "ewe"))) == "dog"


def test_what_stands_behind_a_thing_counts_less() -> None:
    stock = Stock(("carrot", "snowman", "desert", "family", "child"))
    assert nearest_name("a snowman with a carrot nose", stock) == "snowman"
    assert nearest_name("a family with two children", stock) == "family"


def test_a_name_has_the_same_words_in_any_order_and_form() -> None:
    names = ("cat", "arrow left of dot", "dot left of arrow")
    assert same_words("the Cats", names) == "cat"
    assert same_words("a dot left of an arrow", names) == ""
    assert same_words("of the", names) == ""


def test_what_shall_not_be_made_is_not_in_the_stock() -> None:
    stock = Stock(("chair", "fork", "cup without handle"))
    assert wanted("a table without chairs", stock).names == ("fork", "cup without handle")
    assert wanted("ein Tisch ohne Stühle", stock).names == ("fork", "cup without handle")
    assert wanted("a cup without a handle", stock) is stock
    assert wanted("a chair", stock) is stock


def test_a_part_that_means_a_name_does_so_in_any_context() -> None:
    stock = Stock(("laptop", "dog"))
    assert nearest_name("macbook", stock, context="macbook opening") == "laptop"
    assert nearest_name("blarfnog", stock, context="blarfnog opening") == ""


def test_words_that_are_near_in_spelling_alone_make_nothing_that_is_far() -> None:
    stock = Stock(("tumbler glass", "flag south korea", "banana"))
    for prompt in ("dranquil", "krandish"):
        assert nearest_name(prompt, stock) == ""
    assert nearest_name("bannana", stock) == "banana"


def test_selectors_of_style_leave_no_rest_of_an_emoji() -> None:
    assert english("🏳️‍🌈 and ❤️").split() == ["rainbow", "flag", "and", "red", "heart"]
