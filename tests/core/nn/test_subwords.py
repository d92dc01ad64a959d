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
