"""Metrics of a text-to-image model of emoji scenes, on prompts and seeds fixed beforehand."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gen.evaluation import Share, Trial
from gen.train import emoji
from gen.train.emoji import Emoji, EmojiSet
from gen.train.recolouring import PAINTS
from gen_image.things import NUMBERS
from gen_image.training import classifier as judges
from gen_image.training import prompts
from gen_image.training.codec import KINDS, to_tensor
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer, backdrop
from gen_image.training.data.scenes import (
    BACKGROUNDS,
    COUNTS,
    GROUPS,
    LAYOUTS,
    POSITIONS,
    Background,
    Box,
    Scene,
    Thing,
)

SEED = 20_240_000
GROUP = 200
TINY = 16


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a model.

    Args:
        trial: The model. All prompts are 1,367 names, 285 natural ones, 801 that the reading was mended by,
            219 held-out words and at most 200 of each other sort.

    Returns:
        Metric to its value as text, in groups.

    Raises:
        UsageError: The data is not installed.
    """
    singles = emoji.load()
    return Evaluation(trial, singles, emoji.with_sequences(singles)).run()


class Evaluation:
    """A model under measurement.

    Args:
        trial: The model.
        emoji_set: What scenes are made of.
        every: They with the sequences, which may also be the answer to a prompt in other words.
    """

    def __init__(self, trial: Trial, emoji_set: EmojiSet, every: EmojiSet) -> None:
        self.set, self.every = emoji_set, every
        self.renderer = Renderer(self.set)
        self.trial = trial
        self.draw, self.limit, self.report = trial.draw, trial.samples, trial.report
        self._references: dict[tuple[int, Background], Tensor] = {}

    @cached_property
    def classifier(self) -> judges.Classifier:
        """The second judge."""
        return judges.judge(self.set, self.report)

    def run(self) -> Mapping[str, object]:
        """All metrics, in groups."""
        names = [Scene("single", (Thing(i),)) for i in range(len(self.set.emoji))]
        random.Random(SEED).shuffle(names)
        groups: dict[str, Callable[[], object]] = {
            "natural prompts": self.natural_prompts,
            "development prompts": self.development_prompts,
            "words held out": self.held_out_words,
            "keywords": self.keywords,
            "colours": self.colours,
            "counts": self.counts,
            "counts in pairs": self.counts_in_pairs,
            "names": lambda: self._things(names, "names"),
        }
        for split in ("seen", "held out"):
            for kind in ("background", "position", "pair"):
                name = f"{kind}s, {split}"
                groups[name] = partial(self._of_scenes, kind, split)
        return self.trial.measure({**groups, "memorisation": self._memorisation})

    def _of_scenes(self, kind: str, split: str) -> Mapping[str, str]:
        return self._things(self._scenes(kind, split), f"{kind}s, {split}")

    def natural_prompts(self) -> Mapping[str, str]:
        """Prompts as people write them: how often what is drawn is right."""
        return self._answers(prompts.natural(), "natural prompts")

    def development_prompts(self) -> Mapping[str, str]:
        """Other natural prompts, which are no test: the reading of prompts was mended by them."""
        return self._answers(prompts.development(), "development prompts")

    def held_out_words(self) -> Mapping[str, str]:
        """Words that neither captions nor names and keywords hold."""
        return self._answers(prompts.held_out_words(), "words held out")

    def keywords(self) -> Mapping[str, str]:
        """Keywords of CLDR, by which prompts are read though no caption holds them."""
        return self._answers(_some(prompts.keyword_prompts(self._untoned)), "keywords")

    @cached_property
    def _untoned(self) -> Sequence[Emoji]:
        """The N emoji without a skin tone."""
        return [one for one in self.every.emoji if not one.tone]

    @cache  # noqa: B019 - an evaluation lives as long as its process
    def _looks(self, side: int, paint: str) -> Tensor:
        """How they look in a box of a side, in their own colours or another, on white at 16 × 16, (N, D)."""
        chosen = [index for index, one in enumerate(self.every.emoji) if not one.tone]
        layout, boxes = next(found for found in LAYOUTS.items() if found[1][0].side == side)
        scenes = (Scene(layout, (Thing(index, paint),) * len(boxes)) for index in chosen)
        rendered = Renderer(self.every).render(scenes)
        return _tiny(to_tensor(rendered)[:, :, *boxes[0].slices]).flatten(1)

    def _answers(self, wanted: Mapping[str, tuple[str, ...]], name: str) -> Mapping[str, str]:
        """How often a right name is among the first of the references nearest to a thing that is drawn.

        Args:
            wanted: Prompts to the names that are right.
            name: For the lines of progress.
        """
        chosen = _shuffled(wanted)[: self.limit]
        pictures, right = self._pictures(chosen, name), []
        coloured = sorted(range(len(chosen)), key=lambda at: _paints(chosen[at]))
        for paints, group in groupby(coloured, key=lambda at: _paints(chosen[at])):
            rows = list(group)
            for at, things in zip(rows, self._nearest_names(pictures[rows], paints), strict=True):
                first = [{answer for names in things for answer in names[:count]} for count in (1, 5)]
                right.append([not names.isdisjoint(wanted[chosen[at]]) for names in first])
        return {
            f"top {count}": str(Share(sum(found[at] for found in right), len(right)))
            for at, count in enumerate((1, 5))
        }

    def _nearest_names(self, pictures: Tensor, paints: tuple[str, ...]) -> list[list[list[str]]]:
        """Of each picture (N, 3, 128, 128) the nearest names of each thing in it.

        What stands where is unknown: every box of the layout that references fill best holds a thing. A thing
        may have its own colours, or one of ``paints``.
        """
        errors = {
            box: torch.stack(
                [
                    torch.cdist(_tiny(pictures[:, :, *box.slices]).flatten(1), self._looks(box.side, paint))
                    for paint in ("", *paints)
                ]
            )
            .amin(0)
            .square()
            for box in {box for boxes in LAYOUTS.values() for box in boxes}
        }
        lost = [self._lost(pictures, boxes, errors) for boxes in LAYOUTS.values()]
        best = torch.stack(lost).argmin(0).tolist()
        layouts = list(LAYOUTS.values())
        return [
            [self._names_of(errors[box][row]) for box in layouts[layout]] for row, layout in enumerate(best)
        ]

    def _names_of(self, errors: Tensor) -> list[str]:
        order = errors.argsort()[:20].tolist()
        return list(dict.fromkeys(self._untoned[index].name for index in order))

    @staticmethod
    def _lost(pictures: Tensor, boxes: Sequence[Box], errors: Mapping[Box, Tensor]) -> Tensor:
        """Squared error (N,) of pictures as the nearest references in boxes, and white around them."""
        around = torch.ones(pictures.shape[-2:])
        found = torch.zeros(len(pictures))
        for box in boxes:
            around[box.slices] = 0
            found += errors[box].amin(1) * (box.side / TINY) ** 2
        return found + ((1 - pictures).square() * around).sum((1, 2, 3))

    def colours(self) -> Mapping[str, str]:
        """Two things, each in a colour of its own: the colour of each, on the thing alone, and what it is."""
        rng = random.Random(f"{SEED} colours")
        wanted = []
        for _ in range(GROUP):
            things = zip(rng.sample(range(len(self.set.emoji)), 2), rng.sample(list(PAINTS), 2), strict=True)
            wanted.append(Scene("beside", tuple(Thing(index, paint) for index, paint in things)))
        wanted = wanted[: self.limit]
        colours, whole = [], []
        for scene, picture in zip(wanted, self._drawn(wanted, "colours"), strict=True):
            found = []
            for thing, box in zip(scene.things, LAYOUTS[scene.layout], strict=True):
                painted = [Scene("top left", (Thing(thing.emoji, paint),)) for paint in PAINTS]
                corner = LAYOUTS["top left"][0].slices
                looks = to_tensor(self.renderer.render(painted))[:, :, *corner]
                # Where no paint changes anything, there is the background, or what keeps its colour.
                changed = (looks.amax(0) - looks.amin(0)).amax(0) > 0.1
                errors = (looks - picture[:, *box.slices]).square().sum(1)[:, changed].mean(1)
                found.append(list(PAINTS)[int(errors.argmin())] == thing.paint)
            colours += found
            whole.append(all(found))
        return {
            "colour of a thing right": str(Share(sum(colours), len(colours))),
            "both colours right": str(Share(sum(whole), len(whole))),
        }

    def counts(self) -> Mapping[str, str]:
        """Two to five of a thing: whether as many are nearest of one to five."""
        rng = random.Random(f"{SEED} counts")
        wanted = []
        for index in range(GROUP):
            layout = COUNTS[index % len(COUNTS)]
            wanted.append(Scene(layout, (Thing(rng.randrange(len(self.set.emoji))),) * len(LAYOUTS[layout])))
        wanted = wanted[: self.limit]
        right = []
        for scene, picture in zip(wanted, self._drawn(wanted, "counts"), strict=True):
            layouts = ("single", "small", *COUNTS)
            looks = [Scene(layout, scene.things[:1] * len(LAYOUTS[layout])) for layout in layouts]
            errors = (_tiny(to_tensor(self.renderer.render(looks))) - _tiny(picture[None])).square()
            right.append(layouts[int(errors.sum((1, 2, 3)).argmin())] == scene.layout)
        return {"count right": str(Share(sum(right), len(right)))}

    def counts_in_pairs(self) -> Mapping[str, str]:
        """Two things, one or both two or three times: whether as many are nearest, and what they are."""
        rng = random.Random(f"{SEED} counts in pairs")
        wanted = []
        for index in range(GROUP):
            layout = list(GROUPS)[index % len(GROUPS)]
            wanted.append(_groups(layout, *rng.sample(range(len(self.set.emoji)), 2)))
        wanted = wanted[: self.limit]
        counted, ranks, whole = [], [], []
        top: dict[int, list[bool]] = {1: [], 2: [], 3: []}
        for scene, picture in zip(wanted, self._drawn(wanted, "counts in pairs"), strict=True):
            relation, before, behind = GROUPS[scene.layout]
            layouts = [relation, *(layout for layout, group in GROUPS.items() if group[0] == relation)]
            first, second = scene.things[0].emoji, scene.things[-1].emoji
            looks = self.renderer.render(_groups(layout, first, second) for layout in layouts)
            errors = (_tiny(to_tensor(looks)) - _tiny(picture[None])).square().sum((1, 2, 3))
            counted.append(layouts[int(errors.argmin())] == scene.layout)
            ranks.append(self._ranks(scene, picture))
            found = [rank < 5 for rank in ranks[-1]["pixels"]]
            top[before] += found[:before]
            top[behind] += found[before:]
            whole.append(counted[-1] and all(found))
        return {
            "both counts right": str(Share(sum(counted), len(counted))),
            **_ranked(ranks),
            **{
                f"pixels top 5, {NUMBERS[count - 1]} of a thing": str(Share(sum(found), len(found)))
                for count, found in top.items()
            },
            "both counts right, both in the top 5": str(Share(sum(whole), len(whole))),
        }

    def _scenes(self, kind: str, split: str) -> list[Scene]:
        """Scenes of a kind with names only, seen or held out, in a fixed order."""
        rng = random.Random(f"{SEED} {kind} {split}")
        found: list[Scene] = []
        while len(found) < GROUP:
            first, second = rng.sample(range(len(self.set.emoji)), 2)
            if kind == "background":
                scene = Scene("single", (Thing(first),), rng.choice(BACKGROUNDS[1:]))
            elif kind == "position":
                scene = Scene(rng.choice(list(POSITIONS)), (Thing(first),))
            else:
                scene = Scene(rng.choice(["beside", "above"]), (Thing(first), Thing(second)))
            if scenes.held_out(scene, self.set.emoji) == (split == "held out"):
                found.append(scene)
        return found

    def _drawn(self, wanted: Sequence[Scene], name: str) -> Tensor:
        """Pictures of scenes, asked for by their plainest captions."""
        return self._pictures([scenes.canonical(scene, self.set.emoji) for scene in wanted], name)

    def _pictures(self, texts: Sequence[str], name: str) -> Tensor:
        """Pictures (N, 3, 128, 128) in [-1, 1] of prompts."""
        pictures = []
        for index, artifact in enumerate(self.draw(texts, [SEED + i for i in range(len(texts))])):
            pictures.append((artifact.arrays["pixels"][..., :3] * 255).round().astype(np.uint8))
            if index % 100 == 0:
                self.report(f"{name}: {index} of {len(texts)}")
        return to_tensor(np.stack(pictures))

    def _things(self, wanted: list[Scene], name: str) -> Mapping[str, str]:
        """Things, backgrounds and places of scenes of one sort."""
        wanted = wanted[: self.limit]
        pictures = self._drawn(wanted, name)
        ranks, grounds, places = [], [], []
        for scene, picture in zip(wanted, pictures, strict=True):
            ranks.append(self._ranks(scene, picture))
            grounds.append(_nearest_background(picture) == scene.background)
            if scene.layout in POSITIONS:
                places.append(_position(picture, scene.background) == scene.layout)
        result = _ranked(ranks)
        if any(scene.background != Background() for scene in wanted):
            result["background right"] = str(Share(sum(grounds), len(grounds)))
        if places:
            result["position right"] = str(Share(sum(places), len(places)))
        return result

    def _ranks(self, scene: Scene, picture: Tensor) -> Mapping[str, list[int]]:
        """By judge, how many emoji are nearer than the right one to each thing of a scene."""
        found: dict[str, list[int]] = {"pixels": [], "classifier": []}
        for thing, box in zip(scene.things, LAYOUTS[scene.layout], strict=True):
            crop = picture[None, :, *box.slices]
            order = judges.classify(self.classifier, crop)[0]
            found["classifier"].append(int((order == thing.emoji).nonzero()))
            found["pixels"].append(self._pixel_rank(crop, box.side, scene.background, thing))
        return found

    def _pixel_rank(self, crop: Tensor, side: int, background: Background, thing: Thing) -> int:
        """How many emoji, on the same background, are nearer than the right one at 16 × 16 pixels."""
        key = (side, background)
        if key not in self._references:
            # Patterns repeat after 32 pixels, and boxes of 64 begin at multiples of them.
            layout, boxes = next(each for each in LAYOUTS.items() if each[1][0].side == side)
            everyone = (Thing(index) for index in range(len(self.set.emoji)))
            rendered = self.renderer.render(
                Scene(layout, (thing,) * len(boxes), background) for thing in everyone
            )
            self._references[key] = _tiny(to_tensor(rendered)[:, :, *boxes[0].slices])
        distances = (self._references[key] - _tiny(crop)).square().sum((1, 2, 3))
        return int((distances < distances[thing.emoji]).sum())

    def _memorisation(self) -> Mapping[str, str]:
        """Distance to the nearest training picture, of drawn and of real scenes that training never saw."""
        rng = random.Random(SEED)
        pool = scenes.Pool(self.set.emoji)
        training = [scenes.draw(rng.choice(KINDS), pool, rng) for _ in range(20_000)]
        shelf = torch.cat(
            [_tiny(to_tensor(self.renderer.render(training[i : i + 500]))) for i in range(0, 20_000, 500)]
        )
        # The same held-out pairs as the model draws them and as they are.
        unseen = self._scenes("pair", "held out")[: self.limit]
        real = _tiny(to_tensor(self.renderer.render(unseen)))
        drawn = _tiny(self._drawn(unseen, "memorisation"))
        drawn_at, real_at = (torch.cdist(rows.flatten(1), shelf.flatten(1)).amin(1) for rows in (drawn, real))
        return {
            "median distance to the nearest training picture, drawn": f"{drawn_at.median():.2f}",
            "median distance to the nearest training picture, rendered": f"{real_at.median():.2f}",
            "training pictures": str(len(shelf)),
            "samples": str(len(unseen)),
        }


