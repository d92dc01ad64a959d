"""What prompts ask for, in plain English: a table of prompts for each thing that all modalities share."""

from __future__ import annotations

import pytest

from gen.words import request

PLACES = {
    "a cat beneath a table": "a cat below a table",
    "a cat underneath a table": "a cat below a table",
    "a dog on the left-hand side of a cat": "a dog left of a cat",
    "a dog to the left of a cat": "a dog left of a cat",
    "a dog on the right side of a cat": "a dog right of a cat",
    "a cat atop a car": "a cat on top of a car",
    "a cat beside a dog": "a cat next to a dog",
    "a cat alongside a dog": "a cat next to a dog",
    "un chien à côté d'une maison": "a dog next to a house",
    "um pássaro em cima de uma árvore": "a bird above a tree",
    "a cat on the right side of the picture": "a cat on the right side",
    "a car that is parked under a tree": "a car under a tree",
    "a car turning left from the road": "a car turning left from the road",
    "the left hand of god": "the left hand of god",
    "ein Hund links neben einer Katze": "a dog left of a cat",
    "ein Hund rechts von einer Katze": "a dog right of a cat",
    "ein Hund vor einem Haus": "a dog in front of a house",
    "un chat à gauche d'un chien": "a cat left of a dog",
    "un gato debajo de una mesa": "a cat below a table",
    "un perro a la izquierda de un gato": "a dog left of a cat",
    "un gatto a sinistra di un cane": "a cat left of a dog",
    "um gato à esquerda de um cachorro": "a cat left of a dog",
}
BACKGROUNDS = {
    "ein Apfel auf blauem Grund": "an apple on blue background",
    "une pomme sur fond bleu": "an apple on blue background",
    "una manzana sobre fondo azul": "an apple on blue background",
    "una mela su sfondo blu": "an apple on blue background",
    "uma maçã em fundo azul": "an apple on blue background",
}
NUMBERS = {
    "cats x3": "3 cats",
    "x3 cats": "3 cats",
    "3x cats": "3 cats",
    "a cat x 3 and a dog": "3 cat and a dog",
    "a 4x4 car": "a 4x4 car",
    "a couple of cats": "two cats",
    "a pair of dogs": "two dogs",
    "a pair of red glasses": "red glasses",
    "a dozen eggs": "twelve eggs",
    "half a dozen eggs": "six eggs",
    "🐸🐸🐸": "three frog",
    "🐸🐺": "frog, wolf",
}
ABSENCE = {
    "a table without chairs": "a table",
    "a house with no windows": "a house",
    "a house with no windows and a tree": "a house, and a tree",
    "not a cat but a dog": "a dog",
    "not a cat": "",
    "ein Haus ohne Fenster": "a house",
    "a forget-me-not": "a forget-me-not",
    "a car without wheels drives left": "a car, drives left",
    "a pizza with no cheese spinning": "a pizza, spinning",
    "no dogs barking": "",
    "no drums, just guitar": "guitar",
    "thunder, but no rain": "thunder",
}
COLOURS = {
    "an orange": "a tangerine",
    "two oranges": "two tangerines",
    "eine Orange": "a tangerine",
    "a juicy orange on a table": "a juicy tangerine on a table",
    "an orange rolls left": "a tangerine rolls left",
    "an orange rolling left": "a tangerine rolling left",
    "an orange and a rose": "a tangerine and a rose",
    "a violet": "a violet flower",
    "violets": "violet flowers",
    "an orange cat": "an orange cat",
    "an orange striped cat": "an orange striped cat",
    "an orange bouncing ball": "an orange bouncing ball",
    "the orange cats": "the orange cats",
    "orange juice": "orange juice",
    "a red and orange car": "a red and orange car",
    "a whale in the deep blue": "a whale in the ocean",
    "the deep blue sea": "the deep blue sea",
    "the car is orange": "the car is orange",
    "a lime green car": "a green car",
    "an olive green tank": "a green tank",
    "tres rosas rojas": "three rose red",
    "des roses rouges": "roses red",
    "un citron jaune": "a lemon yellow",
    "a cat, orange": "a cat, orange",
    "a dog on an orange background": "a dog on an orange background",
}
FRAMES = {
    "can you draw me a picture of two cats, please": "two cats",
    "I want to see a dog": "a dog",
    "hey, could you please draw me a dog? thanks!": "a dog",
    "give me a dog pls": "a dog",
    "can you draw a dog for me?": "a dog",
    "hi": "hi",
    "hey, a dog": "hey, a dog",
    "draw me a dog please": "a dog",
    "be quiet please": "be quiet please",
    "a short funny video of a cat": "a cat",
    "a high quality 3d model of a robot": "a robot",
    "a dancing cat gif": "a dancing cat",
    "the sound of rain": "rain",
    "make a snowman": "a snowman",
    "a statue of a horse": "a horse",
    "statue of liberty": "statue of liberty",
    "show jumping": "show jumping",
    "a model train": "a model train",
    "a man with a picture of a dog": "a man with a picture of a dog",
    "dog / frog; wolf": "dog, frog, wolf",
}


@pytest.mark.parametrize(
    ("prompt", "text"),
    [pair for table in (PLACES, BACKGROUNDS, NUMBERS, ABSENCE, COLOURS, FRAMES) for pair in table.items()],
)
def test_prompts_are_said_in_plain_english(prompt: str, text: str) -> None:
    assert request(prompt).text == text


@pytest.mark.parametrize(
    ("prompt", "text", "unread"),
    [
        (
            "masterpiece, best quality, 4k, trending on artstation, a cat",
            "a cat",
            ("masterpiece", "best quality", "4k", "trending on artstation"),
        ),
        (
            "a cat, by greg rutkowski, in the style of monet",
            "a cat",
            ("by greg rutkowski", "in the style of monet"),
        ),
        ("a cat 4k hd", "a cat", ("4k hd",)),
        ("a low poly cat", "a cat", ("low poly",)),
        ("heavy rain, high quality", "heavy rain", ("high quality",)),
        ("1.5 cats", "cats", ("1.5",)),
        ("a tiger --ar 16:9 --v 5", "a tiger", ("--ar 16:9", "--v 5")),
        ("<lora:film:0.8> a cat", "a cat", ("<lora:film:0.8>",)),
        ("a house, by the sea", "a house, by the sea", ()),
        ("piano, 1.5 beats per minute", "piano, 1.5 beats per minute", ()),
        ("masterpiece", "masterpiece", ()),
        ("a 4k tv", "a 4k tv", ()),
    ],
)
def test_tags_of_style_and_fractions_change_nothing_and_are_named(
    prompt: str, text: str, unread: tuple[str, ...]
) -> None:
    assert request(prompt).text == text
    assert request(prompt).unread == unread


def test_names_stay_as_they_are_written() -> None:
    assert request("a mug without a lid").text == "a mug"
    assert request("a mug without lid", ("mug without lid",)).text == "a mug without lid"
    assert request("dancing gif", ("dancing gif",)).text == "dancing gif"
