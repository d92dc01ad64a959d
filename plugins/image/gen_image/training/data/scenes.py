"""Scenes: which things stand where on what, how a caption says so, and which combinations are held out."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gen.train.emoji import Emoji
from gen.train.recolouring import PAINTS
from gen.words import plural, with_article
from gen_image.things import NUMBERS, SAID

CANVAS = 128


class Box(NamedTuple):
    """A square of the canvas, its corner and its side in pixels."""

    top: int
    left: int
    side: int = 64

    @property
    def thing(self) -> int:
        """Side of the thing in the middle of it."""
        return {CANVAS: 112, 64: 56, 48: 44, 44: 40}[self.side]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "red": (214, 64, 64),
    "orange": (245, 150, 60),
    "yellow": (252, 220, 90),
    "green": (90, 180, 95),
    "blue": (75, 125, 220),
    "light blue": (160, 215, 245),
    "purple": (150, 95, 200),
    "pink": (248, 165, 200),
    "brown": (140, 95, 65),
    "gray": (160, 160, 165),
    "black": (25, 25, 30),
}
PATTERNS = ("striped", "dotted", "checkered", "diagonal")
PATTERN_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "gray")
# Corners of the 64-pixel boxes in which small things stand; multiples of 32 keep every copy of a thing on
# the same phase of the latent grid, so that the denoiser learns it once.
POSITIONS: dict[str, tuple[int, int]] = {
    "left": (32, 0),
    "right": (32, 64),
    "top": (0, 32),
    "bottom": (64, 32),
    "top left": (0, 0),
    "top right": (0, 64),
    "bottom left": (64, 0),
    "bottom right": (64, 64),
}
COUNTS = ("two", "three", "four", "five")
GROUPS: dict[str, tuple[str, int, int]] = {
    f"{NUMBERS[first - 1]} {relation} {NUMBERS[second - 1]}": (relation, first, second)
    for relation in ("beside", "above")
    for first in (1, 2, 3)
    for second in (1, 2, 3)
    if (first, second) != (1, 1)
}
"""Layouts of two groups to how they stand and to how many of a thing each holds."""


def _group(relation: str, half: int, count: int) -> tuple[Box, ...]:
    """Boxes of one to three of a thing in a row along one half of the canvas."""
    starts, side = {1: ((32,), 64), 2: ((0, 64), 64), 3: ((2, 42, 82), 44)}[count]
    across = 64 * half + (64 - side) // 2
    return tuple(
        Box(start, across, side) if relation == "beside" else Box(across, start, side) for start in starts
    )


LAYOUTS: dict[str, tuple[Box, ...]] = {
    "single": (Box(0, 0, CANVAS),),
    "small": (Box(32, 32),),
    **{name: (Box(*corner),) for name, corner in POSITIONS.items()},
    "beside": _group("beside", 0, 1) + _group("beside", 1, 1),
    "above": _group("above", 0, 1) + _group("above", 1, 1),
    "two": (Box(32, 0), Box(32, 64)),
    "three": (Box(0, 32), Box(64, 0), Box(64, 64)),
    "four": (Box(0, 0), Box(0, 64), Box(64, 0), Box(64, 64)),
    "trio": (Box(0, 32), Box(64, 0), Box(64, 64)),
    "five": tuple(Box(top, left, 48) for top, left in ((0, 0), (0, 80), (40, 40), (80, 0), (80, 80))),
    **{
        layout: _group(relation, 0, first) + _group(relation, 1, second)
        for layout, (relation, first, second) in GROUPS.items()
    },
}


@dataclass(frozen=True)
class Background:
    """A plain colour, or a pattern of that colour on white; ``pattern`` is empty for plain."""

    colour: str = "white"
    pattern: str = ""

    def __str__(self) -> str:
        return f"{self.colour} {self.pattern}".strip()


@dataclass(frozen=True)
class Thing:
    """An emoji by its index, perhaps painted in a colour of ``PAINTS``, perhaps mirrored."""

    emoji: int
    paint: str = ""
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """Things in a layout on a background.

    Args:
        layout: A key of ``LAYOUTS``; ``"single"`` is one large thing in the middle.
        things: One thing per place of the layout.
        background: What is behind them.
    """

    layout: str
    things: tuple[Thing, ...]
    background: Background = Background()


BACKGROUNDS = tuple(Background(colour) for colour in COLOURS) + tuple(
    Background(colour, pattern) for pattern in PATTERNS for colour in PATTERN_COLOURS
)


def held_out(scene: Scene, emoji: Sequence[Emoji]) -> bool:
    """Whether a scene holds a combination that training never sees (about one in twenty of each sort).

    The sorts: thing × background, thing × thing (in either order), thing × position, thing × colour.
    """
    names = sorted(emoji[thing.emoji].name for thing in scene.things)
    keys = [f"pair|{a}|{b}" for i, a in enumerate(names) for b in names[i + 1 :] if a != b]
    if str(scene.background) != "white":
        keys += [f"background|{name}|{scene.background}" for name in names]
    keys += [f"paint|{emoji[thing.emoji].name}|{thing.paint}" for thing in scene.things if thing.paint]
    if scene.layout in POSITIONS:
        keys += [f"position|{name}|{scene.layout}" for name in names]
    return any(zlib.crc32(key.encode()) % 20 == 0 for key in keys)


@dataclass(frozen=True)
class Pool:
    """The emoji that scenes are made of.

    Args:
        emoji: All of them.
    """

    emoji: Sequence[Emoji]

    def __post_init__(self) -> None:
        toned = [index for index, one in enumerate(self.emoji) if one.tone]
        # Flags are a seventh of all emoji, and few people ask for one.
        flags = [index for index, one in enumerate(self.emoji) if one.name.startswith("flag ")]
        others = sorted(set(range(len(self.emoji))) - set(toned) - set(flags))
        object.__setattr__(self, "_toned", toned or others)
        object.__setattr__(self, "_flags", flags or others)
        object.__setattr__(self, "_others", others)

    def draw(self, rng: random.Random) -> int:
        """An emoji without a skin tone of its own."""
        found: int = rng.choice(self._flags if rng.random() < 0.04 else self._others)  # type: ignore[attr-defined]
        return found

    def draw_toned(self, rng: random.Random) -> int:
        """An emoji with a skin tone, where there is one."""
        found: int = rng.choice(self._toned)  # type: ignore[attr-defined]
        return found


def draw(kind: str, pool: Pool, rng: random.Random) -> Scene:
    """Draw a scene of one kind that is not held out.

    Args:
        kind: ``"background"`` (large, any background), ``"position"``, ``"pair"`` (each perhaps in a colour
            of its own), ``"groups"`` (a pair where one or both are two or three of a thing), ``"several"``
            (two to five of a thing, or three things) or ``"changed"`` (another colour, another skin tone, or
            mirrored).
        pool: All emoji.
        rng: Source of randomness.
    """
    while True:
        scene = _DRAW[kind](pool, rng)
        if not held_out(scene, pool.emoji):
            return scene


def _background(rng: random.Random) -> Background:
    plain = rng.random() < 0.7
    return (
        Background(rng.choice(list(COLOURS)))
        if plain
        else Background(rng.choice(PATTERN_COLOURS), rng.choice(PATTERNS))
    )


def _mostly_white(rng: random.Random) -> Background:
    return Background() if rng.random() < 0.6 else _background(rng)


def _paint(share: float, rng: random.Random) -> str:
    return rng.choice(list(PAINTS)) if rng.random() < share else ""


def _draw_background(pool: Pool, rng: random.Random) -> Scene:
    return Scene("single", (Thing(pool.draw(rng), _paint(0.15, rng)),), _background(rng))


def _draw_position(pool: Pool, rng: random.Random) -> Scene:
    layout = rng.choice(["small", "small", *POSITIONS])
    return Scene(layout, (Thing(pool.draw(rng), _paint(0.15, rng)),), _mostly_white(rng))


def _draw_pair(pool: Pool, rng: random.Random) -> Scene:
    share = rng.choice((0.0, 0.5, 1.0))
    things = tuple(Thing(pool.draw(rng), _paint(share, rng)) for _ in range(2))
    return Scene(rng.choice(["beside", "beside", "above"]), things, _mostly_white(rng))


def _draw_groups(pool: Pool, rng: random.Random) -> Scene:
    pair = _draw_pair(pool, rng)
    layout = rng.choice([layout for layout, (relation, *_) in GROUPS.items() if relation == pair.layout])
    _, first, second = GROUPS[layout]
    return Scene(layout, pair.things[:1] * first + pair.things[1:] * second, pair.background)


def _draw_several(pool: Pool, rng: random.Random) -> Scene:
    layout = rng.choice(["two", "three", "four", "five", "trio", "trio"])
    if layout == "trio":
        things = tuple(Thing(pool.draw(rng), _paint(0.2, rng)) for _ in range(3))
    else:
        things = (Thing(pool.draw(rng), _paint(0.3, rng)),) * len(LAYOUTS[layout])
    return Scene(layout, things, _mostly_white(rng))


def _draw_changed(pool: Pool, rng: random.Random) -> Scene:
    share = rng.random()
    if share < 0.1:
        thing = Thing(pool.draw(rng), mirrored=True)
    elif share < 0.3:
        thing = Thing(pool.draw_toned(rng))
    else:
        thing = Thing(pool.draw(rng), rng.choice(list(PAINTS)))
    return Scene("single", (thing,), _mostly_white(rng))


_DRAW: dict[str, Callable[[Pool, random.Random], Scene]] = {
    "background": _draw_background,
    "position": _draw_position,
    "pair": _draw_pair,
    "groups": _draw_groups,
    "several": _draw_several,
    "changed": _draw_changed,
}


def caption(scene: Scene, emoji: Sequence[Emoji], rng: random.Random) -> str:
    """Say what a scene shows, things by their names: prompts in other words become such captions."""
    nouns = [_noun(thing, emoji[thing.emoji], rng) for thing in scene.things]
    text = _SAY[scene.layout](nouns, rng)
    return text + _behind(scene.background, rng)


def canonical(scene: Scene, emoji: Sequence[Emoji]) -> str:
    """The plainest caption of a scene: names, articles, first template. What the metrics ask for."""
    nouns = [_named(thing, emoji[thing.emoji]) for thing in scene.things]
    if scene.layout == "single":
        text = (
            nouns[0] if scene.background == Background() and not _changed(scene) else with_article(nouns[0])
        )
    else:
        text = _SAY[scene.layout](nouns, _First())
    return text + _behind(scene.background, _First())


class _First(random.Random):
    """Always takes the first choice."""

    def random(self) -> float:
        return 0.0

    def choice(self, seq):  # type: ignore[no-untyped-def]
        return seq[0]


def _changed(scene: Scene) -> bool:
    return any(thing.paint or thing.mirrored for thing in scene.things)


def _noun(thing: Thing, emoji: Emoji, rng: random.Random) -> str:
    """A thing by its name, or by what captions say for it."""
    name = SAID.get(emoji.name, emoji.name)
    if emoji.tone:
        shade = emoji.tone.removesuffix(" skin tone")
        name = rng.choice((f"{name} with {emoji.tone}", f"{name} with {shade} skin"))
    return _dressed(thing, name)


def _named(thing: Thing, emoji: Emoji) -> str:
    return _dressed(thing, f"{emoji.name} with {emoji.tone}" if emoji.tone else emoji.name)


def _dressed(thing: Thing, name: str) -> str:
    if thing.paint:
        rest = [word for word in name.split() if word not in COLOURS]
        name = f"{thing.paint} {' '.join(rest) or name}"
    return f"mirrored {name}" if thing.mirrored else name


def _single(nouns: Sequence[str], rng: random.Random) -> str:
    noun = nouns[0]
    draw = rng.random()
    if draw < 0.45:
        return noun
    if draw < 0.85:
        return with_article(noun)
    return rng.choice([f"a big {noun}", f"the {noun}", f"one {noun}"])


def _behind(background: Background, rng: random.Random) -> str:
    if background.pattern:
        return rng.choice(
            [
                f" on {with_article(f'{background.colour} {background.pattern}')} background",
                f" on {with_article(f'{background.pattern} {background.colour}')} background",
            ]
        )
    if background.colour == "white":
        return " on a white background" if rng.random() > 0.9 else ""
    return rng.choice(
        [
            f" on {with_article(background.colour)} background",
            f" on {background.colour}",
            f", {background.colour} background",
            f" in front of {with_article(background.colour)} background",
        ]
    )


def _at(position: str) -> Callable[[Sequence[str], random.Random], str]:
    place = f"in the {position} corner" if " " in position else f"on the {position}"
    other = f"in the {position}" if " " in position or position in {"left", "right"} else f"at the {position}"
    return lambda nouns, rng: rng.choice(
        [
            f"{with_article(nouns[0])} {place}",
            f"a small {nouns[0]} {other}",
            f"{with_article(nouns[0])} {other}",
        ]
    )


def _many(number: str) -> Callable[[Sequence[str], random.Random], str]:
    figure = str(NUMBERS.index(number) + 1)
    return lambda nouns, rng: f"{rng.choice((number, number, figure))} {plural(nouns[0])}"


def _two(nouns: Sequence[str], rng: random.Random) -> str:
    return rng.choice(
        [
            f"two {plural(nouns[0])}",
            f"2 {plural(nouns[0])}",
            f"a pair of {plural(nouns[0])}",
            f"{with_article(nouns[0])} and another {nouns[0]}",
        ]
    )


def _beside(first: str, second: str, rng: random.Random) -> str:
    return rng.choice(
        [
            f"{first} left of {second}",
            f"{second} right of {first}",
            f"{first} and {second}",
            f"{first} next to {second}",
            f"{first} to the left of {second}",
            f"{second} to the right of {first}",
            f"{first} with {second}",
            f"{first} on the left, {second} on the right",
        ]
    )


def _above(first: str, second: str, rng: random.Random) -> str:
    return rng.choice(
        [
            f"{first} above {second}",
            f"{second} below {first}",
            f"{second} under {first}",
            f"{first} on top of {second}",
            f"{first} over {second}",
        ]
    )


def _grouped(relation: str, first: int, second: int) -> Callable[[Sequence[str], random.Random], str]:
    say = {"beside": _beside, "above": _above}[relation]

    def group(noun: str, count: int, rng: random.Random) -> str:
        if count == 1:
            return rng.choice((with_article(noun), with_article(noun), f"one {noun}"))
        return _many(NUMBERS[count - 1])([noun], rng)

    return lambda nouns, rng: say(group(nouns[0], first, rng), group(nouns[-1], second, rng), rng)


_SAY: dict[str, Callable[[Sequence[str], random.Random], str]] = {
    "single": _single,
    "small": lambda n, rng: rng.choice([f"a small {n[0]}", f"a tiny {n[0]}", f"a little {n[0]}"]),
    **{position: _at(position) for position in POSITIONS},
    "beside": lambda n, rng: _beside(with_article(n[0]), with_article(n[1]), rng),
    "above": lambda n, rng: _above(with_article(n[0]), with_article(n[1]), rng),
    **{layout: _grouped(*groups) for layout, groups in GROUPS.items()},
    "two": _two,
    **{number: _many(number) for number in COUNTS[1:]},
    "trio": lambda n, _: f"{with_article(n[0])}, {with_article(n[1])} and {with_article(n[2])}",
}