def _shuffled(wanted: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The prompts in a fixed order without system."""
    return random.Random(SEED).sample(sorted(wanted), len(wanted))


def _paints(prompt: str) -> tuple[str, ...]:
    """The colours that a prompt says."""
    said = re.findall(r"\w+", prompt.lower().replace("grey", "gray"))
    return tuple(paint for paint in PAINTS if paint in said)


def _some(wanted: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """At most as many prompts as a group has."""
    return {prompt: wanted[prompt] for prompt in _shuffled(wanted)[:GROUP]}


def _groups(layout: str, first: int, second: int) -> Scene:
    """Two emoji in the layout of a pair or of groups."""
    _, before, behind = GROUPS.get(layout, (layout, 1, 1))
    return Scene(layout, (Thing(first),) * before + (Thing(second),) * behind)


def _ranked(ranks: Sequence[Mapping[str, list[int]]]) -> dict[str, str]:
    """Shares of things, and of scenes with several, that are among the first by each judge."""
    result = {}
    for judge in ranks[0] if ranks else ():
        every = [rank for found in ranks for rank in found[judge]]
        result[f"{judge} top 1"] = str(Share(sum(rank < 1 for rank in every), len(every)))
        result[f"{judge} top 5"] = str(Share(sum(rank < 5 for rank in every), len(every)))
        if len(ranks[0][judge]) > 1:
            whole = [max(found[judge]) < 5 for found in ranks]
            result[f"{judge} both in the top 5"] = str(Share(sum(whole), len(whole)))
    return result


def _tiny(pictures: Tensor) -> Tensor:
    return functional.interpolate(pictures, size=TINY, mode="area")


def _nearest_background(picture: Tensor) -> Background:
    """The background nearest to the frame around the thing, where no pixel may count for more than a half."""
    frame = torch.ones(picture.shape[1:], dtype=torch.bool)
    frame[14:-14, 14:-14] = False
    grounds = torch.cat([to_tensor(backdrop(ground)[None]) for ground in BACKGROUNDS])
    distances = (grounds - picture).abs().sum(1)[:, frame].clamp(max=0.5).mean(1)
    return BACKGROUNDS[int(distances.argmin())]


def _position(picture: Tensor, background: Background) -> str:
    """The position whose box is nearest to the centre of everything that is not background."""
    ground = to_tensor(backdrop(background)[None])[0]
    weight = (picture - ground).abs().sum(0)
    weight = weight * (weight > 0.3)
    rows, columns = (torch.arange(128.0) + 0.5 for _ in range(2))
    total = weight.sum().clamp(min=1e-6)
    y, x = (weight.sum(1) @ rows) / total, (weight.sum(0) @ columns) / total
    centres = {name: (top + 32, left + 32) for name, (top, left) in POSITIONS.items()}
    return min(
        centres, key=lambda name: (centres[name][0] - float(y)) ** 2 + (centres[name][1] - float(x)) ** 2
    )
