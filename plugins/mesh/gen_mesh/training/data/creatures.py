"""Animals and figures, mostly from sticks and balls that flow into each other."""

from __future__ import annotations

from itertools import pairwise

from gen_mesh.training.data.builder import DARK, GOLD, METAL, PALE, SKIN, Builder, Colour, around, family

BEAK, NOSE = (0.96, 0.60, 0.12), (0.20, 0.13, 0.12)


def _dark(colour: Colour, share: float = 0.72) -> Colour:
    return colour[0] * share, colour[1] * share, colour[2] * share


def _light(colour: Colour, share: float = 0.45) -> Colour:
    return tuple(c + (1 - c) * share for c in colour)  # type: ignore[return-value]


def _four_legs(k: Builder, front: float, rear: float, wide: float, top: float, radius: float) -> None:
    for x in (front, rear):
        for z in (-wide, wide):
            k.stick((x, top, z), (x, radius, z * 1.1), radius * 1.1, end=radius, blend=0.05)


@family("dog", "puppy")
def dog(k: Builder) -> None:
    legs = {"long": 0.4, "short": 0.16, "": 0.26}[
        k.feature("legs", {"": "", "long": "long legs", "short": "short legs"})
    ]
    ears = k.accent("ear", _dark(k.colour))
    k.stick((-0.28, legs + 0.08, 0), (0.26, legs + 0.1, 0), 0.13, end=0.14)
    _four_legs(k, 0.24, -0.28, 0.09, legs + 0.04, 0.048)
    k.stick((0.26, legs + 0.12, 0), (0.38, legs + 0.34, 0), 0.1, blend=0.06)
    k.ball((0.4, legs + 0.38, 0), 0.135, blend=0.04)
    k.stick((0.44, legs + 0.35, 0), (0.58, legs + 0.32, 0), 0.075, end=0.06, blend=0.03)
    k.ball((0.645, legs + 0.335, 0), 0.036, NOSE)
    for z in (-0.12, 0.12):
        k.ball((0.37, legs + 0.36, z * 1.1), (0.05, 0.12, 0.035), ears)
    for z in (-0.06, 0.06):
        k.ball((0.515, legs + 0.42, z), 0.03, DARK)
    k.stick((-0.34, legs + 0.14, 0), (-0.5, legs + 0.34, 0), 0.038, end=0.028, blend=0.03)


@family("cat", "kitten")
def cat(k: Builder) -> None:
    pose = k.adjective("pose", "sitting")
    tail = k.accent("tail", k.colour)
    if pose == "sitting":
        k.stick((0, 0.17, -0.08), (0, 0.4, 0.02), 0.18, end=0.13)
        for x in (-0.07, 0.07):
            k.stick((x, 0.36, 0.08), (x, 0.05, 0.16), 0.05, blend=0.03)
            k.ball((x * 2, 0.07, 0.06), (0.07, 0.06, 0.12), blend=0.03)
        k.stick((0.08, 0.06, -0.22), (0.27, 0.07, -0.06), 0.036, tail)
        k.stick((0.27, 0.07, -0.06), (0.25, 0.08, 0.1), 0.036, tail)
        head = (0.0, 0.6, 0.06)
    else:
        k.stick((0, 0.3, -0.26), (0, 0.31, 0.2), 0.12)
        for z in (-0.26, 0.2):
            for x in (-0.08, 0.08):
                k.stick((x, 0.28, z), (x, 0.045, z), 0.045, blend=0.04)
        k.stick((0, 0.34, -0.34), (0, 0.56, -0.46), 0.036, tail)
        k.stick((0, 0.56, -0.46), (0, 0.7, -0.4), 0.034, tail)
        head = (0.0, 0.46, 0.3)
    x, y, z = head
    k.ball(head, (0.17, 0.145, 0.15), blend=0.03)
    for side in (-1, 1):
        k.cylinder((side * 0.105, y + 0.16, z), 0.065, 0.075, top=0.008, turn=(0, 0, -side * 14))
    k.eyes((0, y + 0.03, z + 0.13), 0.065, 0.032)
    k.ball((0, y - 0.04, z + 0.15), 0.028, (0.95, 0.55, 0.6))


