"""Keys and tempi as people write them."""

from __future__ import annotations

import pytest

from gen_audio.directions import Directions, directions


@pytest.mark.parametrize(
    ("prompt", "rest", "key"),
    [
        ("a piano melody in c# minor", "a piano melody", "c sharp minor"),
        ("c# minor piano", "piano", "c sharp minor"),
        ("Bb major", "", "b flat major"),
        ("piano in F sharp", "piano", "f sharp major"),
        ("piano in the key of D", "piano", "d major"),
        ("piano in Am", "piano", "a minor"),
        ("Klavier in cis-Moll", "Klavier", "c sharp minor"),
        ("Es-Dur Klavier", "Klavier", "e flat major"),
        ("Klavier in B-Dur", "Klavier", "b flat major"),
        ("Orgel, h-Moll", "Orgel", "b minor"),
        ("piano en ré dièse majeur", "piano", "e flat major"),
        ("guitarra en la menor", "guitarra", "a minor"),
    ],
)
def test_keys_are_read_as_captions_say_them(prompt: str, rest: str, key: str) -> None:
    assert directions(prompt) == Directions(rest, key)


@pytest.mark.parametrize(
    ("prompt", "rest", "bpm"),
    [
        ("piano melody 120.5 bpm", "piano melody", 120.5),
        ("piano, 90 beats per minute", "piano", 90),
        ("piano at 100bpm", "piano", 100),
        ("piano tempo 80", "piano", 80),
        ("a song with a tempo of 150", "a song", 150),
        ("violin allegro", "violin", 130),
        ("piano, adagio", "piano", 70),
        ("drums at 9999 bpm", "drums", 300),
    ],
)
def test_tempi_are_read(prompt: str, rest: str, bpm: float) -> None:
    assert directions(prompt) == Directions(rest, "", bpm)


@pytest.mark.parametrize(
    "prompt",
    [
        "a minor crash",
        "a man in a major city",
        "a dog in a park",
        "piano in D dorian",
        "e-piano",
        "100 birds",
    ],
)
def test_other_words_are_no_key_and_no_tempo(prompt: str) -> None:
    assert directions(prompt) == Directions(prompt)
