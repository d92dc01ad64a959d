"""How prompts are read: what must change nothing, other languages, emoji, bad input."""

import subprocess
import sys
import time

import numpy as np
import pytest

from gen.errors import UsageError
from gen.train.words.closed_words import closed_words, everyday_words
from gen.words import digest, nearest, read, vectors, word_table
from gen.words.reading import pieces_of
from gen.words.word_vectors import pooled


def named(prompt: str) -> list[str]:
    return [word_table().names[row] for row in read(prompt).rows]


@pytest.mark.parametrize(
    "prompt",
    [
        "cat",
        "a cat!",
        "(cat)",
        "CAT!!!",
        "the cat, please",
        "cats",
        "“cat”",
        "«cat»…",
        "a   cat\n",
        "cat?!",
        "*cat*",
        "the cat's",
        "draw a picture of a cat.",
        "(cat:1.3)",
        "Katze",
        "die Katze",
        "gatto",
        "el gato",
        "o gato",
        "猫",
        "बिल्ली",
        "قطة",
    ],
)
def test_what_surrounds_a_cat_changes_nothing(prompt: str) -> None:
    assert named(prompt) == ["cat"]
    assert np.array_equal(vectors(prompt), vectors("a cat"))


@pytest.mark.parametrize("pattern", ["striped", "dotted", "checkered", "diagonal"])
@pytest.mark.parametrize("colour", ["red", "orange", "yellow", "brown", "light blue", "purple", "gray"])
def test_a_colour_beside_a_pattern_is_read(colour: str, pattern: str) -> None:
    assert named(f"on a {colour} {pattern} background") == ["on", colour, pattern, "background"]
    assert named(f"on a {pattern} {colour} background") == ["on", pattern, colour, "background"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a dog jumps", "dog jumping"),
        ("a fish swims", "a fish, swimming"),
        ("ice-cream", "ice cream"),
        ("a gray mouse", "grey mice"),
        ("three red cars", "3 RED CARS"),
        ("a frog to the left of a bus", "frog left of the bus"),
        ("the geese", "goose"),
        ("elefant", "elephant"),
        ("a bicicle", "bicycle"),
        ("ein roter Apfel", "a red apple"),
        ("une voiture rouge", "voiture rouge"),
        ("dos perros", "two dogs"),
        ("café", "cafe"),
    ],
)
def test_two_ways_to_say_the_same(one: str, other: str) -> None:
    assert read(one).rows == read(other).rows != ()


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("two green frogs right of a yellow bus", ["two", "green", "frog", "right", "yellow", "bus"]),
        ("five bananas in the top left corner", ["five", "banana", "in", "top", "left", "corner"]),
        ("ein grüner Hund neben einer Katze", ["green", "dog", "beside", "cat"]),
        ("un chat noir", ["black", "cat"]),
        ("红色的猫", ["red", "cat"]),
        ("赤い猫", ["red", "cat"]),
        ("लाल बिल्ली", ["red", "cat"]),
        ("قطة حمراء", ["cat", "red"]),
    ],
)
def test_order_numbers_colours_and_places_stay(prompt: str, expected: list[str]) -> None:
    assert named(prompt) == expected
    closed = word_table().closed
    assert all(
        row < closed
        for row, name in zip(read(prompt).rows, expected, strict=True)
        if name in {"two", "five", "green", "yellow", "red", "black", "left", "right", "top", "in", "beside"}
    )


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("rote rosen", ["red", "rose"]),
        ("la playa", ["beach"]),
        ("Frau", ["woman"]),
        ("sans chapeau", []),
        ("ein Hund rennt", ["dog", "run"]),
        ("die Wolken über dem Wald", ["cloud", "above", "forest"]),
        ("una mesa y dos sillas", ["table", "and", "two", "chair"]),
        ("ein qwrennt", []),
    ],
)
def test_everyday_words_of_a_language_win_over_rare_and_misspelt_english_ones(
    prompt: str, expected: list[str]
) -> None:
    assert named(prompt) == expected


def test_english_words_that_are_foreign_ones_too_stay_english() -> None:
    for prompt in ("mare", "gift", "hut", "croissant", "a gift", "a bat and a hut"):
        assert read(prompt).language == "en"


def test_the_lexicon_holds_every_word_that_is_translated_by_hand() -> None:
    table, said = word_table(), dict[tuple[str, str], str]()
    for name, words in (*closed_words().items(), *everyday_words().items()):
        for language, texts in words.items():
            for text in texts:
                said.setdefault((language, " ".join(pieces_of(text)) or text), name)
    for (language, text), name in said.items():
        rows = table.find(language, text)
        assert rows is not None
        assert [table.names[row] for row in rows] == [name][: len(rows)], (language, text)