@family("horse", "pony")
def horse(k: Builder) -> None:
    mane = k.accent("mane", DARK)
    horn = k.feature("horn", {"no": "", "yes": "a golden horn"})
    k.stick((-0.26, 0.52, 0), (0.24, 0.52, 0), 0.145, end=0.14)
    for x in (-0.28, 0.26):
        for z in (-0.09, 0.09):
            k.stick((x, 0.48, z), (x, 0.06, z), 0.055, end=0.04, blend=0.04)
            k.cylinder((x, 0.035, z), 0.05, 0.035, DARK)
    k.stick((0.26, 0.56, 0), (0.44, 0.86, 0), 0.11, end=0.075, blend=0.06)
    k.stick((0.44, 0.88, 0), (0.62, 0.78, 0), 0.085, end=0.06, blend=0.03)
    k.stick((0.2, 0.7, 0), (0.38, 0.96, 0), 0.045, mane)
    k.stick((-0.38, 0.56, 0), (-0.52, 0.26, 0), 0.045, mane, end=0.06)
    for z in (-0.05, 0.05):
        k.stick((0.42, 0.95, z), (0.42, 1.02, z), 0.03, end=0.02)
        k.ball((0.5, 0.89, z * 1.45), 0.026, DARK)
    if horn == "yes":
        k.stick((0.5, 0.93, 0), (0.6, 1.16, 0), 0.036, GOLD, end=0.018)


@family("cow")
def cow(k: Builder) -> None:
    k.box((0, 0.42, 0), (0.34, 0.17, 0.17), rounding=0.14)
    for x, y, z in ((-0.16, 0.5, 0.16), (0.12, 0.36, 0.17), (0.0, 0.55, -0.15), (-0.22, 0.38, -0.16)):
        k.ball((x, y, z), k.rng.uniform(0.08, 0.12), DARK if sum(k.colour) > 0.6 else PALE, operation="paint")
    _four_legs(k, 0.24, -0.24, 0.1, 0.32, 0.055)
    k.ball((0.42, 0.54, 0), (0.14, 0.12, 0.11), blend=0.04)
    k.ball((0.53, 0.49, 0), (0.075, 0.075, 0.1), (0.95, 0.7, 0.7))
    for z in (-0.1, 0.1):
        k.stick((0.38, 0.64, z * 0.7), (0.38, 0.74, z * 1.3), 0.028, PALE, end=0.02)
        k.ball((0.36, 0.57, z * 1.55), (0.04, 0.035, 0.07))
        k.ball((0.5, 0.59, z * 0.75), 0.028, DARK)
    k.stick((-0.34, 0.5, 0), (-0.42, 0.24, 0), 0.024)


@family("pig")
def pig(k: Builder) -> None:
    k.ball((0, 0.34, 0), (0.36, 0.24, 0.24))
    for x in (0.18, -0.2):
        for z in (-0.12, 0.12):
            k.stick((x, 0.25, z), (x, 0.06, z), 0.06, blend=0.03)
    k.ball((0.32, 0.44, 0), 0.165, blend=0.05)
    k.cylinder((0.47, 0.42, 0), 0.075, 0.05, _light(k.colour, 0.3), turn=(0, 0, 90))
    for z in (-0.1, 0.1):
        k.ball((0.3, 0.6, z), (0.05, 0.07, 0.045), _dark(k.colour, 0.85))
        k.ball((0.45, 0.51, z * 0.75), 0.028, DARK)
    k.ring((-0.38, 0.42, 0), 0.045, 0.02, turn=(90, 0, 0))


