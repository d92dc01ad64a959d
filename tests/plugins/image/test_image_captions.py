"""Prompts in free words become captions of names; what is named already stays as it is written."""

from __future__ import annotations

import dataclasses

import pytest

from gen.errors import UsageError
from gen.nn import Caption, CaptionEncoder, Subwords, TextEncoder
from gen.words import Stock
from gen_image.captions import caption

NAMES = ("dog", "cat face", "red apple", "t-rex", "wolf", "umbrella with rain drops", "light bulb", "frog")
STOCK = Stock(NAMES, (("howling", "wolf"), ("electric", "light bulb")))


@pytest.mark.parametrize(
    "prompt",
    [
        "dog",
        "a dog!",
        "(DOGS)",
        "a red apple",
        "a blue frog on a yellow striped background",
        "a dog left of a cat face",
        "two green frogs right of a red apple",
        "a small dog in the top left corner",
        "of the",
        "xyzzy",
        "",
    ],
)
def test_prompts_of_names_stay_as_they_are(prompt: str) -> None:
    assert caption(prompt, STOCK) == Caption(prompt)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a dog left of a cat and a frog", "a dog, a cat face and a frog"),
        ("a dinosaur", "a t-rex"),
        ("a picture of a wolf", "a wolf"),
        ("A cute PUPPY!!!", "a dog"),
        ("a rainy day", "an umbrella with rain drops"),
        ("draw me a puppy, please", "a dog"),
        ("electricity", "light bulb"),
        ("a howl", "a wolf"),
        ("three puppies", "three dogs"),
        ("ein grüner Hund", "a green dog"),
        ("a fast blue puppy", "a blue dog"),
        ("two black and white puppies", "two dogs"),
        ("seven puppies", "five dogs"),
        ("ten frogs", "five frogs"),
        ("ten red frogs", "five red frogs"),
        ("a couple of puppies", "two dogs"),
        ("zwei junge Hunde", "two dogs"),
        ("a tiny kitten", "a small cat face"),
        ("a puppy with dark skin", "a dog with dark skin tone"),
        ("a green red apple", "a red apple"),
        ("a wolf on a red apple", "a wolf above a red apple"),
        ("a wolf in a forest", "a wolf"),
        ("a little kitten", "a cat face"),
        ("a wolf with a frog", "a wolf next to a frog"),
        ("a glass bulb of red light", "a light bulb"),
        ("🐺", "wolf"),
        ("a (puppy:1.3)", "a dog"),
        ("a kitten on grey", "a cat face on a gray background"),
        ("a kitten with a dotted blue background", "a cat face on a dotted blue background"),
        ("a puppy on the left side", "a dog on the left"),
        ("a puppy to the left of a red apple", "a dog left of a red apple"),
        ("a frog above an umbrella", "a frog above an umbrella with rain drops"),
        ("a frog, a kitten and a puppy", "a frog, a cat face and a dog"),
        ("a puppy under a red apple on a pink background", "a dog below a red apple on a pink background"),
        ("dogs & frogs", "dogs and frogs"),
        ("dog / frog; wolf", "dog, frog and wolf"),
        ("a dog, frog and wolf", "a dog, frog and wolf"),
        ("a dog, a frog, a wolf and a t-rex", "a dog, a frog and a wolf"),
        ("a wolf eating a red apple", "a wolf next to a red apple"),
        ("ein Hund und eine Katze", "a dog and a cat face"),
        ("ein Hund links von einem Frosch", "a dog left of a frog"),
        ("deux chats", "two cat faces"),
        ("🐸🐺", "frog and wolf"),
        ("🐸🐸🐸", "three frogs"),
        ("two frog", "two frogs"),
        ("dozens of frogs", "five frogs"),
        ("12 frogs", "five frogs"),
        ("a red and a blue frog", "a red frog and a blue frog"),
        ("a pale green frog", "a green frog"),
        ("a medium skin tone wolf", "a wolf with medium skin tone"),
        ("a dark-skinned wolf", "a wolf with dark skin tone"),
        ("a dog on a plain dark blue background", "a dog on a blue background"),
        ("a dog on a golden background", "a dog"),
        ("an orange background with a dog", "a dog on an orange background"),
        ("a frog, white background, high quality", "a frog on a white background"),
        ("a frog in the upper-left corner", "a frog in the top left corner"),
        ("a frog in the middle", "a frog"),
        ("a frog on the left and a dog on the right", "a frog left of a dog"),
        ("a dog on the right side of a frog", "a dog right of a frog"),
        ("two puppies right of three kittens", "two dogs right of three cat faces"),
        ("a black dog on a red sofa", "a black dog"),
        ("a pair of frogs", "two frogs"),
        ("a frog's light bulb", "a light bulb"),
    ],
)
def test_other_words_become_the_nearest_name(prompt: str, said: str) -> None:
    assert caption(prompt, STOCK).text == said


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a beige cat", "a cat"),
        ("a black cat", "a black cat"),
        ("the flag of Japan", "the flag japan"),
        ("an orange", "a tangerine"),
        ("a blue orange", "a blue tangerine"),
        ("children", "children"),
        ("man and woman holding hands", "woman and man holding hands"),
        ("🏳️‍🌈", "rainbow flag"),
    ],
)
def test_a_name_is_found_in_other_forms_and_without_a_colour_that_nobody_asked_for(
    prompt: str, said: str
) -> None:
    names = ("cat", "black cat", "flag japan", "tangerine", "child", "woman and man holding hands", "man")
    stock = Stock((*names, "woman", "rainbow", "rainbow flag"), (("orange", "tangerine"),))
    assert caption(prompt, stock).text == said


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a house on fire", "a house"),
        ("a house by a lake", "a house"),
        ("apples and oranges", "green apple and tangerine"),
        ("a man wearing a hat", "a man next to a top hat"),
        ("a man in a sari", "a man next to a sari"),
        ("a man with a beard", "a man beard"),
        ("a girl with red hair", "a woman red hair"),
        ("traffic light", "vertical traffic light"),
        ("a female firefighter", "a woman firefighter"),
        ("a male teacher", "a man teacher"),
        ("number 5", "keycap 5"),
        ("the number seven", "the keycap 7"),
        ("the letter O", "the zero button (blood type)"),
        ("half past three", "three-thirty"),
        ("a clock at 5 o'clock", "a five o'clock"),
        ("3:30 pm", "three-thirty"),
        ("$", "heavy dollar sign"),
        ("a pair of glasses", "glasses"),
    ],
)
def test_parts_of_prompts_that_people_type_are_read(prompt: str, said: str) -> None:
    people = (
        "man",
        "woman",
        "girl",
        "man beard",
        "woman red hair",
        "man dark skin tone beard",
        "man teacher",
    )
    signs = (
        "keycap 5",
        "keycap 7",
        "o button (blood type)",
        "three-thirty",
        "five o'clock",
        "heavy dollar sign",
    )
    things = (
        "houses",
        "house",
        "green apple",
        "tangerine",
        "top hat",
        "rescue worker's helmet",
        "sari",
        "glasses",
    )
    names = (*people, *signs, *things, "no entry", "vertical traffic light", "woman firefighter", "red hair")
    keywords = (
        *(("apple", "green apple"), ("orange", "tangerine"), ("hat", "rescue worker's helmet")),
        *(("hat", "top hat"), ("traffic", "no entry"), ("beard", "man beard")),
    )
    assert caption(prompt, Stock(names, keywords)).text == said