def test_emoji_are_their_names() -> None:
    assert read("🐱").rows == read("cat face").rows
    assert read("👩‍🚀").rows == read("woman astronaut").rows
    assert read("❤️").rows == read("red heart").rows
    assert named("🐱🎂") == [*named("🐱"), *named("🎂")]
    assert named("👋🏿") == ["waving hand", "dark", "skin"]


def test_negation_is_left_out_and_named() -> None:
    reading = read("a man with no hat and a dog")
    assert reading.left_out == ("no hat",)
    assert named("a man without a hat, a dog") == ["man", "dog"]
    assert read("no smoking").left_out == ()  # the name of a sign


@pytest.mark.parametrize("prompt", ["of the", "", "   ", "!?.,", "please"])
def test_words_that_say_nothing(prompt: str) -> None:
    assert read(prompt).rows == ()
    assert read(prompt).unknown == ()
    assert not pooled(prompt).any()
    assert nearest(prompt, ("cat", "dog"), 2) == ()


def test_unknown_words_are_named_as_written() -> None:
    assert read("a red qwrtzpl, xkcdjq!").unknown == ("qwrtzpl", "xkcdjq")


@pytest.mark.parametrize(("misspelt", "word"), [("girrafe", "giraffe"), ("brocolli", "broccoli")])
def test_words_with_other_doubled_letters_are_read(misspelt: str, word: str) -> None:
    assert read(misspelt).rows == read(word).rows


@pytest.mark.parametrize(("katakana", "hiragana"), [("リンゴ", "りんご"), ("ネコ", "ねこ"), ("イヌ", "いぬ")])
def test_japanese_words_are_read_in_either_script(katakana: str, hiragana: str) -> None:
    assert read(katakana).rows == read(hiragana).rows
    assert read(katakana).rows


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x9b"])
def test_control_characters_are_refused(character: str) -> None:
    with pytest.raises(UsageError, match=rf"control character U\+00{ord(character):02X}"):
        read(f"a{character}cat")


def test_long_and_mixed_prompts_are_read() -> None:
    assert len(read("a red cat and " * 142).rows) == 3 * 142
    assert named("eine rote Katze 猫 🐶") == ["red", "cat", "cat", "dog face"]


@pytest.mark.parametrize(
    ("prompt", "names", "expected"),
    [
        ("a puppy", ("dog", "car", "tree", "spoon"), "dog"),
        ("a dinosaur", ("t-rex", "pizza", "rocket"), "t-rex"),
        ("money", ("money bag", "cat", "tree"), "money bag"),
        ("ein Auto", ("automobile", "cat", "tree"), "automobile"),
        ("a lighthouse", ("light bulb", "cat", "spoon"), "light bulb"),
    ],
)
def test_the_nearest_name_means_the_most_alike(prompt: str, names: tuple[str, ...], expected: str) -> None:
    assert nearest(prompt, names, 1) == (expected,)


def test_vectors_are_of_unit_length_and_colours_differ() -> None:
    found = vectors("a red cat beside a blue dog")
    assert found.shape == (5, word_table().width)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=0.02)
    red, blue = vectors("red")[0], vectors("blue")[0]
    assert float(red @ blue) < 0.9


def test_the_table_is_the_one_that_models_name() -> None:
    assert digest() == "131bb6d9c963de5cab0e8f30c05a81d7e043cf15eb7aed5d1f7380b26b23f488"
    table = word_table()
    assert len(table) < 2**15
    assert (np.diff(table.keys.astype(object)) > 0).all()
    assert not table.names[0]
    assert not table.vectors[0].any()


def test_the_package_is_imported_and_reads_in_no_time() -> None:
    code = (
        "import time, sys, gen, numpy, safetensors.numpy; a = time.process_time(); import gen.words; "
        "b = time.process_time(); assert 'torch' not in sys.modules; print(b - a)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.05
    started = time.process_time()
    for number in range(100):
        read(f"a red cat left of {number + 11} blue dogs on a green background")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("grand piano", "en"),
        ("a rose", "en"),
        ("a coin", "en"),
        ("son", "en"),
        ("winter mittens", "en"),
        ("un chat noir", "fr"),
        ("die Katze", "de"),
        ("grand chien", "fr"),
    ],
)
def test_common_english_words_tell_of_no_other_language(prompt: str, language: str) -> None:
    assert read(prompt).language == language


@pytest.mark.parametrize(
    ("prompt", "country"),
    [
        ("german flag", "germany"),
        ("the flag of Germany", "germany"),
        ("British flag", "united kingdom"),
        ("turkish flag", "turkey"),
        ("flag of the USA", "united states"),
    ],
)
def test_flags_are_known_by_adjectives_and_other_names_of_countries(prompt: str, country: str) -> None:
    assert named(prompt) == [f"flag {country}"]


def test_figures_tell_no_language() -> None:
    assert read("piano, 100 bpm").language == "en"