@family("sheep")
def sheep(k: Builder) -> None:
    face = k.accent("face", DARK)
    k.ball((0, 0.38, 0), (0.32, 0.24, 0.24))
    for i in range(14):
        x, z = around(7, 0.2, i / 2)[i % 7]
        k.ball((x * 1.4, 0.38 + (0.13 if i < 7 else -0.08), z), 0.11, blend=0.02)
    for x in (0.17, -0.17):
        for z in (-0.1, 0.1):
            k.stick((x, 0.25, z), (x, 0.045, z), 0.045, face)
    k.ball((0.39, 0.5, 0), (0.12, 0.14, 0.1), face)
    k.ball((0.33, 0.62, 0), 0.1)
    for z in (-0.12, 0.12):
        k.ball((0.36, 0.52, z), (0.035, 0.035, 0.06), face)
        k.ball((0.48, 0.54, z * 0.5), 0.028, PALE)


@family("elephant")
def elephant(k: Builder) -> None:
    k.ball((-0.08, 0.46, 0), (0.36, 0.27, 0.25))
    for x in (0.14, -0.28):
        for z in (-0.13, 0.13):
            k.stick((x, 0.36, z), (x, 0.08, z), 0.085, blend=0.03)
    k.ball((0.34, 0.62, 0), 0.19, blend=0.05)
    for z in (-0.24, 0.24):
        k.ball((0.26, 0.63, z), (0.13, 0.19, 0.035), _dark(k.colour, 0.88), turn=(0, -z * 120, 0))
    points = (
        ((0.48, 0.6), (0.57, 0.42), (0.57, 0.22), (0.65, 0.13))
        if k.feature("trunk", {"down": "", "up": "a raised trunk"}) == "down"
        else ((0.48, 0.6), (0.62, 0.58), (0.7, 0.72), (0.68, 0.9))
    )
    for a, b in pairwise(points):
        k.stick((a[0], a[1], 0), (b[0], b[1], 0), 0.062, end=0.05, blend=0.02)
    for z in (-0.09, 0.09):
        k.stick((0.46, 0.5, z), (0.58, 0.44, z * 1.3), 0.028, PALE)
        k.ball((0.49, 0.7, z), 0.03, DARK)
    k.stick((-0.42, 0.5, 0), (-0.5, 0.3, 0), 0.024)


@family("giraffe")
def giraffe(k: Builder) -> None:
    spot = _dark(k.colour, 0.6)
    k.stick((-0.18, 0.48, 0), (0.14, 0.52, 0), 0.115)
    _four_legs(k, 0.15, -0.19, 0.07, 0.44, 0.036)
    k.stick((0.16, 0.54, 0), (0.3, 1.08, 0), 0.08, end=0.05, blend=0.04)
    k.stick((0.3, 1.1, 0), (0.44, 1.04, 0), 0.07, end=0.05)
    for x, y in ((-0.16, 0.52), (0.0, 0.46), (0.1, 0.56), (0.2, 0.7), (0.24, 0.85), (0.28, 0.98)):
        for z in (-0.1, 0.1):
            k.ball((x, y, z * (1 if y < 0.6 else 0.6)), 0.058, spot, operation="paint")
    for z in (-0.04, 0.04):
        k.stick((0.28, 1.14, z), (0.27, 1.23, z), 0.02, spot)
        k.ball((0.36, 1.13, z * 1.5), 0.022, DARK)


@family("rabbit", "bunny")
def rabbit(k: Builder) -> None:
    ears = {"long": 0.36, "": 0.24}[k.feature("ears", {"": "", "long": "very long ears"})]
    k.ball((0, 0.22, -0.04), (0.2, 0.21, 0.24))
    k.ball((0, 0.22, -0.29), 0.075, PALE)
    for x in (-0.11, 0.11):
        k.ball((x, 0.05, 0.1), (0.055, 0.05, 0.13))
        k.stick((x * 0.6, 0.54, 0.1), (x * 0.85, 0.56 + ears, 0.06), 0.045, end=0.05)
        k.ball((x * 0.78, 0.55 + ears * 0.6, 0.125), (0.03, ears * 0.4, 0.03), (0.97, 0.72, 0.76))
    k.ball((0, 0.46, 0.12), 0.155, blend=0.03)
    k.eyes((0, 0.5, 0.245), 0.07, 0.03)
    k.ball((0, 0.44, 0.275), 0.026, (0.9, 0.45, 0.5))


