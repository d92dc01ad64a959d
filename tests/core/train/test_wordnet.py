"""WordNet's files, in a few entries of their format, and the words that captions take from them."""

from pathlib import Path

import pytest

from gen.train.words.kinds import kinds
from gen.train.words.wordnet import WordNet, load

LICENCE = "  1 This is a line of the licence.\n"
NOUNS = """\
00000001 05 n 02 cat 0 true_cat 0 001 @ 00000002 n 0000 | feline mammal; "the cat sat"
00000002 05 n 02 feline 0 felid 0 001 @ 00000003 n 0000 | an animal of the family of cats
00000003 03 n 01 entity 0 000 | that which is
00000004 09 n 01 run 0 000 | a score in baseball
00000005 06 n 01 ice_cream 0 000 | frozen dessert; "ice cream for all"
00000006 05 n 01 turkey 0 000 | a large bird
00000007 15 n 02 turkey 0 republic_of_turkey 0 000 | a republic
"""
ADJECTIVES = """\
00000001 01 a 01 turkish 0 001 \\ 00000007 n 0101 | of Turkey
"""
INDEX = """\
cat n 1 1 @ 1 1 00000001
true_cat n 1 1 @ 1 0 00000001
feline n 1 1 @ 1 0 00000002
entity n 1 0 1 0 00000003
run n 1 0 1 2 00000004
ice_cream n 1 0 1 0 00000005
turkey n 2 0 2 0 00000006 00000007
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    for part in ("noun", "verb", "adj", "adv"):
        data = {"noun": NOUNS, "adj": ADJECTIVES}.get(part, "")
        (tmp_path / f"data.{part}").write_text(LICENCE + data)
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


def test_places_have_other_words_and_adjectives(wordnet: WordNet) -> None:
    assert list(wordnet.of_place("turkey")) == ["turkey", "republic of turkey", "turkish"]
    assert list(wordnet.of_place("cat")) == []


def test_kinds_are_the_nearest_hypernyms_that_are_words_of_the_table(wordnet: WordNet) -> None:
    names = ("", "red", "cat", "felid", "run", "entity")
    assert kinds(names, 2, wordnet).tolist() == [0, 0, 3, 0, 0, 0]
