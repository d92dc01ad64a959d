"""How a text is read aloud: numbers, abbreviations, pauses, other alphabets; phones and their alignment."""

import pytest
import torch

from gen_audio.mel import HOP, RATE
from gen_audio.voice import numerals, phones
from gen_audio.voice.alignment import aligned
from gen_audio.voice.reading import BREATH, read


def said(text: str) -> str:
    """Words, with a comma for a pause and a full stop between sentences."""
    return ". ".join(" ".join(word or "," for word in sentence) for sentence in read(text).sentences)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (105, "one hundred five"),
        (1_000_000, "one million"),
        (12_345_678, "twelve million three hundred forty five thousand six hundred seventy eight"),
    ],
)
def test_cardinals(number: int, words: str) -> None:
    assert numerals.cardinal(number) == words


def test_every_number_has_its_own_words() -> None:
    some = [*range(3000), *range(10**6 - 50, 10**6 + 50), numerals.LARGEST]
    assert len({numerals.cardinal(number) for number in some}) == len(some)
    assert numerals.cardinal(numerals.LARGEST + 1).split() == ["one", *["zero"] * 18]


MONEY = "it costs one point five dollars , three million dollars or two point seven five billion pounds"
UNITS = "one kilometer , one mile per hour , twenty one kilometers , zero point one kilograms and one hertz"
PARTS = "at five p m. she left. cats , dogs , et cetera. the end"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Mr. Fox paid $5.30 for 3 apples.",
            "mister fox paid five dollars and thirty cents for three apples",
        ),
        ("In 1984, at 7:05!", "in nineteen eighty four , at seven oh five"),
        ("the 21st of the 1990s", "the twenty first of the nineteen nineties"),
        ("He ran 10 km in 3.5 h.", "he ran ten kilometers in three point five hours"),
        ("-3 and 1,234 & 007", "minus three and one thousand two hundred thirty four and zero zero seven"),
        ("The U.S.A. and the BBC", "the u s ay and the b b c"),
        ("“Don’t go,” she said…\n\nThe End", "don't go , she said. the end"),
        ("A well-known café -- naïve, Müller’s", "a well known cafe , naive , muller's"),
        ("Who? (Me!)", "who. me"),
        ("50% of 2 + 2 = 4", "fifty percent of two plus two equals four"),
        (
            "On 2024-05-17 or 7/4/1776.",
            "on may seventeenth two thousand twenty four or july fourth seventeen seventy six",
        ),
        (
            "2023-02-29 is none, 0999-01-01 is.",
            "two thousand twenty three two twenty nine is none , january first nine hundred ninety nine is",
        ),
        ("Æsop in Łódź, ſt. Paul, İ.e. 5 mſ", "aesop in lodz , saint paul , that is five milliseconds"),
        ("🦊 A fox 🎉!", "a fox"),
        ("Did you eat it? No. I did not. See no. 5.", "did you eat it. no. i did not. see number five"),
        ("It costs $1.5, $3 million or £2.75 billion.", MONEY),
        ("1 km, 1mph, 21 km, 0.1 kg and 1 hz", UNITS),
        ("at 5 p.m. She left. Cats, dogs, etc. The end", PARTS),
        (
            "At 5 p.m. on Monday, cats etc. were sold (etc.)",
            "at five p m on monday , cats et cetera were sold , et cetera",
        ),
    ],
)
def test_what_is_read(text: str, words: str) -> None:
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("H₂O is wet", "h two o is wet"),
        ("CO₂, B12, A4 and COVID19", "c o two , b twelve , a four and covid nineteen"),
        ("20 m², 1 m³, 3 km²", "twenty square meters , one cubic meter , three square kilometers"),
        ("20 km/h, 1 m/s", "twenty kilometers per hour , one meter per second"),
        ("E = mc², x³", "e equals mc squared , x cubed"),
        ("10⁻³ and 2¹⁰", "ten to the power of minus three and two to the power of ten"),
        (".5, -.25 and $.50", "point five , minus point two five and fifty cents"),
        ("¥100, ₹1, 2₩ or 50¢", "one hundred yen , one rupee , two won or fifty cents"),
        ("3/4 cup, 1/2, 5/8", "three quarters cup , one half , five eighths"),
        ("1 1/2, 2½ or ⅓", "one and one half , two and one half or one third"),
        ("24/7 and 9/11, and/or", "twenty four slash seven and nine slash eleven , and slash or"),
        ("-5 °C is 23°F", "minus five degrees celsius is twenty three degrees fahrenheit"),
        ("§ 5 → ±6 ≈ ~7 ™", "section five to plus or minus six approximately about seven trademark"),
        ("Ｈｅｌｌｏ １２ Ⅷ ①", "hello twelve viii one"),
        ("hy\u00adphen «a» „b“ • c", "hyphen , a , b , c"),
    ],
)
def test_symbols_are_written_out(text: str, words: str) -> None:
    assert said(text) == words
    assert read(text).unreadable == ()