@family("bird")
def bird(k: Builder) -> None:
    wings = k.feature("wings", {"folded": "", "spread": "spread wings"})
    k.ball((0, 0.32, 0), (0.27, 0.18, 0.17))
    k.ball((0.1, 0.27, 0), (0.2, 0.15, 0.15), _light(k.colour), operation="paint")
    k.ball((0.23, 0.49, 0), 0.135, blend=0.04)
    k.stick((0.34, 0.49, 0), (0.45, 0.47, 0), 0.045, BEAK, end=0.018)
    k.slab(
        (-0.33, 0.36, 0),
        [(-0.16, -0.09), (-0.16, 0.09), (0.12, 0.05), (0.12, -0.05)],
        0.025,
        _dark(k.colour),
        turn=(90, 0, 15),
    )
    for z in (-1, 1):
        k.ball((0.3, 0.53, z * 0.095), 0.03, DARK)
        k.stick((0.0, 0.2, z * 0.07), (0.03, 0.03, z * 0.07), 0.022, BEAK)
        k.stick((-0.01, 0.025, z * 0.07), (0.09, 0.025, z * 0.07), 0.022, BEAK)
        if wings == "folded":
            k.ball((-0.04, 0.34, z * 0.165), (0.19, 0.11, 0.04), _dark(k.colour))
        else:
            k.ball((-0.02, 0.42, z * 0.33), (0.13, 0.035, 0.26), _dark(k.colour), turn=(-z * 18, 0, 0))


@family("duck")
def duck(k: Builder) -> None:
    k.ball((0, 0.24, 0), (0.36, 0.22, 0.24))
    k.stick((-0.26, 0.32, 0), (-0.4, 0.44, 0), 0.1, end=0.04, blend=0.04)
    k.stick((0.2, 0.35, 0), (0.24, 0.52, 0), 0.1, blend=0.06)
    k.ball((0.25, 0.58, 0), 0.16, blend=0.03)
    k.ball((0.43, 0.55, 0), (0.11, 0.035, 0.085), k.accent("beak", BEAK))
    for z in (-0.1, 0.1):
        k.ball((0.35, 0.65, z), 0.03, DARK)
        k.ball((-0.06, 0.3, z * 2.1), (0.2, 0.11, 0.055), _dark(k.colour, 0.88))


@family("penguin")
def penguin(k: Builder) -> None:
    k.ball((0, 0.36, 0), (0.23, 0.35, 0.21))
    k.ball((0, 0.33, 0.13), (0.175, 0.29, 0.15), PALE, operation="paint")
    k.ball((0, 0.72, 0), 0.17, blend=0.04)
    k.stick((0, 0.7, 0.15), (0, 0.69, 0.26), 0.04, BEAK, end=0.02)
    for x in (-0.07, 0.07):
        k.ball((x, 0.76, 0.14), 0.034, DARK if sum(k.colour) > 0.6 else PALE)
    for x in (-1, 1):
        k.ball((x * 0.25, 0.4, 0), (0.045, 0.21, 0.09), turn=(0, 0, x * 14))
        k.ball((x * 0.1, 0.03, 0.09), (0.085, 0.035, 0.13), BEAK)


@family("fish")
def fish(k: Builder) -> None:
    stripes = k.feature("stripes", {"no": "", "yes": "white stripes"})
    k.ball((0, 0.3, 0), (0.36, 0.22, 0.12))
    if stripes == "yes":
        for x in (-0.14, 0.1):
            k.box((x, 0.3, 0), (0.035, 0.3, 0.2), PALE, operation="paint")
    k.slab((-0.4, 0.3, 0), [(0.1, 0), (-0.14, 0.2), (-0.08, 0), (-0.14, -0.2)], 0.026, _dark(k.colour, 0.85))
    k.slab((-0.02, 0.5, 0), [(-0.16, 0.08), (0.12, -0.02), (-0.14, -0.06)], 0.025, _dark(k.colour, 0.85))
    k.slab((-0.02, 0.1, 0), [(-0.12, -0.08), (0.08, 0.02), (-0.1, 0.05)], 0.025, _dark(k.colour, 0.85))
    for z in (-1, 1):
        k.ball((0.24, 0.36, z * 0.085), 0.05, PALE)
        k.ball((0.255, 0.365, z * 0.115), 0.03, DARK)


