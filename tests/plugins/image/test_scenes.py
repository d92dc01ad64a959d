"""Scenes, captions and pictures, on a small set of emoji that is drawn here."""

import random

import numpy as np
import pytest

from gen.train.emoji import Emoji, EmojiSet
from gen.train.recolouring import PAINTS
from gen.words import read, word_table
from gen_image import things
from gen_image.training.data.render import Renderer, backdrop
from gen_image.training.data.scenes import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    GROUPS,
    POSITIONS,
    Background,
    Pool,
    Scene,
    Thing,
    canonical,
    caption,
    draw,
    held_out,
)

NAMES = [
    f"{colour} {shape}" for colour in ("red", "green", "blue") for shape in ("apple", "box", "leaf of gold")
]


@pytest.fixture(scope="module")
def emoji_set() -> EmojiSet:
    """Discs of one colour each, wider at the left."""
    y, x = np.mgrid[:128, :128]
    sprites = np.zeros((len(NAMES), 128, 128, 4), np.uint8)
    for index, name in enumerate(NAMES):
        sprites[index, ..., :3] = COLOURS[name.split()[0]]
        sprites[index, ..., 3] = 255 * ((x - 64) ** 2 + (y - 64) ** 2 < (50 - x / 8) ** 2)
    emoji = tuple(Emoji(chr(65 + i), name, (name.split()[1],)) for i, name in enumerate(NAMES))
    return EmojiSet(emoji, sprites)


@pytest.fixture(scope="module")
def renderer(emoji_set: EmojiSet) -> Renderer:
    return Renderer(emoji_set)


def centre(picture: np.ndarray) -> tuple[float, float]:
    weight = (np.abs(picture.astype(float) - 255).sum(-1) > 30).astype(float)
    y, x = np.mgrid[:128, :128] + 0.5
    return float((weight * y).sum() / weight.sum()), float((weight * x).sum() / weight.sum())


@pytest.mark.parametrize("position", POSITIONS)
def test_a_thing_stands_where_its_caption_says(
    renderer: Renderer, emoji_set: EmojiSet, position: str
) -> None:
    scene = Scene(position, (Thing(0),))
    y, x = centre(renderer.render([scene])[0])
    top, left = POSITIONS[position]
    assert abs(y - top - 32) < 4
    assert abs(x - left - 32) < 4
    assert position in canonical(scene, emoji_set.emoji)


def test_the_first_of_a_pair_is_left_or_above(renderer: Renderer, emoji_set: EmojiSet) -> None:
    beside, above = renderer.render([Scene(layout, (Thing(0), Thing(8))) for layout in ("beside", "above")])
    for first, second in ((beside[:, :64], beside[:, 64:]), (above[:64], above[64:])):
        assert first.reshape(-1, 3).mean(0).argmax() == 0  # red
        assert second.reshape(-1, 3).mean(0).argmax() == 2  # blue
    assert (
        canonical(Scene("beside", (Thing(0), Thing(7))), emoji_set.emoji) == "a red apple left of a blue box"
    )


@pytest.mark.parametrize("layout", GROUPS)
def test_groups_stand_in_their_halves_as_often_as_their_caption_says(
    renderer: Renderer, emoji_set: EmojiSet, layout: str
) -> None:
    relation, first, second = GROUPS[layout]
    scene = Scene(layout, (Thing(0),) * first + (Thing(7),) * second)
    picture = renderer.render([scene])[0]
    if relation == "above":
        picture = picture.transpose(1, 0, 2)
    for half, count, colour in ((picture[:, :64], first, 0), (picture[:, 64:], second, 2)):
        seen = (half.min(-1) < 200).any(1)
        assert (np.diff(seen.astype(int)) == 1).sum() + seen[0] == count
        assert half[(half.min(-1) < 200)].mean(0).argmax() == colour
    said = {1: ("a red apple", "a blue box"), 2: ("two red apples", "two blue boxes")}
    said[3] = ("three red apples", "three blue boxes")
    between = {"beside": "left of", "above": "above"}[relation]
    assert canonical(scene, emoji_set.emoji) == f"{said[first][0]} {between} {said[second][1]}"


def test_hue_and_mirror_change_the_sprite(renderer: Renderer) -> None:
    plain, blue, mirrored = renderer.render(
        [Scene("single", (thing,)) for thing in (Thing(0), Thing(0, "blue"), Thing(0, mirrored=True))]
    )
    assert plain[64, 64].argmax() == 0
    assert blue[64, 64].argmax() == 2
    assert (mirrored == plain[:, ::-1]).mean() > 0.97
    assert (mirrored != plain).any()


def test_every_background_is_its_own(renderer: Renderer) -> None:
    pictures = {str(ground): backdrop(ground).tobytes() for ground in BACKGROUNDS}
    assert len(set(pictures.values())) == len(BACKGROUNDS) == 12 + 4 * 8
    scene = Scene("single", (Thing(0),), Background("blue"))
    assert (renderer.render([scene])[0][0, 0] == COLOURS["blue"]).all()


def test_about_one_in_twenty_combinations_is_held_out_and_never_drawn(emoji_set: EmojiSet) -> None:
    many = [Emoji(chr(300 + i), f"thing {i}", ()) for i in range(400)]
    scenes = [Scene("single", (Thing(i),), ground) for i in range(400) for ground in BACKGROUNDS[1:]]
    share = np.mean([held_out(scene, many) for scene in scenes])
    assert 0.04 < share < 0.06
    assert not any(held_out(Scene("single", (Thing(i),)), many) for i in range(400))
    pair = [Scene("beside", (Thing(i), Thing(i + 1))) for i in range(399)]
    assert [held_out(s, many) for s in pair] == [held_out(Scene("above", s.things[::-1]), many) for s in pair]
    rng = random.Random(0)
    for kind in ("background", "position", "pair", "groups", "several", "changed"):
        assert not any(held_out(draw(kind, Pool(many), rng), many) for _ in range(100))


def test_captions_name_everything_they_show(emoji_set: EmojiSet) -> None:
    wrong = 0
    rng, table = random.Random(0), word_table()
    for kind in ("background", "position", "pair", "groups", "changed"):
        for _ in range(100):
            scene = draw(kind, Pool(emoji_set.emoji), rng)
            text = " ".join(table.names[row] for row in read(caption(scene, emoji_set.emoji, rng)).rows)
            said = [word for thing in scene.things for word in (NAMES[thing.emoji].split()[1], thing.paint)]
            if scene.background.colour != "white":
                said += [scene.background.colour, scene.background.pattern]
            wrong += not all(word in text for word in said)
    # Two words beside each other are sometimes a phrase of the table.
    assert wrong <= 6


def test_prompts_may_name_every_colour_and_number_that_captions_name() -> None:
    assert set(things.PAINTS) == PAINTS.keys()
    assert set(things.NUMBERS) >= set(COUNTS)
