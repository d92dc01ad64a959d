"""Shapes with captions: how one is drawn, what is said of it, and what training never sees."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen_mesh.grids import BAND, SIZE, Array, stacked
from gen_mesh.training.data import creatures, furniture, things, vehicles, vessels  # noqa: F401 - they enter families
from gen_mesh.training.data.builder import FAMILIES, PALETTE, Builder, shade
from gen_mesh.training.data.fields import Part, Point, evaluate
from gen_mesh.vocabulary import SIZES

EXTENT: Mapping[str, float] = {"": 0.84, **{word: 0.84 * factor for word, factor in SIZES.items()}}
"""Longest side by the word for the size, in the unit box."""
HELD_OUT = 12
"""One in so many pairs of family and colour, and of family and attribute, is kept from training."""
WEIGHTS: Mapping[str, int] = {
    "mug": 8,
    "cube": 4,
    **dict.fromkeys(("bowl", "bucket", "kettle", "teapot", "vase", "wine glass"), 3),
    **dict.fromkeys(("chair", "stool", "table"), 2),
}
"""How many times as often as others those families are drawn whose walls, handles, legs or sizes are
hardest."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape.

    Args:
        family: Canonical name.
        colour: Name of the main colour.
        parts: What it is put together from, in the family's own units.
        facts: Attributes by name, the size among them; the empty text where nothing is said.
        adjectives, features: Words and phrases that are true of it.
    """

    family: str
    colour: str
    parts: tuple[Part, ...]
    facts: Mapping[str, str]
    adjectives: tuple[str, ...]
    features: tuple[str, ...]

    def placed(self) -> tuple[float, Point]:
        """Scale and shift that put it into the middle of the unit box at its size."""
        solid = [part.bounds() for part in self.parts if part.operation == "add"]
        low, high = np.min([b[0] for b in solid], 0), np.max([b[1] for b in solid], 0)
        scale = EXTENT[self.facts["size"]] / float((high - low).max())
        shift = -scale * (low + high) / 2
        return scale, (float(shift[0]), float(shift[1]), float(shift[2]))

    def grid(self) -> tuple[Array, Array]:
        """Signed distances (SIZE, SIZE, SIZE) and sRGB colours (SIZE, SIZE, SIZE, 3)."""
        return evaluate(self.parts, *self.placed(), SIZE, BAND)


def stacked_grids(shapes: Iterable[Shape]) -> Tensor:
    """Grids of shapes as the codec sees them, (B, 4, SIZE, SIZE, SIZE)."""
    return torch.from_numpy(np.stack([stacked(*shape.grid()) for shape in shapes]))


def make(family: str, colour: str, rng: random.Random, wanted: Mapping[str, str] | None = None) -> Shape:
    """Make a shape of a family in a colour.

    Args:
        family: Canonical name.
        colour: Name in ``PALETTE``.
        rng: Source of all that is not settled.
        wanted: Attributes that are settled, by name.

    Raises:
        ValueError: An attribute has no such value.
    """
    builder = Builder(rng, shade(PALETTE[colour], rng), wanted or {})
    builder.adjective("size", "big", "small")
    FAMILIES[family].make(builder)
    return Shape(
        family,
        colour,
        tuple(builder.parts),
        {"size": "", **builder.facts},
        tuple(builder.adjectives),
        tuple(builder.features),
    )


def draw(rng: random.Random, wanted: Mapping[str, str] | None = None) -> Shape:
    """Draw a shape that training may see; ``wanted`` as of ``make``."""
    families = sorted(FAMILIES)
    weights = [WEIGHTS.get(family, 1) for family in families]
    while True:
        [family], colour = rng.choices(families, weights), rng.choice(sorted(PALETTE))
        if held_out(family, colour):
            continue
        shape = make(family, colour, rng, wanted)
        if not has_held_out(shape):
            return shape


def held_out(family: str, what: str) -> bool:
    """Whether training never sees a family with a colour (``"red"``) or an attribute (``"height=tall"``).

    Letters are not held out, and of an attribute only the sizes and proportions: what a family has of its own
    could not be known from elsewhere.
    """
    name, _, _ = what.partition("=")
    if "=" in what and name not in ("size", "height", "proportions", "length", "width"):
        return False
    digest = hashlib.sha256(f"{family}|{what}".encode()).digest()
    return digest[0] % HELD_OUT == 0


def has_held_out(shape: Shape) -> bool:
    """Whether training never sees one of a shape's attributes with its family."""
    return any(held_out(shape.family, f"{name}={value}") for name, value in shape.facts.items() if value)


def canonical(shape: Shape) -> str:
    """The caption with everything in it."""
    return _caption(shape, shape.colour, FAMILIES[shape.family].names[0], shape.adjectives, shape.features)


def caption(shape: Shape, rng: random.Random) -> str:
    """A caption that says something of the shape.

    Adjectives are never left out: where one could be, a bare name would mean every make, not the usual one.
    """
    names = FAMILIES[shape.family].names
    name = names[0] if len(names) == 1 or rng.random() < 0.7 else rng.choice(names[1:])
    adjectives = rng.sample(shape.adjectives, len(shape.adjectives))
    features = [phrase for phrase in shape.features if rng.random() < 0.7]
    rng.shuffle(features)
    colour = shape.colour if rng.random() < 0.85 else ""
    return _caption(shape, colour, name, adjectives, features, rng.random() < 0.9)


def _caption(
    shape: Shape,
    colour: str,
    name: str,
    adjectives: list[str] | tuple[str, ...],
    features: list[str] | tuple[str, ...],
    article: bool = True,
) -> str:
    if "glyph" in shape.facts:
        name = f"{name} {shape.facts['glyph']}"
    text = " ".join([*adjectives, *([colour] if colour else []), name])
    if article:
        text = f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"
    if features:
        *most, last = features
        text += f" with {', '.join(most)} and {last}" if most else f" with {last}"
    return text
