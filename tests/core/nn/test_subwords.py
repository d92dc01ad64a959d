"""Subwords keep known words whole and take any other apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen.nn import Subwords, TextEncoder

VOCABULARY = Subwords.train(["red", "apple", "grinning"], ["red apple", "grinning face", "orange car"], 60)


def test_known_words_are_one_subword_and_others_fall_apart() -> None:
    assert len(VOCABULARY.ids("red apple grinning")) == 3
    assert VOCABULARY.ids("RED Apple") == VOCABULARY.ids("red apple")
    pieces = VOCABULARY.ids("gapple")
    assert len(pieces) > 1
    assert 1 not in pieces  # id 1 stands for what cannot be spelt
    assert VOCABULARY.ids("日") == [1]


def test_a_batch_is_padded_and_cut() -> None:
    ids, mask = VOCABULARY.batch(["red", "red apple red apple", ""], 3)
    assert ids.shape == mask.shape == (3, 3)
    assert mask.sum(1).tolist() == [1, 3, 0]
    assert (ids[~mask] == 0).all()


def test_a_definition_restores_the_vocabulary() -> None:
    again = Subwords(VOCABULARY.to_json())
    assert len(again) == len(VOCABULARY)
    assert again.ids("red gapple") == VOCABULARY.ids("red gapple")


@pytest.mark.parametrize("definition", ["", "nonsense", "{}", "7"])
def test_another_definition_is_refused(definition: str) -> None:
    with pytest.raises(ValueError, match="the vocabulary cannot be read"):
        Subwords(definition)


def test_a_file_describes_an_encoder() -> None:
    config = {"subwords": VOCABULARY.to_json(), "names": "red apple|grinning face", "words": "a apple red"}
    encoder = TextEncoder.of(config, 4, lambda prompt, params: f"{prompt} {params['more']}")
    assert encoder.names == ("red apple", "grinning face")
    assert encoder.unknown_words("a red pear") == ("pear",)
    assert encoder.entries == config
    text = encoder(["red"], {"more": "apple red apple"})["text"]
    assert text.value.tolist() == [VOCABULARY.ids("red apple red apple")]
    with pytest.raises(KeyError, match="names"):
        TextEncoder.of({"subwords": config["subwords"], "words": ""}, 3)


def test_a_long_prompt_is_cut_and_what_is_said_of_parameters_is_not() -> None:
    def said(prompt: str, params: dict[str, object]) -> str:
        return f"{prompt}, {params['more']}" if "more" in params else prompt

    encoder = TextEncoder(VOCABULARY, 5, (), frozenset(), said)
    prompt = "Red  apple RED gapple grinning"
    for params, room in (({}, 5), ({"more": "grinning apple"}, 2)):
        unread = encoder.unread(prompt, params)
        assert prompt.endswith(unread)
        kept = prompt.removesuffix(unread)
        assert len(VOCABULARY.ids(kept)) == room
        assert VOCABULARY.ids(prompt)[:room] == VOCABULARY.ids(kept)
        assert encoder([prompt], params)["text"].value.tolist() == [VOCABULARY.ids(said(kept, params))]
    assert encoder.unread("red apple", {"more": "red"}) == ""


def test_words_are_lower_case_without_punctuation() -> None:
    assert Subwords.words("A Red-apple, one o'clock!") == ["a", "red", "apple", "one", "o'clock"]


@given(st.text(max_size=40))
def test_any_text_becomes_ids(text: str) -> None:
    assert all(0 <= index < len(VOCABULARY) for index in VOCABULARY.ids(text))


NAMES = ("red apple", "cat", "t-shirt", "up! button", "two o'clock", "b (type)")
WORDS = "a an the and red apple apples cat t shirt up button two o'clock b type jumps ball cafe"
ENCODER = TextEncoder(Subwords.train(WORDS.split(), [*NAMES, "ü é"], 60), 16, NAMES, frozenset(WORDS.split()))


def told(prompt: str) -> list[list[int]]:
    return ENCODER([prompt], {})["text"].value.tolist()


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        *(
            (text, "a cat")
            for text in ("a cat!", "A CAT!!!", "(a cat)", "[a] {cat}.", "«a cat»", "a cat…", "a\ncat")
        ),
        *((text, "a cat") for text in ("a cat, ", ", a cat", "a cute cat", "a cat, please!", "a \u732b cat")),
        ("a cat \U0001f431\u2764\ufe0f", "a cat"),
        ("a cat,, ,a ball!", "a cat, a ball"),
        ("a (red:1.3) apple", "a red apple"),
        ("((cat)), [red]:0.5", "cat, red"),
        ("two o\u2019clock", "two o'clock"),
        ("the cat's ball", "the cat ball"),
        ("a cat jumping", "a cat jumps"),
        ("\uff43\uff41\uff54", "cat"),
        ("Caf\u00e9", "cafe"),
        ("red-apple", "red apple"),
    ],
)
def test_what_no_caption_held_is_left_out(written: str, plain: str) -> None:
    assert told(written) == told(plain)


@pytest.mark.parametrize("name", ["t-shirt", "T-shirts", "up! button", "b (type)", "two o'clock"])
def test_names_keep_their_punctuation(name: str) -> None:
    assert told(name) == [ENCODER.subwords.ids(name)]


def test_unknown_words_are_told_where_there_are_no_others() -> None:
    assert told("the gapple") == [ENCODER.subwords.ids("the gapple")]
    assert told("\U0001f431") == told("")


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a cat!", ()),
        ("a \U0001f431 cat \u2764\ufe0f", ("\U0001f431", "\u2764")),
        ("\u732b", ("\u732b",)),
        ("a Cute cat, cute", ("Cute", "cute")),
        ("a (red:1.3) apple", ()),
        ("Caf\u00e9 apples", ()),
    ],
)
def test_unknown_words_and_symbols_are_named(prompt: str, unknown: tuple[str, ...]) -> None:
    assert ENCODER.unknown_words(prompt) == unknown


def test_weights_of_words_are_remarked() -> None:
    assert ENCODER.remarks("a (red:1.3) apple", {}) == ("weights of words are not read: ':1.3' is left out",)
    assert ENCODER.remarks("a cat at 12:30 (red)", {}) == ()


def test_suggestions_are_near_or_none() -> None:
    assert ENCODER.suggestions("an aple", 2)[0] == "red apple"
    assert ENCODER.suggestions("a xylophone", 5) == ()


@given(st.text(max_size=60), st.integers(1, 6))
def test_what_is_read_and_what_is_not_make_up_the_prompt(text: str, length: int) -> None:
    encoder = TextEncoder(ENCODER.subwords, length, NAMES, ENCODER.words)
    assert text.endswith(encoder.unread(text, {}))
    assert encoder([text], {})["text"].value.shape[1] <= length
