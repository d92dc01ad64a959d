"""WordNet's files, in a few entries of their format, and the words that captions take from them."""

from pathlib import Path

import pytest

from gen.errors import UsageError
from gen.train.thesaurus import Thesaurus, held_out_word
from gen.train.words.wordnet import WordNet, load

LICENCE = "  1 This is a line of the licence.\n"
NOUNS = """\
00000001 05 n 02 cat 0 true_cat 0 001 @ 00000002 n 0000 | feline mammal; "the cat sat"
00000002 05 n 02 feline 0 felid 0 001 @ 00000003 n 0000 | an animal of the family of cats
00000003 03 n 01 entity 0 000 | that which is
00000004 09 n 01 run 0 000 | a score in baseball
00000005 06 n 01 ice_cream 0 000 | frozen dessert; "ice cream for all"
"""
INDEX = """\
cat n 1 1 @ 1 1 00000001
true_cat n 1 1 @ 1 0 00000001
feline n 1 1 @ 1 0 00000002
entity n 1 0 1 0 00000003
run n 1 0 1 2 00000004
ice_cream n 1 0 1 0 00000005
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text(LICENCE + (NOUNS if part == "noun" else ""))
        (tmp_path / f"index.{part}").write_text(LICENCE + (INDEX if part == "noun" else ""))
        (tmp_path / f"{part}.exc").write_text("geese goose\n" if part == "noun" else "")
    return load(tmp_path)


def test_synsets_senses_and_forms_are_read(wordnet: WordNet) -> None:
    assert wordnet.synsets["n00000001"].lemmas == ("cat", "true cat")
    assert wordnet.definition("cat") == "feline mammal"
    assert wordnet.definition("ice cream") == "frozen dessert"
    assert list(wordnet.hypernyms("cat")) == ["feline", "entity"]
    assert wordnet.irregular == {"geese": "goose"}
    assert wordnet.familiarity("run") == 2
    assert wordnet.concrete("cat")
    assert not wordnet.concrete("run")
    assert wordnet.definition("unheard of") == ""


def test_other_words_for_things(wordnet: WordNet) -> None:
    words = Thesaurus(wordnet)("cat face")
    assert words.synonyms == tuple(word for word in ("true cat",) if not held_out_word(word))
    assert set(words.kinds) == {word for word in ("feline", "felid") if not held_out_word(word)}
    assert words.description == "feline mammal"
    assert Thesaurus(wordnet)("run").synonyms == ()


def test_one_word_in_twenty_is_held_out() -> None:
    share = sum(held_out_word(f"word {number}") for number in range(4000)) / 4000
    assert 0.04 < share < 0.06


def test_without_wordnet_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_TRAINING_DATA", str(tmp_path))
    monkeypatch.setattr("gen.train.words.wordnet.INDEX", tmp_path / "nowhere" / "index.noun")
    with pytest.raises(UsageError, match=r"apt-get install wordnet-base"):
        load()