@pytest.mark.parametrize(
    ("prompt", "remark"),
    [
        ("a frog on a lily pad", "not read: on a lily pad"),
        ("a frog, watercolor", "not read: watercolor"),
        ("a pale green frog", "'pale green' is read as 'green'"),
        ("a dog on a golden background", "not read: golden background"),
        ("a dog, a frog, a wolf and a t-rex", "the model draws 3 things at most: 'and a t-rex' is not read"),
        ("a wolf chasing a frog", "'chasing' is read as 'next to'"),
        ("🐸🐸🐸🐸🐸🐸🐸", "'seven' is read as 'five', the most that the model counts to"),
        ("a light green frog", "'light green' is read as 'green'"),
        ("a xyzzy frog", "'a xyzzy frog' is read as 'frog'"),
    ],
)
def test_remarks_say_what_is_left_out(prompt: str, remark: str) -> None:
    assert caption(prompt, STOCK).remarks == (remark,)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("eine rote Rose", "a red rose"),
        ("une rose rouge", "a red rose"),
        ("ein rosa Hund", "a pink dog"),
        ("a cup of tea", "a teacup without handle"),
        ("a chicken leg", "a poultry leg"),
        ("sun, moon and stars", "sun, full moon and stars"),
        ("5 dogs and a cat", "three dogs and a cat"),
        ("a dog with two cats", "a dog next to two cats"),
        ("two puppies on a red car", "two dogs above a red automobile"),
        ("a man running in the park", "a man running"),
        ("two children and a dog", "two children and a dog"),
        ("a heart", "a red heart"),
        ("a cake", "a birthday cake"),
        ("a sleepy kitten curled up", "a cat"),
        ("a bride", "a person with veil"),
        ("a juicy orange", "a tangerine"),
        ("two fresh oranges", "two tangerines"),
        ("an orange and a rose", "a tangerine and a rose"),
        ("an orange and a red rose", "a tangerine and a red rose"),
        ("an orange dog", "an orange dog"),
        ("someone clapping", "clapping hands"),
    ],
)
def test_things_are_read_by_all_that_is_said_of_them(prompt: str, said: str) -> None:
    things = (
        "rose",
        "dog",
        "cat",
        "sun",
        "full moon",
        "star",
        "automobile",
        "red heart",
        "orange heart",
        "leg",
        "tangerine",
        "page with curl",
        "wedding",
        "clapping hands",
    )
    people = ("man", "man running", "child", "national park", "person", "person with veil")
    foods = ("teacup without handle", "bubble tea", "poultry leg", "fish cake with swirl", "birthday cake")
    keywords = (
        *(("cup", "teacup without handle"), ("tea", "teacup without handle"), ("tea", "bubble tea")),
        *(("chicken", "poultry leg"), ("leg", "poultry leg"), ("moon", "full moon"), ("car", "automobile")),
        *(("cake", "fish cake with swirl"), ("cake", "birthday cake"), ("bride", "person with veil")),
        *(("orange", "orange heart"), ("orange", "tangerine")),
    )
    assert caption(prompt, Stock((*things, *people, *foods), keywords)).text == said