def test_what_cannot_be_read_is_named() -> None:
    reading = read("Hello 狐 and привет, 狐!")
    assert reading.unreadable == ("狐", "привет")
    assert read("I ❤️ 👨\u200d👩\u200d👧, 👍🏽 ☀ and π!").unreadable == (
        "❤️",
        "👨\u200d👩\u200d👧",
        "👍🏽",
        "☀",
        "π",
    )
    assert read("_Quoted_ (`so`) \\ and ¿that? *!").unreadable == ()
    assert said("Hello 狐!") == "hello"
    assert read("... 🦊 !").sentences == ()
    assert read("").sentences == ()


def test_long_sentences_are_spoken_in_breaths() -> None:
    text = "one two three, " * 30 + "on and on " * 40
    parts = read(text).sentences
    assert [word for part in parts for word in part if word] == text.replace(",", "").split()
    assert max(map(len, parts)) <= BREATH
    assert all(part[0] and part[-1] for part in parts)
    # Cut at a pause where there is one, else where the breath ends.
    assert [len(part) for part in parts[:3]] == [39, 39, 39]
    assert [len(part) for part in parts[3:]] == [40, 40, 40]


def test_whatever_is_read_is_spelled_in_plain_letters() -> None:
    ranges = (*range(32, 0x250), *range(0x2000, 0x2C00), *range(0xFF00, 0x10000))
    texts = ["".join(map(chr, ranges)) + " 9" * 40 + " 1e9 0x1F 3:99 $1.999 12:345 1/0 0/2 9 9/9 .5.5"]
    texts += [form.format(chr(code)) for code in ranges for form in ("{0}", "1{0}", "{0}1", "a{0}2{0}b")]
    for text in texts:
        for sentence in read(text).sentences:
            assert all(set(word) <= set("abcdefghijklmnopqrstuvwxyz'") for word in sentence), text


def test_the_possessive_ends_in_three_ways() -> None:
    assert phones.possessive(("f", "aa1", "k", "s"))[-2:] == ("ax0", "z")
    assert phones.possessive(("k", "ae1", "t"))[-1] == "s"
    assert phones.possessive(("d", "ao1", "g"))[-1] == "z"
    assert phones.possessive(()) == ()


def test_each_frame_belongs_to_the_phone_at_its_centre() -> None:
    frame = HOP / RATE
    told = aligned([5, 7, 9], [False, True, False], [3.4 * frame, 2 * frame, 8 * frame], 14)
    assert told[0].tolist() == [5.0] * 3 + [7.0] * 2 + [9.0] * 9  # 3.5 is past 3.4, 5.5 is past 5.4
    assert told[1].tolist() == [0.0] * 3 + [1.0] * 2 + [0.0] * 9
    torch.testing.assert_close(told[2, :5], torch.tensor([0.5 / 3.4, 1.5 / 3.4, 2.5 / 3.4, 0.05, 0.55]))
    torch.testing.assert_close(told[3, 5:], torch.full((9,), 3.0))
    assert bool((told[2] < 1).all())
