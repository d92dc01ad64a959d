"""What the families are written with: parts are added one after another, and words are said about them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gen_mesh.training.data import fields
from gen_mesh.training.data.fields import Operation, Part, Point, Solid

Colour = Point
PALETTE: Mapping[str, Colour] = {
    "red": (0.83, 0.13, 0.12),
    "orange": (0.96, 0.52, 0.10),
    "yellow": (0.97, 0.83, 0.16),
    "green": (0.18, 0.60, 0.22),
    "turquoise": (0.16, 0.73, 0.72),
    "blue": (0.14, 0.35, 0.82),
    "purple": (0.50, 0.22, 0.68),
    "pink": (0.96, 0.53, 0.70),
    "brown": (0.47, 0.29, 0.15),
    "black": (0.10, 0.10, 0.11),
    "grey": (0.54, 0.55, 0.57),
    "white": (0.94, 0.94, 0.92),
}
"""The colours that captions name, in sRGB."""
WOOD, DARK, METAL, PALE = (0.60, 0.40, 0.22), (0.16, 0.16, 0.18), (0.70, 0.72, 0.75), (0.93, 0.92, 0.88)
GLASS, LEAF, SKIN, GOLD = (0.60, 0.82, 0.93), (0.24, 0.58, 0.22), (0.93, 0.76, 0.62), (0.88, 0.70, 0.24)
THIN = 0.024
"""Least radius of a part in a shape of unit size, so that the grid can hold it."""


@dataclass
class Builder:
    """A shape in the making. Families work in units in which they are about 1 large, Y up, front towards +Z.

    Args:
        rng: Source of every choice.
        colour: The main colour.
        wanted: Attributes that are settled, by name; the others are chosen.
    """

    rng: random.Random
    colour: Colour
    wanted: Mapping[str, str]
    parts: list[Part] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def vary(self, value: float, spread: float = 0.12) -> float:
        """The value, up to a share ``spread`` more or less."""
        return value * self.rng.uniform(1 - spread, 1 + spread)

    def adjective(self, name: str, *words: str) -> str:
        """One of some adjectives, or half of the time none (the empty text)."""
        word = self._settle(name, ("", *words), 0.5)
        if word:
            self.adjectives.append(word)
        return word

    def feature(self, name: str, phrases: Mapping[str, str]) -> str:
        """One of several makes, by what is said of it; the first is the usual one, drawn half of the time."""
        value = self._settle(name, tuple(phrases), 0.5)
        if phrases[value]:
            self.features.append(phrases[value])
        return value

    def accent(self, name: str, usual: Colour) -> Colour:
        """The colour of something beside: the usual one, or one that the caption names."""
        word = self._settle(f"{name} colour", ("", *PALETTE), 0.65)
        if not word:
            return usual
        self.features.append(f"{'an' if word[0] in 'aeiou' else 'a'} {word} {name}")
        return shade(PALETTE[word], self.rng)

    def named(self, name: str, values: Sequence[str]) -> str:
        """One of several makes, all drawn alike, that the caption always names."""
        return self._settle(name, values, 1 / len(values))

    def _settle(self, name: str, values: Sequence[str], first: float) -> str:
        value = self.wanted.get(name)
        if value is None:
            usual = self.rng.random() < first
            value = values[0] if usual or len(values) == 1 else self.rng.choice(values[1:])
        elif value not in values:
            raise ValueError(f"{name} is one of {', '.join(map(repr, values))}, not {value!r}")
        self.facts[name] = value
        return value

    def add(
        self,
        solid: Solid,
        centre: Point,
        colour: Colour | None = None,
        turn: Point | None = None,
        operation: Operation = "add",
        blend: float = 0.0,
    ) -> None:
        """Add, cut or paint a solid; ``turn`` in degrees about x, then y, then z."""
        matrix = None if turn is None else fields.rotation(turn)
        self.parts.append(Part(solid, centre, matrix, colour or self.colour, operation, blend))

    def box(
        self,
        centre: Point,
        half: Point,
        colour: Colour | None = None,
        rounding: float = 0.015,
        turn: Point | None = None,
        operation: Operation = "add",
    ) -> None:
        """A box of half extents ``half``."""
        half = (max(half[0], THIN), max(half[1], THIN), max(half[2], THIN))
        self.add(fields.box(half, min(rounding, *half)), centre, colour, turn, operation)

    def ball(
        self,
        centre: Point,
        radii: float | Point,
        colour: Colour | None = None,
        turn: Point | None = None,
        operation: Operation = "add",
        blend: float = 0.0,
    ) -> None:
        """A ball, or one stretched to three radii."""
        sizes = (radii, radii, radii) if isinstance(radii, int | float) else radii
        self.add(fields.ellipsoid(sizes), centre, colour, turn, operation, blend)

    def stick(
        self,
        a: Point,
        b: Point,
        radius: float,
        colour: Colour | None = None,
        end: float | None = None,
        blend: float = 0.0,
    ) -> None:
        """A stick with round ends, of radius ``end`` at b."""
        radius, end = max(radius, THIN), max(radius if end is None else end, THIN)
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2)
        start, stop = ((p[0] - middle[0], p[1] - middle[1], p[2] - middle[2]) for p in (a, b))
        self.add(fields.capsule(start, stop, radius, end), middle, colour, blend=blend)

    def cylinder(
        self,
        centre: Point,
        radius: float,
        half: float,
        colour: Colour | None = None,
        turn: Point | None = None,
        top: float | None = None,
        rounding: float = 0.012,
        operation: Operation = "add",
        blend: float = 0.0,
    ) -> None:
        """A cylinder around y, or a cone that is ``top`` wide at its upper end."""
        upper = radius if top is None else top
        r = min(rounding, half * 0.5)
        outline = [(0, -half + r), (max(radius - r, 0.002), -half + r), (max(upper - r, 0.002), half - r)]
        self.add(fields.lathe([*outline, (0, half - r)], r), centre, colour, turn, operation, blend)

    def ring(
        self,
        centre: Point,
        radius: float,
        thickness: float,
        colour: Colour | None = None,
        turn: Point | None = None,
    ) -> None:
        """A ring around y."""
        self.add(fields.torus(radius, max(thickness, THIN)), centre, colour, turn)

    def turned(
        self,
        centre: Point,
        profile: Sequence[tuple[float, float]],
        colour: Colour | None = None,
        rounding: float = 0.01,
    ) -> None:
        """A closed outline of (radius, height) turned about y."""
        self.add(fields.lathe(profile, rounding), centre, colour)

    def slab(
        self,
        centre: Point,
        outline: Sequence[tuple[float, float]],
        half: float,
        colour: Colour | None = None,
        turn: Point | None = None,
        rounding: float = 0.01,
        operation: Operation = "add",
    ) -> None:
        """A closed outline of (x, y), thick along z."""
        half = max(half, THIN)
        self.add(fields.slab(outline, half, min(rounding, half)), centre, colour, turn, operation)

    def pot(self, profile: Sequence[tuple[float, float]], wall: float) -> None:
        """A vessel: the outside as (radius, height) from the bottom to the rim, hollow, ``wall`` thick."""
        wall = max(wall, 2 * THIN)
        bottom = profile[0][1]
        inside = [(max(r - wall, 0.01), max(y, bottom + wall)) for r, y in profile]
        outline = [(0.0, bottom), *profile, *reversed(inside), (0.0, bottom + wall)]
        self.turned((0, 0, 0), outline, rounding=0.006)

    def eyes(self, centre: Point, apart: float, radius: float = 0.035) -> None:
        """Two black eyes, ``apart`` to each side."""
        for side in (-1, 1):
            self.ball((centre[0] + side * apart, centre[1], centre[2]), radius, DARK)


Make = Callable[[Builder], None]


@dataclass(frozen=True)
class Family:
    """A kind of shape.

    Args:
        names: What captions call it; the first is the canonical one.
        make: Adds its parts and says its words.
    """

    names: tuple[str, ...]
    make: Make


FAMILIES: dict[str, Family] = {}
"""Every family by its canonical name; filled when ``gen_mesh.training.data.shapes`` is imported."""


def family(*names: str) -> Callable[[Make], Make]:
    """Enter a function as the family of these names."""

    def enter(make: Make) -> Make:
        FAMILIES[names[0]] = Family(names, make)
        return make

    return enter


def shade(colour: Colour, rng: random.Random) -> Colour:
    """A colour a little lighter or darker, and a little off in hue."""
    light = rng.uniform(0.92, 1.06)
    red, green, blue = (float(np.clip(c * light + rng.uniform(-0.025, 0.025), 0, 1)) for c in colour)
    return red, green, blue


def around(count: int, radius: float, phase: float = 0.0) -> list[tuple[float, float]]:
    """Points (x, z), evenly spaced on a circle."""
    angles = [2 * np.pi * (i + phase) / count for i in range(count)]
    return [(radius * float(np.sin(a)), radius * float(np.cos(a))) for a in angles]