@family("shark")
def shark(k: Builder) -> None:
    k.ball((0, 0.3, 0), (0.5, 0.16, 0.15))
    k.box((0.05, 0.13, 0), (0.5, 0.12, 0.3), _light(k.colour, 0.75), operation="paint")
    k.slab((-0.02, 0.48, 0), [(-0.14, 0.12), (0.12, -0.06), (-0.1, -0.06)], 0.028)
    k.slab((-0.5, 0.32, 0), [(0.08, 0.0), (-0.14, 0.26), (-0.06, 0.0), (-0.12, -0.16)], 0.026)
    for z in (-1, 1):
        k.ball((0.08, 0.2, z * 0.22), (0.08, 0.026, 0.17), turn=(z * 20, z * -30, 0))
        k.ball((0.36, 0.36, z * 0.085), 0.028, DARK)


@family("whale")
def whale(k: Builder) -> None:
    k.ball((0.08, 0.28, 0), (0.4, 0.26, 0.27))
    k.box((0.1, 0.08, 0), (0.5, 0.12, 0.4), _light(k.colour, 0.7), operation="paint")
    k.stick((-0.2, 0.32, 0), (-0.5, 0.5, 0), 0.13, end=0.045, blend=0.06)
    k.ball((-0.56, 0.55, -0.12), (0.08, 0.032, 0.15), turn=(0, -30, 0))
    k.ball((-0.56, 0.55, 0.12), (0.08, 0.032, 0.15), turn=(0, 30, 0))
    for z in (-1, 1):
        k.ball((0.32, 0.32, z * 0.215), 0.032, DARK)
        k.ball((0.06, 0.14, z * 0.29), (0.1, 0.03, 0.12), turn=(z * 25, 0, 0))
    if k.feature("spout", {"no": "", "yes": "a water spout"}) == "yes":
        k.stick((0.12, 0.5, 0), (0.12, 0.72, 0), 0.032, (0.6, 0.82, 0.95))
        k.ball((0.12, 0.75, 0), (0.12, 0.06, 0.12), (0.6, 0.82, 0.95))


@family("turtle")
def turtle(k: Builder) -> None:
    skin = k.accent("head", (0.45, 0.62, 0.25))
    k.ball((0, 0.16, 0), (0.36, 0.27, 0.31))
    k.box((0, 0.0, 0), (0.6, 0.11, 0.6), operation="cut")
    k.cylinder((0, 0.115, 0), 0.33, 0.035, _dark(k.colour, 0.7))
    k.stick((0.28, 0.17, 0), (0.46, 0.25, 0), 0.075, skin, end=0.095)
    for x in (-0.23, 0.23):
        for z in (-0.22, 0.22):
            k.stick((x, 0.12, z), (x * 1.25, 0.05, z * 1.25), 0.065, skin)
    for z in (-1, 1):
        k.ball((0.51, 0.3, z * 0.065), 0.028, DARK)


@family("snail")
def snail(k: Builder) -> None:
    shell = k.accent("shell", (0.62, 0.42, 0.24))
    k.stick((-0.36, 0.06, 0), (0.26, 0.07, 0), 0.05, end=0.085)
    k.stick((0.26, 0.09, 0), (0.38, 0.27, 0), 0.085, end=0.075, blend=0.04)
    k.cylinder((-0.05, 0.34, 0), 0.25, 0.12, shell, turn=(90, 0, 0), rounding=0.1)
    for r, side in ((0.15, 1), (0.15, -1)):
        k.ring((-0.05, 0.34, side * 0.115), r, 0.03, _dark(shell), turn=(90, 0, 0))
        k.ball((-0.05, 0.34, side * 0.11), 0.06, _dark(shell))
    for z in (-0.05, 0.05):
        k.stick((0.4, 0.32, z), (0.44, 0.47, z * 1.6), 0.02)
        k.ball((0.44, 0.49, z * 1.6), 0.03, DARK)


