"""Prompts in free words become captions of the grammar; captions stay as they are written."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from gen.model import ModelFile
from gen.nn import Caption, CaptionEncoder, PromptEncoder, keywords_of
from gen.train.natural_prompts import natural_prompts
from gen.words import Stock
from gen_audio import captions as of_sounds
from gen_audio import composition
from gen_audio import vocabulary as sounds
from gen_audio.training.data import clips, effects, music
from gen_image import captions as of_pictures
from gen_mesh import captions as of_shapes
from gen_mesh import vocabulary as shapes
from gen_mesh.training.data import shapes as drawn
from gen_mesh.training.data.builder import FAMILIES, PALETTE
from gen_video import captions as of_clips
from gen_video import vocabulary as moving
from gen_video.training.data import clips as scenes
from gen_video.training.data.backgrounds import COLOURS
from gen_video.training.data.things import Things

Say = Callable[[str], Caption]


def names_of(modality: str, model: str) -> tuple[str, ...]:
    return ModelFile(Path(str(files(f"gen_{modality}") / "weights" / f"{model}.safetensors"))).names


@pytest.fixture(scope="module")
def stocks() -> Mapping[str, Stock]:
    emoji = ModelFile(Path(str(files("gen_image") / "weights" / "emoji.safetensors")))
    return {
        "image": Stock(emoji.names, keywords_of(emoji.config)),
        "audio": Stock(names_of("audio", "sounds"), sounds.KEYWORDS),
        "video": Stock(names_of("video", "motion"), moving.KEYWORDS),
        "mesh": Stock(names_of("mesh", "shapes"), shapes.KEYWORDS),
    }


@pytest.fixture(scope="module")
def say(stocks: Mapping[str, Stock]) -> Mapping[str, Say]:
    captions = {"image": of_pictures, "audio": of_sounds, "video": of_clips, "mesh": of_shapes}
    return {name: partial(_said, module.caption, stocks[name]) for name, module in captions.items()}


def _unstocked(one: Say, prompt: str, _: Stock) -> Caption:
    return one(prompt)


def _said(caption: Callable[[str, Stock], Caption], stock: Stock, prompt: str) -> Caption:
    return caption(prompt, stock)


def test_captions_of_sounds_stay(say: Mapping[str, Say]) -> None:
    rng = random.Random(1)
    for _ in range(400):
        for clip in (music.draw(rng), effects.draw(rng)):
            for text in (clips.caption(clip, rng), clips.canonical(clip)):
                assert say["audio"](text) == Caption(text)
    for name in (*sounds.INSTRUMENTS, *sounds.EFFECTS):
        assert say["audio"](name) == Caption(name)


def test_captions_of_clips_stay(say: Mapping[str, Say]) -> None:
    rng = random.Random(1)
    named = {name: gait for gait, names in moving.GAITS.items() for name in names}
    names = tuple((name, *([moving.ALIASES[name]] if name in moving.ALIASES else [])) for name in named)
    every = Things(names, tuple(named.values()), np.zeros((0, 1, 1, 4), np.uint8), {})
    for number in range(400):
        clip = scenes.draw(every, frozenset(range(len(every))), rng)
        for text in (scenes.caption(clip, every, rng, loop=number % 2 == 0), scenes.canonical(clip, every)):
            assert say["video"](text) == Caption(text)


def test_captions_of_shapes_stay(say: Mapping[str, Say]) -> None:
    rng = random.Random(1)
    for _ in range(400):
        shape = drawn.draw(rng)
        for text in (drawn.caption(shape, rng), drawn.canonical(shape)):
            assert say["mesh"](text) == Caption(text)


def test_the_vocabularies_are_those_of_the_grammars() -> None:
    assert tuple(composition.RANGES) == sounds.INSTRUMENTS
    assert composition.BEATS == sounds.STYLES
    assert tuple(composition.MOODS) == sounds.MOODS
    assert effects.AXES == sounds.AXES
    said = {name: (" ".join(one.axes), "|".join(one.names)) for name, one in effects.EFFECTS.items()}
    assert said == sounds.EFFECTS
    assert tuple(COLOURS) == moving.COLOURS
    assert tuple(scenes.HUES) == moving.HUES
    assert set(PALETTE) == set(shapes.COLOURS)
    assert {name: key for key, family in FAMILIES.items() for name in family.names} == shapes.NAMES


@pytest.mark.parametrize(
    ("modality", "prompt", "said"),
    [
        ("image", "cat, dog", "cat and dog"),
        ("image", "a clown", "a clown face"),
        ("image", "a boy and kitten", "a boy and cat"),
        ("image", "a dog and six kittens", "a dog and three cats"),
        ("image", "gold medal", "gold medal"),
        ("image", "👀", "staring eyes"),
        ("image", "1st place medals", "gold medals"),
        ("image", "no text, a red car", "a red automobile"),
        ("image", "no phones and a dog", "dog"),
        ("image", "cooking", "fried egg"),
        ("image", "a monkey that cannot bear to look", "a see-no-evil monkey"),
        ("image", "coffee, newspaper and a bagel", "hot beverage, newspaper and a bagel"),
        ("image", "the king's son", "the prince"),
        ("image", "three cooks", "three cooks"),
        ("image", "the 1st place medal", "the gold medal"),
        ("image", "two sparklers", "two sparkler fireworks"),
        ("image", "some sparkles", "some sparkling stars"),
        ("image", "big yellow bloom facing the light", "big yellow sunflower"),
        ("image", "so quiet and surprised", "hushed face"),
        ("image", "san salvador's country banner", "flag el salvador"),
        ("image", "do not drink from this tap", "non-potable water"),
        ("image", "no bikes", "no bicycles"),
        ("image", "a piggy's head", "a pig face"),
        ("image", "🐱🐶", "cat face and dog face"),
        ("image", "guitar, book, banana", "guitar, books and banana"),
        ("image", "a cat underneath a tree", "a cat below a deciduous tree"),
        ("image", "ein Hund links neben einer Katze", "a dog left of a cat"),
        ("image", "un gato debajo de un árbol", "a cat below a deciduous tree"),
        ("image", "a cat between two dogs", "a cat next to two dogs"),
        ("image", "a cat between a dog and a frog", "a cat, a dog and a frog"),
        ("image", "a dog wearing orange sunglasses", "a dog next to orange sunglasses"),
        ("image", "une pomme sur fond bleu", "a red apple on a blue background"),
        ("image", "cats x3", "three cats"),
        ("image", "two mice", "two mice"),
        ("image", "a cat and a dog and a bird", "a cat, a dog and a bird"),
        ("image", "a cat left of a dog left of a bird", "a cat, a dog and a bird"),
        ("image", "a fish in a bowl", "a fish"),
        ("image", "a car parked under a tree", "an automobile below a deciduous tree"),
        ("image", "a black woman firefighter", "a woman firefighter with dark skin tone"),
        ("image", "two black men", "two mans with dark skin tone"),
        ("image", "a black cat", "a black cat"),
        ("image", "the sea", "the water wave"),
        ("image", "赤いリンゴ", "red apple"),
        ("image", "girrafe", "giraffe"),
        ("image", "a crab on the beach", "a crab"),
        ("image", "three men", "three mans"),
        ("image", "a dozen eggs", "five eggs"),
        ("image", "a huge elephant", "a big elephant"),
        ("image", "three small dogs", "three dogs"),
        ("image", "a house with no windows", "a house"),
        ("image", "a man on a horse", "a man above a horse"),
        ("image", "a houseplant in a pot", "a potted plant"),
        ("image", "the number 7", "the keycap 7"),
        ("image", "the letter Z", "the input latin letters"),
        ("image", "masterpiece, best quality, a cat", "a cat"),
        ("image", "a violet", "a purple blossom"),
        ("image", "rote Rosen", "red rose"),
        ("image", "la playa", "the beach with umbrella"),
        ("audio", "ein Hund bellt", "a dog barking"),
        ("video", "dog!!!", "a dog"),
        ("video", "small red ball", "a small red ball"),
        ("video", "a dog left of a cat", "a dog beside a cat"),
        ("video", "ein Hund rennt nach links", "a dog runs left"),
        ("video", "a car without wheels drives left", "a car drives left"),
        ("video", "a cat jumping, a dog spinning", "a cat bounces and a dog spins"),
        ("video", "surprise, a present shows up", "a gift appears"),
        ("video", "a violet grows", "a purple sunflower grows"),
        ("mesh", "a tall house", "a house"),
        ("mesh", "a cube next to a sphere", "a cube"),
        ("mesh", "an orange", "an apple"),
        ("mesh", "cubes x3", "a cube"),
        ("mesh", "eine Vase ohne Blumen", "a vase"),
        ("mesh", "une voiture rouge sans toit", "a red car with no roof"),
        ("mesh", "an apple with a bite", "an apple with a bite taken out"),
        ("video", "ein Ball rollt nach rechts", "a ball rolls right"),
        ("audio", "a loud dog barking in the distance", "a distant dog barking"),
        ("mesh", "una silla azul", "a blue chair"),
        ("audio", "a fast happy piano tune", "a fast happy piano tune"),
        ("audio", "8-bit game music", "a game over sound"),
        ("audio", "SAD VIOLIN!!!", "a sad violin melody"),
        ("audio", "violin, sad", "a sad violin melody"),
        ("audio", "dogs barking far away", "a distant dog barking"),
        ("audio", "a window breaks", "breaking glass"),
        ("audio", "some jazz drums, quick", "a fast jazz drum beat"),
        ("audio", "a cello song in d minor at 90 bpm", "a cello melody in d minor, 90 bpm"),
        ("audio", "🎻", "a violin melody"),
        ("audio", "ein trauriges Klavier", "a sad piano melody"),
        ("audio", "rain without thunder", "rain"),
        ("video", "a golden retriever running", "a yellow dog runs right"),
        ("video", "t-rex stomping leftwards", "a dinosaur runs left"),
        ("video", "panda tumbling to the right", "a panda rolls right"),
        ("video", "a ball tumbling", "a ball rolls right"),
        ("video", "sparkling gem rotating in a display", "a diamond spins"),
        ("video", "a comet in a ring", "a comet"),
        ("video", "puppy chasing its own tail", "a dog circles"),
        ("video", "longboard coasting away past the right side", "a skateboard drives past to the right"),
        ("video", "slug inching up the wall", "a snail moves up"),
        ("video", "hedgehog curling up and rolling left", "a hedgehog rolls left"),
        ("video", "fireworks going off", "fireworks"),
        ("video", "an owl perched on a branch", "an owl"),
        ("video", "a dog chases a mailman", "a dog runs right past a runner"),
        ("video", "a cat looking at the camera", "a cat"),
        ("video", "a dog spinning right", "a dog spins"),
        ("video", "grizzly bear charging at the camera", "a bear grows"),
        ("video", "jogger running through the park", "a runner runs right on the grass"),
        ("video", "a hunter", "a runner"),
        ("video", "a boy with a dog", "a runner beside a dog"),
        ("video", "a chef with a pizza", "a runner beside a pizza"),
        ("video", "my grandma dancing", "a runner bounces"),
        ("video", "pizza with mushrooms", "a pizza"),
        ("video", "a man with a hat dancing", "a runner bounces"),
        ("video", "an anchor swaying under the boat", "an anchor swings"),
        ("video", "a whale in the deep blue", "a whale at sea"),
        ("video", "macbook opening", "a laptop grows"),
        ("video", "🐱🐶", "a cat face beside a dog face"),
        ("video", "cat runs and dog jumps", "a cat runs right past a dog"),
        ("video", "a fly going round and round a lamp", "a fly circles a light bulb"),
        ("video", "a dog jumping", "a dog bounces"),
        ("video", "jumping dog", "a dog bounces"),
        ("video", "A PUPPY, LEAPING!", "a dog bounces"),
        ("video", "the ball is bouncing", "a ball bounces"),
        ("video", "a bird flies across the sky", "a bird flies right in the sky"),
        ("video", "a wheel spinning around slowly", "a wheel spins slowly"),
        (
            "video",
            "a small red car driving left on a striped background",
            "a small red car drives left on a blue striped background",
        ),
        ("video", "a puppy running past a tree", "a dog runs right past a tree"),
        ("video", "a bee flying around a flower", "a bee circles a sunflower"),
        ("video", "a whale and a dog jumping", "a dog bounces beside a whale"),
        ("video", "an orange rolling left", "an orange rolls left"),
        ("video", "a fly buzzing in a circle", "a fly circles"),
        ("video", "the sun going down", "a sun moves down"),
        ("video", "🐱 jumping", "a cat face bounces"),
        ("video", "ein Hund springt", "a dog bounces"),
        ("video", "a cat chasing a mouse", "a cat runs right past a mouse"),
        ("video", "a squirrel climbing a tree", "a chipmunk moves up"),
        ("video", "a cow jumping over the moon", "a cow bounces beside a moon"),
        ("video", "a dragon flying over a castle", "a dragon flies right past a castle"),
        ("video", "a cat sleeping and a dog running left", "a dog runs left past a cat"),
        ("video", "a rocket taking off and a dog jumping", "a rocket flies up"),
        ("video", "two dogs jumping", "a dog bounces and a dog bounces"),
        ("video", "a car driving down the street", "a car drives right on the road"),
        ("video", "a red car turning left", "a red car drives left"),
        ("video", "a wheel turning slowly", "a wheel spins slowly"),
        ("video", "a car driving right past", "a car drives past to the right"),
        ("video", "a turtle upside down", "a turtle"),
        ("video", "a man riding a bike", "a cyclist runs right"),
        ("video", "a nurse waving", "a runner swings"),
        ("video", "a car parked in the driveway", "a car"),
        ("video", "phone ringing", "a phone shakes"),
        ("video", "a leaf in the autumn wind", "a leaf swings"),
        ("video", "bugs bunny munching", "a rabbit shakes"),
        ("video", "men walking", "a runner runs right"),
        ("video", "two women on the grass", "a runner beside a runner on the grass"),
        ("video", "a sunset", "a sun moves down"),
        ("video", "a plane flying at sunset", "a plane flies right"),
        ("video", "a rooster crowing", "a rooster shakes"),
        ("video", "a ring glittering", "a ring blinks"),
        ("video", "a trophy growing bigger and bigger", "a trophy grows"),
        ("video", "an apple falling in slow motion", "an apple falls slowly"),
        ("video", "a bat flying at night", "a bat flies right on a black background"),
        ("video", "a gif of a spinning pizza", "a pizza spins"),
        ("video", "zooming into a castle", "a castle, the camera zooms in"),
        ("video", "an airplane doing a loop", "a plane circles"),
        ("video", "an earthquake shakes a house", "a house shakes"),
        ("video", "a bear shakes a tree", "a bear shakes beside a tree"),
        ("video", "an ice cube melting in the sun", "an ice cream shrinks"),
        ("video", "a heart that pounds", "a heart beats"),
        ("video", "a vampire turns into a bat", "a vampire"),
        ("video", "a lamp switches on in the dark", "a light bulb blinks on a black background"),
        ("video", "a penguin slides down a hill", "a penguin moves down on the grass"),
        ("mesh", "chair, red", "a red chair"),
        ("mesh", "a TINY kitten!", "a small kitten"),
        ("mesh", "a wooden kitchen chair", "a brown chair"),
        ("mesh", "ein roter Stuhl", "a red chair"),
        ("mesh", "🚗", "a car"),
        ("mesh", "a mug without a handle", "a mug with no handle"),
        ("mesh", "a yacht with white sails", "a sailboat with a white sail"),
        ("mesh", "a silver key", "a grey key"),
        ("mesh", "the letter B in red", "a red letter b"),
        ("mesh", "a wooden letter k", "a brown letter k"),
    ],
)
def test_free_words_become_captions(say: Mapping[str, Say], modality: str, prompt: str, said: str) -> None:
    assert say[modality](prompt).text == said


@pytest.mark.parametrize("modality", ["audio", "video", "mesh"])
def test_what_says_nothing_of_the_kind_stays(say: Mapping[str, Say], modality: str) -> None:
    for prompt in ("", "?!", "of the", "qwxz vrblk"):
        assert say[modality](prompt) == Caption(prompt)


@pytest.mark.parametrize(
    ("modality", "prompt", "remarks"),
    [
        ("audio", "a sad happy piano", ["not read: happy"]),
        ("audio", "a sword hitting a shield", ["'sword hitting shield' is read as 'metal clang'"]),
        ("video", "a red blue car driving left", ["not read: blue"]),
        ("video", "two dogs running", ["not read: two"]),
        ("video", "a hippo jumping", ["'hippo' is read as 'hippopotamus'"]),
        ("video", "a bomb exploding", ["'a bomb exploding' is read as 'grows'"]),
        ("video", "a dog running and a cat jumping", ["not read: bounces"]),
        ("video", "a frog jumping to the right", ["not read: jumping"]),
        ("video", "a cow jumping over the moon", ["'over' is read as 'beside'"]),
        ("video", "a moon rising over a house", ["not read: house"]),
        ("video", "the wind shakes a tree", ["not read: wind"]),
        ("video", "a dog runs in the rain", ["not read: in the rain"]),
        ("video", "ice cream with a cherry on top", ["not read: cherries"]),
        ("image", "a cat left of a dog left of a bird", ["'left of' is read as 'and'"]),
        ("image", "a fish in a bowl", ["not read: in a bowl"]),
        ("image", "1.5 cats", ["not read: 1.5"]),
        ("image", "a tall man", ["not read: tall"]),
        ("image", "a big dog and a small cat", ["not read: big, small"]),
        ("image", "best quality, a cat, 4k", ["not read: best quality, 4k"]),
        ("image", "a cat behind a tree", ["'behind' is read as 'next to'"]),
        ("audio", "rain at 90 bpm", ["not read: at 90 bpm"]),
        ("video", "a dog left of a cat", ["'left of' is read as 'beside'"]),
        ("mesh", "a tall house", ["not read: tall"]),
        ("mesh", "a cube next to a sphere", ["not read: next to a sphere"]),
        ("mesh", "a mug without a handle", []),
        ("mesh", "a red blue car", ["not read: blue"]),
        ("mesh", "a chair with wings", ["not read: with wings"]),
        ("mesh", "a cat and a dog", ["not read: dog"]),
    ],
)
def test_guesses_and_what_is_not_read_are_named(
    say: Mapping[str, Say], modality: str, prompt: str, remarks: Sequence[str]
) -> None:
    assert say[modality](prompt).remarks == tuple(remarks)


@pytest.mark.parametrize(
    "prompt",
    [
        "a dog " * 330,
        "a dog without a hat, " * 95,
        "a dog in a xqzt, near a red wibble with a quux and " * 40,
    ],
)
def test_a_long_prompt_is_read_and_named_in_short(
    say: Mapping[str, Say], stocks: Mapping[str, Stock], prompt: str
) -> None:
    for modality, one in say.items():
        words = PromptEncoder(64, stocks[modality].names, frozenset(["dog"]))
        encoder = CaptionEncoder(words, partial(_unstocked, one))
        remarks = encoder.remarks(prompt, {})
        assert "dog" in one(prompt).text
        assert len(remarks) <= 3
        assert all(len(remark) < 210 for remark in remarks)


def _sound(text: str, answer: str) -> bool:
    if answer == "drums":
        return text.endswith(("drum beat", "beat", "drums", "drum loop"))
    names = sounds.EFFECTS[answer][1].split("|") if answer in sounds.EFFECTS else [answer]
    others = [name for name in sounds.INSTRUMENTS if name != answer and answer in name]
    bare = [re.sub("^(?:an?|the) ", "", name) for name in names]
    return any(name in text for name in bare) and not any(name in text for name in others)


MOST_PROMPTS = 300
"""Of a file that are read, as each takes some 20 ms."""
_WHERE_AND_HOW_FAST = re.compile(
    rf"(?: (?:slowly|fast))?(?: (?:{'|'.join(moving.PLACES.values())}|on an? [a-z]+ background))?(?:, loop)?$"
)


def _clip(text: str, answer: str) -> bool:
    thing, motion = answer.split(", ")
    if thing not in text:
        return False
    if motion in moving.VERBS:
        return any(said in text for said in moving.VERBS[motion])
    text = _WHERE_AND_HOW_FAST.sub("", text)
    verb, _, way = motion.rpartition(" ")
    if motion == "still":
        return text.endswith(thing)
    return text.endswith(f" {way}") and {"past": "past", "roll": "rolls"}.get(verb, "") in text


def _shape(text: str, answer: str) -> bool:
    family = shapes.NAMES[answer]
    names = [name for name, of in shapes.NAMES.items() if of == family]
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in names)


@pytest.mark.parametrize(
    ("modality", "right", "file", "share"),
    [
        ("audio", _sound, "natural_prompts", 0.85),
        ("video", _clip, "natural_prompts", 0.75),
        ("mesh", _shape, "natural_prompts", 0.9),
        ("audio", _sound, "development_prompts", 0.9),
        ("video", _clip, "development_prompts", 0.85),
        ("mesh", _shape, "development_prompts", 0.9),
    ],
)
def test_natural_prompts_become_captions_of_what_is_right(
    say: Mapping[str, Say], modality: str, right: Callable[[str, str], bool], file: str, share: float
) -> None:
    path = Path(str(files(f"gen_{modality}") / "training" / "data" / f"{file}.txt"))
    prompts = natural_prompts(path)
    read = list(prompts)[:: math.ceil(len(prompts) / MOST_PROMPTS)]
    found = [any(right(say[modality](prompt).text, one) for one in prompts[prompt]) for prompt in read]
    assert sum(found) > share * len(found)
