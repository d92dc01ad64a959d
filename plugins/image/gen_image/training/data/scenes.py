"""Scenes: which things stand where on what, how a caption says so, and which combinations are held out."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gen.train.emoji import Emoji

CANVAS = 128
LARGE, SMALL = 112, 56

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
HUES: dict[str, float] = {
    "red": 0.0,
    "orange": 28.0,
    "yellow": 50.0,
    "green": 125.0,
    "blue": 218.0,
    "purple": 275.0,
    "pink": 325.0,
}

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
LAYOUTS: dict[str, tuple[tuple[int, int], ...]] = {
    "small": ((32, 32),),
    **{name: (corner,) for name, corner in POSITIONS.items()},
    "beside": ((32, 0), (32, 64)),
    "above": ((0, 32), (64, 32)),
    "two": ((32, 0), (32, 64)),
    "three": ((0, 32), (64, 0), (64, 64)),
    "four": ((0, 0), (0, 64), (64, 0), (64, 64)),
    "trio": ((0, 32), (64, 0), (64, 64)),
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
    """An emoji by its index, with an optional hue that it is turned to, and optionally mirrored."""

    emoji: int
    hue: str = ""
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """Things in a layout on a background.

    Args:
        layout: ``"single"`` (one large thing in the middle) or a key of ``LAYOUTS``.
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

    The sorts: thing × background, thing × thing (in either order), thing × position.
    """
    names = sorted(emoji[thing.emoji].name for thing in scene.things)
    keys = [f"pair|{a}|{b}" for i, a in enumerate(names) for b in names[i + 1 :] if a != b]
    if str(scene.background) != "white":
        keys += [f"background|{name}|{scene.background}" for name in names]
    if scene.layout in POSITIONS:
        keys += [f"position|{name}|{scene.layout}" for name in names]
    return any(zlib.crc32(key.encode()) % 20 == 0 for key in keys)


def draw(kind: str, emoji: Sequence[Emoji], tintable: Sequence[int], rng: random.Random) -> Scene:
    """Draw a scene of one kind that is not held out.

    Args:
        kind: ``"background"`` (large, any background), ``"position"``, ``"pair"``, ``"several"`` or
            ``"changed"`` (another colour, or mirrored).
        emoji: All emoji.
        tintable: Indices of emoji whose colour can be changed.
        rng: Source of randomness.
    """
    while True:
        scene = _DRAW[kind](len(emoji), tintable, rng)
        if not held_out(scene, emoji):
            return scene


def _background(rng: random.Random) -> Background:
    plain = rng.random() < 0.7
    return (
        Background(rng.choice(list(COLOURS)))
        if plain
        else Background(rng.choice(PATTERN_COLOURS), rng.choice(PATTERNS))
    )


def _mostly_white(rng: random.Random) -> Background:
    return Background() if rng.random() < 0.5 else _background(rng)


def _draw_background(count: int, _: Sequence[int], rng: random.Random) -> Scene:
    return Scene("single", (Thing(rng.randrange(count)),), _background(rng))


def _draw_position(count: int, _: Sequence[int], rng: random.Random) -> Scene:
    layout = rng.choice(["small", "small", *POSITIONS])
    return Scene(layout, (Thing(rng.randrange(count)),), _mostly_white(rng))


def _draw_pair(count: int, tintable: Sequence[int], rng: random.Random) -> Scene:
    things = [Thing(rng.randrange(count)) for _ in range(2)]
    if rng.random() < 0.15:
        things[rng.randrange(2)] = Thing(rng.choice(tintable), hue=rng.choice(list(HUES)))
    return Scene(rng.choice(["beside", "beside", "above"]), tuple(things), _mostly_white(rng))


def _draw_several(count: int, _: Sequence[int], rng: random.Random) -> Scene:
    layout = rng.choice(["two", "two", "three", "four", "trio"])
    if layout == "trio":
        return Scene(layout, tuple(Thing(rng.randrange(count)) for _ in range(3)), _mostly_white(rng))
    return Scene(layout, (Thing(rng.randrange(count)),) * len(LAYOUTS[layout]), _mostly_white(rng))


def _draw_changed(count: int, tintable: Sequence[int], rng: random.Random) -> Scene:
    if rng.random() < 0.3:
        return Scene("single", (Thing(rng.randrange(count), mirrored=True),), _mostly_white(rng))
    return Scene("single", (Thing(rng.choice(tintable), hue=rng.choice(list(HUES))),), _mostly_white(rng))


_DRAW: dict[str, Callable[[int, Sequence[int], random.Random], Scene]] = {
    "background": _draw_background,
    "position": _draw_position,
    "pair": _draw_pair,
    "several": _draw_several,
    "changed": _draw_changed,
}


def caption(scene: Scene, emoji: Sequence[Emoji], rng: random.Random) -> str:
    """Say what a scene shows, in one of the ways that the grammar allows."""
    nouns = [_noun(thing, emoji[thing.emoji], rng) for thing in scene.things]
    plain = len(scene.things) == 1 and scene.layout == "single"
    text = _SAY[scene.layout](nouns, rng) if not plain else _single(nouns[0], rng)
    return text + _behind(scene.background, rng)


def canonical(scene: Scene, emoji: Sequence[Emoji]) -> str:
    """The plainest caption of a scene: names, articles, first template. What the metrics ask for."""
    nouns = [_named(thing, emoji[thing.emoji]) for thing in scene.things]
    if scene.layout == "single":
        text = nouns[0] if scene.background == Background() and not _changed(scene) else _a(nouns[0])
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
    return any(thing.hue or thing.mirrored for thing in scene.things)


def _noun(thing: Thing, emoji: Emoji, rng: random.Random) -> str:
    if emoji.keywords and not thing.hue and rng.random() < 0.15:
        return _dressed(thing, rng.choice(emoji.keywords))
    return _named(thing, emoji)


def _named(thing: Thing, emoji: Emoji) -> str:
    return _dressed(thing, emoji.name)


def _dressed(thing: Thing, name: str) -> str:
    if thing.hue:
        rest = [word for word in name.split() if word not in COLOURS]
        name = f"{thing.hue} {' '.join(rest) or name}"
    return f"mirrored {name}" if thing.mirrored else name


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def plural(noun: str) -> str:
    """The plural of a name, formed on the word before the first preposition."""
    words = noun.split()
    stop = next(
        (i for i, word in enumerate(words) if i and word in {"with", "of", "in", "on", "and"}), len(words)
    )
    head = words[stop - 1]
    if head.endswith(("s", "x", "ch", "sh")):
        head += "es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return " ".join([*words[: stop - 1], head, *words[stop:]])


def _single(noun: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.45:
        return noun
    if draw < 0.85:
        return _a(noun)
    return rng.choice([f"a big {noun}", f"{noun} emoji", f"a picture of {_a(noun)}", f"the {noun}"])


def _behind(background: Background, rng: random.Random) -> str:
    if background.pattern:
        return rng.choice(
            [
                f" on {_a(f'{background.colour} {background.pattern}')} background",
                f" on {_a(f'{background.pattern} {background.colour}')} background",
            ]
        )
    if background.colour == "white":
        return " on a white background" if rng.random() > 0.9 else ""
    return rng.choice([f" on {_a(background.colour)} background", f" on {background.colour}"])


def _at(position: str) -> Callable[[Sequence[str], random.Random], str]:
    place = f"in the {position} corner" if " " in position else f"on the {position}"
    other = f"in the {position}" if " " in position or position in {"left", "right"} else f"at the {position}"
    return lambda nouns, rng: rng.choice([f"{_a(nouns[0])} {place}", f"a small {nouns[0]} {other}"])


def _many(number: str) -> Callable[[Sequence[str], random.Random], str]:
    return lambda nouns, _: f"{number} {plural(nouns[0])}"


_SAY: dict[str, Callable[[Sequence[str], random.Random], str]] = {
    "small": lambda n, rng: rng.choice([f"a small {n[0]}", f"a tiny {n[0]}", f"a little {n[0]}"]),
    **{position: _at(position) for position in POSITIONS},
    "beside": lambda n, rng: rng.choice(
        [
            f"{_a(n[0])} left of {_a(n[1])}",
            f"{_a(n[1])} right of {_a(n[0])}",
            f"{_a(n[0])} and {_a(n[1])}",
            f"{_a(n[0])} next to {_a(n[1])}",
            f"{_a(n[0])} to the left of {_a(n[1])}",
        ]
    ),
    "above": lambda n, rng: rng.choice([f"{_a(n[0])} above {_a(n[1])}", f"{_a(n[1])} below {_a(n[0])}"]),
    "two": _many("two"),
    "three": _many("three"),
    "four": _many("four"),
    "trio": lambda n, _: f"{_a(n[0])}, {_a(n[1])} and {_a(n[2])}",
}
