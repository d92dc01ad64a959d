"""The grammar: clips drawn at random, and captions that say what is in them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gen_video.camera import CAMERAS, camera_words
from gen_video.sizes import SIDE
from gen_video.training.data.backgrounds import PATTERNED, PLAIN, SCENIC, WHITE, Background
from gen_video.training.data.motion import MOTIONS
from gen_video.training.data.things import FACES_LEFT, Things
from gen_video.vocabulary import GOES, NO_ARTICLE, PLACES, SIZE_WORDS, SPEED_WORDS, VERBS

HUES = {"red": 0.0, "orange": 28.0, "yellow": 52.0, "green": 115.0, "blue": 215.0, "purple": 275.0}
"""Colour words for things, as degrees of hue."""

SCROLLS = ("left", "right")

MOVING = tuple(name for name in MOTIONS if name != "still")
STAYING = tuple(name for name, motion in MOTIONS.items() if not motion.axis and name != "circle")
"""Motions that leave room for something beside."""

WALKS = ("left", "right", "past left", "past right")
"""Motions in which things that are drawn in two poses take strides."""

SMALL, BIG = 44.0, 88.0
"""Pixels up to which a thing is called small, and from which it is called big."""

HELD_OUT = 20
"""One in so many pairs of thing and motion is kept from training."""


@dataclass(frozen=True)
class Actor:
    """One thing and what it does.

    Args:
        thing: Index into ``Things``.
        motion: One of ``MOTIONS``.
        speed: One of ``SPEEDS``; of no account for what stands still.
        hue: One of ``HUES``, or empty for its own colours.
        phase: In [0, 1), of what comes round.
        size: Pixels.
        x, y: Its place, in pixels from the middle of the frame; y points down.
    """

    thing: int
    motion: str = "still"
    speed: str = "normal"
    hue: str = ""
    phase: float = 0.0
    size: float = 62.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Clip:
    """What is seen in a clip.

    Args:
        actors: One or two; the first is in front.
        relation: Of two: ``"past"`` (the first moves past the second), ``"around"`` or ``"and"`` (side by
            side, the first on the left).
        background: Behind them.
        scroll: ``"left"`` or ``"right"``: where the background goes; empty when it stays.
        camera: One of ``CAMERAS``, or empty.
        strides: Whether the only actor is seen in its two poses in turn.
    """

    actors: tuple[Actor, ...]
    relation: str = ""
    background: Background = WHITE
    scroll: str = ""
    camera: str = ""
    strides: bool = False

    @property
    def periodic(self) -> bool:
        """Whether the clip is a loop."""
        moving = all(MOTIONS[actor.motion].periodic for actor in self.actors)
        # A scroll of half a tile closes patterns, whose period is a quarter of it, but no places.
        return moving and not self.camera and not (self.scroll and self.background.place)


def held_out(clip: Clip, things: Things) -> bool:
    """Whether a thing of the clip does something that training never sees it do."""
    return any(
        actor.motion != "still"
        and zlib.crc32(f"{things.names[actor.thing][0]}/{actor.motion}".encode()) % HELD_OUT == 0
        for actor in clip.actors
    )


def draw(things: Things, tintable: frozenset[int], rng: random.Random) -> Clip:
    """A clip of the training set.

    Args:
        things: What may appear.
        tintable: Which of them may be given a hue.
        rng: Source of randomness.
    """
    while True:
        clip = _draw(things, tintable, rng)
        if not held_out(clip, things):
            return clip


def caption(clip: Clip, things: Things, rng: random.Random, *, loop: bool = False) -> str:
    """One of the ways to say what a clip shows.

    Args:
        clip: What is shown.
        things: What may appear.
        rng: Chooses the wording.
        loop: Whether to say that a clip that is a loop is one.
    """
    subjects = [_subject(actor, things, rng, alone=not clip.relation) for actor in clip.actors]
    deeds = [_deed(actor, things.gaits[actor.thing], rng) for actor in clip.actors]
    text = f"{subjects[0]} {deeds[0]}".strip()
    if clip.relation == "past":
        # "drives past a tree to the left" and "drives left past a tree" are the same.
        text = f"{text} past {subjects[1]}"
    elif clip.relation == "around":
        text = rng.choice((f"{subjects[0]} orbits {subjects[1]}", f"{subjects[0]} circles {subjects[1]}"))
        text = f"{text} {rng.choice(SPEED_WORDS[clip.actors[0].speed])}".strip()
    elif clip.relation == "and":
        if deeds[1]:
            text = f"{text} and {subjects[1]} {deeds[1]}"
        else:
            text = f"{text} {rng.choice(('beside', 'next to'))} {subjects[1]}"
    text += _ground(clip.background, rng)
    if clip.scroll:
        text += f", the background scrolls {clip.scroll}"
    if clip.camera:
        text += f", {camera_words(clip.camera)}"
    return f"{text}, loop" if loop and clip.periodic else text


def canonical(clip: Clip, things: Things) -> str:
    """The plainest caption of a clip."""
    return caption(clip, things, _First())


class _First(random.Random):
    """Takes the first of all choices."""

    def choice(self, options):  # type: ignore[no-untyped-def]
        return options[0]

    def random(self) -> float:
        return 0.0


def _draw(things: Things, tintable: frozenset[int], rng: random.Random) -> Clip:
    # Few things walk, so that they must do so often for it to be learned.
    kinds = ("single", "past", "around", "and", "walk")
    kind = rng.choices(kinds, (0.76, 0.1, 0.03, 0.11, 0.14 if things.strides else 0))[0]
    if kind == "single":
        motion = "still" if rng.random() < 0.06 else rng.choice(MOVING)
        actors = [_alone(motion, rng)]
    elif kind == "walk":
        actors = [_alone(rng.choice(WALKS), rng)]
    elif kind == "past":
        actors = [
            Actor(0, rng.choice(("left", "right")), size=46, y=25),
            Actor(0, size=58, y=-17),
        ]
    elif kind == "around":
        actors = [Actor(0, "circle", size=30), Actor(0, size=50)]
    else:
        second = "still" if rng.random() < 0.4 else rng.choice(STAYING)
        first = rng.choice(STAYING)
        actors = [Actor(0, first, size=50, x=-31), Actor(0, second, size=50, x=31)]
    among = list(things.strides) if kind == "walk" else range(len(things))
    actors = [_filled(actor, among, things, tintable, rng) for actor in actors]
    strides = len(actors) == 1 and actors[0].thing in things.strides and actors[0].motion in WALKS
    background, scroll, camera = _setting(rng)
    relation = "" if len(actors) == 1 else kind
    return Clip(tuple(actors), relation, background, scroll, camera, strides)


def _alone(motion: str, rng: random.Random) -> Actor:
    """One thing that is named later: mostly in the middle, at times as large as pictures of it are drawn."""
    kind = rng.choices(("middle", "beside", "small", "big"), (0.62, 0.14, 0.08, 0.16))[0]
    if kind == "middle":
        return Actor(0, motion)
    if kind == "big":
        return Actor(0, motion, size=rng.uniform(BIG, SIDE))
    axis = MOTIONS[motion].axis
    size, reach = (rng.uniform(54, 70), 14) if kind == "beside" else (rng.uniform(32, SMALL), 22)
    x, y = (0.0 if axis == side else rng.uniform(-reach, reach) for side in "xy")
    return Actor(0, motion, size=size, x=x, y=y)


def _filled(
    actor: Actor, among: Sequence[int], things: Things, tintable: frozenset[int], rng: random.Random
) -> Actor:
    thing = rng.choice(among)
    if MOTIONS[actor.motion].axis == "x" and actor.motion.startswith("roll") and rng.random() < 0.5:
        # What is round rolls more often than what is not.
        thing = rng.choice([i for i, gait in enumerate(things.gaits) if gait == "rolls"])
    hue = rng.choice(list(HUES)) if thing in tintable and rng.random() < 0.2 else ""
    speed = rng.choices(("slow", "normal", "fast"), (0.25, 0.5, 0.25))[0]
    return replace(actor, thing=thing, hue=hue, speed="normal" if actor.motion == "still" else speed)


def _setting(rng: random.Random) -> tuple[Background, str, str]:
    background = rng.choices(
        (WHITE, rng.choice(PLAIN), rng.choice(PATTERNED), rng.choice(SCENIC)), (0.42, 0.28, 0.12, 0.18)
    )[0]
    plain = background in PLAIN
    scroll = rng.choice(SCROLLS) if not plain and rng.random() < 0.2 else ""
    camera = rng.choice(CAMERAS) if not scroll and rng.random() < 0.1 else ""
    return background, scroll, camera


def _subject(actor: Actor, things: Things, rng: random.Random, *, alone: bool) -> str:
    name = rng.choice(tuple(reversed(things.names[actor.thing])))
    size = ""
    # Beside another thing it is small or big because of that one.
    if alone and not SMALL < actor.size < BIG and rng.random() < 0.6:
        size = rng.choice(SIZE_WORDS["big" if actor.size >= BIG else "small"])
    words = " ".join(word for word in (size, actor.hue, name) if word)
    if name not in NO_ARTICLE and rng.random() < 0.85:
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    return words


def _deed(actor: Actor, gait: str, rng: random.Random) -> str:
    if actor.motion == "still":
        return ""
    verb, _, direction = actor.motion.partition(" ")
    speed = rng.choice(SPEED_WORDS[actor.speed])
    goes = rng.choice(GOES.get(gait, (gait, "moves")))
    if verb == "past":
        said = f"{goes} past {rng.choice(('to the ', ''))}{direction}"
    elif verb == "roll":
        said = f"rolls {rng.choice(('', 'to the '))}{direction}"
    elif actor.motion in ("left", "right"):
        said = f"{goes} {rng.choice(('', 'to the '))}{actor.motion}"
    else:
        said = rng.choice(VERBS[actor.motion])
    return f"{said} {speed}".strip()


def _ground(background: Background, rng: random.Random) -> str:
    if background.place:
        return f" {PLACES[background.place]}"
    if background == WHITE and rng.random() < 0.8:
        return ""
    words = f"{background.colour} {background.pattern}".strip()
    return f" on {'an' if words[0] in 'aeiou' else 'a'} {words} background"


def mirrored(actor: Actor, gait: str) -> bool:
    """Whether the thing is seen mirrored, because it looks where it goes."""
    return gait in FACES_LEFT and MOTIONS[actor.motion].heading > 0