@family("octopus")
def octopus(k: Builder) -> None:
    k.ball((0, 0.48, 0), (0.24, 0.27, 0.24))
    for x, z in around(8, 1.0, 0.5):
        k.stick((x * 0.14, 0.27, z * 0.14), (x * 0.3, 0.09, z * 0.3), 0.06, end=0.048, blend=0.03)
        k.stick((x * 0.3, 0.09, z * 0.3), (x * 0.46, 0.1, z * 0.46), 0.048, end=0.034, blend=0.02)
    for x in (-0.09, 0.09):
        k.ball((x, 0.5, 0.21), 0.058, PALE)
        k.ball((x, 0.5, 0.26), 0.03, DARK)


@family("snake")
def snake(k: Builder) -> None:
    coils = int(k.feature("bends", {"3": "", "2": "two bends"}))
    points = [(-0.5 + i * 0.9 / (coils * 2), 0.06, 0.18 * (1 if i % 2 else -1)) for i in range(coils * 2)]
    tip = points[-1]
    points.append((tip[0] + 0.12, 0.3, tip[2] * 0.3))
    for i, (a, b) in enumerate(pairwise(points)):
        k.stick(
            a, b, 0.04 + 0.02 * min(1.0, (i + 0.5) / 3), end=0.04 + 0.02 * min(1.0, (i + 1.5) / 3), blend=0.03
        )
    x, y, z = points[-1]
    k.ball((x + 0.06, y + 0.04, z), (0.11, 0.075, 0.085), blend=0.02)
    k.stick((x + 0.15, y + 0.03, z), (x + 0.25, y + 0.02, z), 0.02, (0.85, 0.15, 0.2))
    for side in (-0.055, 0.055):
        k.ball((x + 0.1, y + 0.1, z + side), 0.028, DARK)


@family("butterfly")
def butterfly(k: Builder) -> None:
    spot = k.accent("spot", _light(k.colour, 0.6))
    k.stick((0, 0.25, 0), (0, 0.65, 0), 0.045, DARK)
    k.ball((0, 0.72, 0), 0.07, DARK)
    for x in (-1, 1):
        k.ball((x * 0.27, 0.6, 0), (0.24, 0.18, 0.028), turn=(0, 0, x * 30))
        k.ball((x * 0.21, 0.3, 0), (0.19, 0.14, 0.028), turn=(0, 0, -x * 35))
        k.ball((x * 0.32, 0.63, 0), (0.09, 0.09, 0.1), spot, operation="paint")
        k.ball((x * 0.24, 0.29, 0), (0.07, 0.07, 0.1), spot, operation="paint")
        k.stick((x * 0.02, 0.75, 0), (x * 0.13, 0.9, 0), 0.02, DARK)


@family("bee")
def bee(k: Builder) -> None:
    k.ball((0, 0.3, 0), (0.32, 0.22, 0.22))
    for x in (-0.16, 0.06):
        k.box((x, 0.3, 0), (0.05, 0.3, 0.3), DARK if sum(k.colour) > 0.6 else PALE, operation="paint")
    k.ball((0.34, 0.34, 0), 0.14, DARK)
    for z in (-1, 1):
        k.ball((0, 0.56, z * 0.16), (0.15, 0.03, 0.17), (0.85, 0.92, 0.97), turn=(-z * 30, 0, 0))
        k.stick((0.38, 0.44, z * 0.05), (0.46, 0.56, z * 0.09), 0.02, DARK)
        k.ball((0.44, 0.38, z * 0.08), 0.034, PALE)
    k.stick((-0.3, 0.3, 0), (-0.4, 0.3, 0), 0.03, DARK, end=0.018)


