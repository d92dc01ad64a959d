"""What ``gen eval image`` measures, on a model that draws right and one that draws wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.evaluation import Trial
from gen.model import Model
from gen.train.emoji import Emoji, EmojiSet
from gen_image.training import evaluate, prompts
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer
from gen_image.training.data.scenes import Scene, Thing
from gen_image.training.evaluate import Evaluation

SHAPES = ("apple", "bowl", "clock", "drum")


@pytest.fixture(scope="module")
def emoji_set() -> EmojiSet:
    """Ellipses of different sides."""
    y, x = np.mgrid[:128, :128]
    sprites = np.zeros((len(SHAPES), 128, 128, 4), np.uint8)
    for index in range(len(SHAPES)):
        sprites[index, ..., :3] = (200, 60 * index, 90)
        sprites[index, ..., 3] = 255 * (
            ((x - 64) / (60 - 12 * index)) ** 2 + ((y - 64) / (20 + 10 * index)) ** 2 < 1
        )
    emoji = tuple(Emoji(chr(65 + i), name, ()) for i, name in enumerate(SHAPES))
    return EmojiSet(emoji, sprites)


@pytest.fixture
def evaluation(
    emoji_set: EmojiSet, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Scene], Scene]], Evaluation]:
    """What is drawn by a model that draws ``answer`` of the scene whose caption is asked for."""
    monkeypatch.setattr(evaluate, "GROUP", 4)
    renderer = Renderer(emoji_set)
    asked: dict[str, Scene] = {"a fruit": Scene("single", (Thing(0),))}
    canonical = scenes.canonical

    def noted(scene: Scene, emoji: Sequence[Emoji]) -> str:
        text = canonical(scene, emoji)
        asked[text] = scene
        return text

    monkeypatch.setattr(scenes, "canonical", noted)
    monkeypatch.setattr(prompts, "natural", lambda: {"a fruit": ("apple",)})

    def make(answer: Callable[[Scene], Scene]) -> Evaluation:
        def draw(texts: Sequence[str], seeds: Sequence[int], **_: object) -> Iterator[Artifact]:
            for text in texts:
                pixels = renderer.render([answer(asked[text])])[0].astype(np.float32) / 255
                yield Artifact("image", {"pixels": pixels})

        trial = Trial(model=cast("Model", None), draw=draw, samples=None, report=lambda _: None)
        return Evaluation(trial, emoji_set, emoji_set)

    return make


def shares(found: Mapping[str, str]) -> dict[str, str]:
    return {name: value.split(" %")[0] for name, value in found.items()}


def test_right_pictures_are_right_in_every_respect(evaluation) -> None:
    right = evaluation(lambda scene: scene)
    assert shares(right.colours()) == {"colour of a thing right": "100.0", "both colours right": "100.0"}
    assert shares(right.counts()) == {"count right": "100.0"}
    assert shares(right.natural_prompts()) == {"top 1": "100.0", "top 5": "100.0"}


def test_colours_are_those_of_the_thing_and_not_of_the_picture(evaluation) -> None:
    def exchanged(scene: Scene) -> Scene:
        first, second = scene.things
        return Scene(
            scene.layout,
            (Thing(first.emoji, second.paint), Thing(second.emoji, first.paint)),
            scene.background,
        )

    assert shares(evaluation(exchanged).colours())["colour of a thing right"] == "0.0"


def test_one_thing_too_few_is_a_wrong_count(evaluation) -> None:
    def fewer(scene: Scene) -> Scene:
        layouts = ("small", *scenes.COUNTS)
        return Scene(layouts[layouts.index(scene.layout) - 1], scene.things[1:])

    assert shares(evaluation(fewer).counts()) == {"count right": "0.0"}


def test_groups_of_right_numbers_and_things_are_right(
    evaluation, emoji_set: EmojiSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "GROUP", 16)
    monkeypatch.setattr(Evaluation, "classifier", None)
    monkeypatch.setattr(
        evaluate.judges, "classify", lambda _, crop: torch.arange(len(SHAPES)).expand(len(crop), -1)
    )

    def shown(answer: Callable[[Scene], Scene]) -> dict[str, str]:
        return shares(evaluation(answer).counts_in_pairs())

    right = shown(lambda scene: scene)
    assert right["both counts right"] == right["pixels top 1"] == "100.0"
    assert right["both counts right, both in the top 5"] == "100.0"
    assert right["pixels top 5, three of a thing"] == "100.0"

    def exchanged(scene: Scene) -> Scene:
        """The right numbers of the wrong things."""
        things = {scene.things[0]: scene.things[-1], scene.things[-1]: scene.things[0]}
        return Scene(scene.layout, tuple(things[thing] for thing in scene.things))

    assert shown(exchanged)["pixels top 1"] == "0.0"

    def one_each(scene: Scene) -> Scene:
        return Scene(scenes.GROUPS[scene.layout][0], (scene.things[0], scene.things[-1]))

    assert shown(one_each)["both counts right"] == "0.0"


def test_another_thing_is_a_wrong_answer(evaluation) -> None:
    wrong = evaluation(lambda _: Scene("single", (Thing(3),)))
    assert shares(wrong.natural_prompts()) == {"top 1": "0.0", "top 5": "100.0"}


@pytest.mark.parametrize("layout", ["beside", "above", "two beside three"])
def test_a_thing_beside_another_is_a_right_answer(evaluation, layout: str) -> None:
    def shown(things: tuple[int, int]) -> dict[str, str]:
        return shares(evaluation(lambda _: evaluate._groups(layout, *things)).natural_prompts())

    assert shown((3, 0))["top 1"] == shown((0, 3))["top 1"] == "100.0"
    assert shown((3, 2))["top 1"] == "0.0"


def test_prompts_of_keywords_are_answered_by_all_that_have_them() -> None:
    emoji = [
        Emoji("a", "red apple", ("fruit", "apple")),
        Emoji("b", "lemon", ("fruit", "citrus")),
        Emoji("c", "gear", ("xyzzy",)),
    ]
    found = prompts.keyword_prompts(emoji)
    assert found["a fruit"] == ("red apple", "lemon")
    assert not {"an apple", "a xyzzy"} & found.keys()


def test_a_thing_may_have_the_colour_that_its_prompt_says(evaluation, emoji_set: EmojiSet) -> None:
    drawn = Renderer(emoji_set).render([Scene("single", (Thing(0, "white"),))])
    picture = evaluate.to_tensor(drawn)
    judged = evaluation(lambda scene: scene)

    def first(prompt: str) -> str:
        [[[name, *_]]] = judged._nearest_names(picture, evaluate._paints(prompt))
        return name

    assert first("a fruit") != "apple"
    assert first("a whitefish") != "apple"
    assert first("a White fruit") == "apple"
    assert evaluate._paints("a GREY cat, light blue sky") == ("blue", "gray")