def test_emoji_and_words_of_other_languages_are_names_and_need_no_remark() -> None:
    for prompt in ("🐸", "zwei rote Frösche", "🐸🐺", "dos perros"):
        assert caption(prompt, STOCK).remarks == ()


def test_the_encoder_reads_the_caption_and_says_what_became_of_a_prompt() -> None:
    words = ["a", "dog", "red", "apple", "t-rex"]
    inner = TextEncoder(Subwords.train(words, NAMES, 40), 8, NAMES, frozenset(words))
    encoder = CaptionEncoder(inner, caption)
    puppy, dog = encoder(["a puppy", "a dog"], {})["text"].value
    assert puppy.tolist() == dog.tolist()
    assert encoder.remarks("a puppy", {}) == ("'a puppy' is read as 'dog'",)
    assert encoder.unknown_words("a puppy") == ()
    assert encoder.unknown_words("a xyzzy") == ("xyzzy",)
    assert encoder.remarks("a dog", {}) == ()
    assert dataclasses.replace(encoder, keywords=(("puppy", "dog"),)).remarks("a cat, a puppy", {}) == ()
    assert "a thing has one colour: 'red' is not read, 'blue' is" in encoder.remarks("a red blue puppy", {})
    assert "'seven' is read as 'five', the most that the model counts to" in encoder.remarks(
        "seven puppies", {}
    )
    for nothing in ("?!", "of the", "the of and"):
        assert encoder.remarks(nothing, {}) == ("no word of it says what to make",)
    assert len(encoder.remarks("a puppy in the park " * 100, {})[0]) < 100
    negated = encoder.remarks("a puppy without a hat", {})
    assert "the model cannot leave things out: 'without a hat' is not read" in negated
    left_out = "the model cannot leave things out: 'not a dog' is not read"
    assert encoder.remarks("not a dog", {}) == (left_out, "no word of it says what to make")
    with pytest.raises(UsageError, match=r"control character U\+0007"):
        encoder.remarks("a\x07dog", {})


@pytest.mark.parametrize("prompt", ["no dog", "not a dog but a frog", ""])
def test_a_stock_of_which_nothing_is_wanted_is_no_error(prompt: str) -> None:
    assert caption(prompt, Stock(("dog",))).text in (prompt, "a frog")