@family("bear", "teddy bear")
def bear(k: Builder) -> None:
    belly = k.accent("belly", _light(k.colour, 0.5))
    k.ball((0, 0.3, 0), (0.21, 0.25, 0.18))
    k.ball((0, 0.28, 0.13), (0.13, 0.16, 0.1), belly, operation="paint")
    k.ball((0, 0.65, 0), 0.185, blend=0.03)
    k.ball((0, 0.61, 0.16), (0.085, 0.07, 0.06), _light(k.colour, 0.5))
    k.ball((0, 0.645, 0.215), 0.032, NOSE)
    k.eyes((0, 0.7, 0.165), 0.07, 0.028)
    for x in (-1, 1):
        k.ball((x * 0.15, 0.81, 0), (0.075, 0.075, 0.05))
        k.stick((x * 0.16, 0.44, 0.02), (x * 0.32, 0.28, 0.08), 0.075, blend=0.03)
        k.stick((x * 0.11, 0.12, 0.04), (x * 0.2, 0.09, 0.22), 0.085, blend=0.03)


@family("snowman")
def snowman(k: Builder) -> None:
    balls = int(k.feature("balls", {"3": "", "2": "two balls"}))
    hat = k.feature("hat", {"yes": "a hat", "no": "no hat"})
    high = 0.0
    for radius in (0.27, 0.2, 0.145) if balls == 3 else (0.27, 0.19):
        k.ball((0, high + radius * 0.88, 0), radius, PALE)
        high += radius * 1.65
    head = 0.145 if balls == 3 else 0.19
    y = high - head * 0.7
    k.stick((0, y, head * 0.9), (0, y - 0.01, head + 0.13), 0.036, (0.97, 0.5, 0.1), end=0.018)
    k.eyes((0, y + 0.05, head * 0.9), 0.055, 0.027)
    k.ring((0, y - head * 0.85, 0), head * 0.72, 0.05)
    k.stick((0.1, y - head, 0.13), (0.13, y - head - 0.17, 0.2), 0.036)
    if hat == "yes":
        k.cylinder((0, y + head * 0.85, 0), head * 1.2, 0.025, DARK)
        k.cylinder((0, y + head * 0.85 + 0.1, 0), head * 0.75, 0.1, DARK)


@family("robot")
def robot(k: Builder) -> None:
    head = k.adjective("head", "round-headed")
    trim = k.accent("head", METAL)
    k.box((0, 0.44, 0), (0.2, 0.2, 0.14), rounding=0.03)
    k.box((0, 0.46, 0.14), (0.11, 0.08, 0.03), PALE)
    if head:
        k.ball((0, 0.81, 0), 0.16, trim)
    else:
        k.box((0, 0.8, 0), (0.16, 0.13, 0.13), trim, rounding=0.03)
    k.stick((0, 0.6, 0), (0, 0.72, 0), 0.06, DARK)
    k.stick((0, 0.92, 0), (0, 1.06, 0), 0.02, DARK)
    k.ball((0, 1.07, 0), 0.042, (0.9, 0.2, 0.15))
    k.eyes((0, 0.83, 0.14), 0.07, 0.036)
    for x in (-1, 1):
        k.stick((x * 0.26, 0.58, 0), (x * 0.31, 0.3, 0.04), 0.05, METAL)
        k.ball((x * 0.31, 0.26, 0.05), 0.07)
        k.stick((x * 0.1, 0.26, 0), (x * 0.1, 0.08, 0), 0.06, METAL)
        k.box((x * 0.1, 0.045, 0.03), (0.085, 0.045, 0.12))


@family("person", "figure")
def person(k: Builder) -> None:
    arms, legs = k.feature("arms", {"down": "", "up": "raised arms"}), (0.22, 0.28, 0.45)
    hair = k.rng.choice(((0.2, 0.13, 0.08), (0.5, 0.3, 0.12), (0.85, 0.68, 0.3)))
    k.stick((0, 0.5, 0), (0, 0.7, 0), 0.125, end=0.135)
    k.ball((0, 0.97, 0), 0.13, SKIN)
    k.ball((0, 1.0, -0.025), (0.138, 0.13, 0.13), hair)
    k.ball((0, 0.95, 0.1), (0.09, 0.1, 0.07), SKIN, operation="paint")
    k.eyes((0, 0.98, 0.115), 0.045, 0.024)
    for x in (-1, 1):
        k.stick((x * 0.075, 0.45, 0), (x * 0.09, 0.09, 0), 0.062, legs)
        k.ball((x * 0.09, 0.05, 0.04), (0.06, 0.05, 0.1), DARK)
        hand = (x * 0.28, 0.42, 0.05) if arms == "down" else (x * 0.32, 1.02, 0.0)
        k.stick((x * 0.15, 0.74, 0), hand, 0.052, end=0.045)
        k.ball(hand, 0.058, SKIN)


@family("ghost")
def ghost(k: Builder) -> None:
    k.ball((0, 0.6, 0), 0.28)
    k.cylinder((0, 0.32, 0), 0.3, 0.29, top=0.27)
    for x, z in around(6, 0.24):
        k.ball((x, 0.05, z), 0.085, blend=0.02)
    for x in (-0.1, 0.1):
        k.ball((x, 0.62, 0.26), (0.055, 0.08, 0.05), DARK if sum(k.colour) > 0.6 else PALE)
    k.ball((0, 0.45, 0.28), (0.06, 0.05, 0.04), DARK if sum(k.colour) > 0.6 else PALE)


@family("dinosaur")
def dinosaur(k: Builder) -> None:
    spikes = k.accent("spike", _dark(k.colour, 0.6))
    k.ball((0, 0.36, 0), (0.28, 0.2, 0.18))
    for x in (0.15, -0.15):
        for z in (-0.11, 0.11):
            k.stick((x, 0.28, z), (x, 0.065, z), 0.062, blend=0.03)
    k.stick((0.2, 0.44, 0), (0.44, 0.8, 0), 0.1, end=0.07, blend=0.06)
    k.stick((0.43, 0.82, 0), (0.55, 0.79, 0), 0.09, end=0.07, blend=0.02)
    k.stick((-0.2, 0.36, 0), (-0.46, 0.18, 0), 0.12, end=0.06, blend=0.06)
    k.stick((-0.46, 0.18, 0), (-0.66, 0.12, 0), 0.06, end=0.025, blend=0.02)
    for x, y in ((-0.3, 0.41), (-0.14, 0.55), (0.03, 0.6), (0.18, 0.65)):
        k.slab((x, y, 0), [(-0.07, -0.06), (0.07, -0.06), (0, 0.09)], 0.03, spikes)
    for z in (-1, 1):
        k.ball((0.5, 0.88, z * 0.06), 0.028, DARK)


@family("crab")
def crab(k: Builder) -> None:
    k.ball((0, 0.26, 0), (0.27, 0.14, 0.2))
    for x in (-1, 1):
        for z in (-0.12, 0.0, 0.12):
            k.stick((x * 0.2, 0.24, z), (x * 0.4, 0.28, z * 1.7), 0.03)
            k.stick((x * 0.4, 0.28, z * 1.7), (x * 0.47, 0.04, z * 2), 0.028)
        k.stick((x * 0.2, 0.26, 0.14), (x * 0.34, 0.3, 0.34), 0.045)
        k.ball((x * 0.3, 0.33, 0.46), (0.1, 0.09, 0.13))
        k.slab(
            (x * 0.27, 0.33, 0.56),
            [(-0.045, -0.08), (0.045, -0.08), (0, 0.09)],
            0.2,
            turn=(90, 0, 0),
            operation="cut",
        )
        k.stick((x * 0.08, 0.36, 0.14), (x * 0.08, 0.47, 0.17), 0.022)
        k.ball((x * 0.08, 0.49, 0.18), 0.04, DARK)
