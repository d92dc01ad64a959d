"""Vessels, dishes and kitchen things."""

from __future__ import annotations

from itertools import pairwise

from gen_mesh.training.data.builder import DARK, GLASS, METAL, PALE, WOOD, Builder, around, family

COFFEE = (0.30, 0.18, 0.10)
HANDLE = {"": "", "big": "a big handle", "small": "a small handle", "none": "no handle", "two": "two handles"}


def _proportions(k: Builder) -> tuple[float, float]:
    """Height and width, for the adjectives tall and wide."""
    word = k.adjective("proportions", "tall", "wide")
    return {"tall": 1.45, "wide": 0.75, "": 1.0}[word], {"tall": 0.85, "wide": 1.3, "": 1.0}[word]


def _handles(k: Builder, kind: str, x: float, y: float, high: float) -> None:
    if kind == "none":
        return
    size = {"big": 0.42, "small": 0.22}.get(kind, 0.31) * high
    for side in (-1, 1) if kind == "two" else (1,):
        k.ring((side * (x + size * 0.28), y, 0), size, 0.046, turn=(90, 0, 0))


def _hollow(k: Builder, radius: float, low: float, high: float, inside: tuple[float, float, float]) -> None:
    k.cylinder((0, (low + high) / 2, 0), radius, (high - low) / 2, inside, rounding=0.0, operation="cut")


@family("mug", "coffee mug")
def mug(k: Builder) -> None:
    tall, wide = _proportions(k)
    high, radius, handle = 0.62 * tall, 0.26 * wide, k.feature("handle", HANDLE)
    _handles(k, handle, radius, high * 0.5, high if high < 0.7 else 0.7)
    k.cylinder((0, high / 2, 0), radius, high / 2, rounding=0.03)
    _hollow(k, radius - 0.07, 0.08, high + 0.1, k.accent("inside", PALE))
    if k.feature("filling", {"no": "", "yes": "coffee in it"}) == "yes":
        k.cylinder((0, high * 0.42, 0), radius - 0.03, high * 0.35, COFFEE)


@family("bowl")
def bowl(k: Builder) -> None:
    word = k.adjective("proportions", "deep", "shallow")
    high = {"deep": 0.5, "shallow": 0.2, "": 0.33}[word]
    k.pot([(0.16, 0), (0.28, high * 0.25), (0.38, high * 0.6), (0.42, high)], 0.045)
    k.cylinder((0, 0.02, 0), 0.17, 0.03)
    if k.feature("filling", {"no": "", "yes": "soup in it"}) == "yes":
        k.cylinder((0, high * 0.5, 0), 0.34, high * 0.2, (0.86, 0.50, 0.16))


@family("bottle")
def bottle(k: Builder) -> None:
    tall, wide = _proportions(k)
    high, r = 0.85 * tall, 0.19 * wide
    k.turned(
        (0, 0, 0),
        [(0, 0), (r, 0), (r, high * 0.55), (r * 0.36, high * 0.74), (r * 0.36, high), (0, high)],
        rounding=0.02,
    )
    k.cylinder((0, high + 0.02, 0), r * 0.45, 0.055, k.accent("cap", DARK))
    if k.feature("label", {"no": "", "yes": "a white label"}) == "yes":
        k.cylinder((0, high * 0.3, 0), r + 0.05, high * 0.14, PALE, operation="paint")


@family("vase")
def vase(k: Builder) -> None:
    tall, wide = _proportions(k)
    high, r = 0.7 * tall, 0.24 * wide
    neck = {"narrow": 0.4, "": 0.62}[k.adjective("neck", "narrow")]
    k.pot(
        [
            (r * 0.55, 0),
            (r * 0.95, high * 0.25),
            (r, high * 0.42),
            (r * neck, high * 0.76),
            (r * neck * 1.4, high),
        ],
        0.042,
    )
    if k.feature("flowers", {"no": "", "yes": "flowers in it"}) == "yes":
        for i, (x, z) in enumerate(around(3, 0.16, 0.2)):
            k.stick((0, high * 0.5, 0), (x, high + 0.2, z), 0.022, (0.2, 0.5, 0.2))
            k.ball((x, high + 0.24, z), 0.085, ((0.9, 0.3, 0.4), (0.97, 0.8, 0.2), (0.6, 0.35, 0.8))[i])


@family("teapot")
def teapot(k: Builder) -> None:
    tall = {"tall": 1.3, "": 1.0}[k.adjective("height", "tall")]
    lid = k.accent("lid", k.colour)
    k.ring((-0.32, 0.3 * tall, 0), 0.17, 0.036, turn=(90, 0, 0))
    k.ball((0, 0.28 * tall, 0), (0.34, 0.28 * tall, 0.34))
    k.stick((0.24, 0.22 * tall, 0), (0.52, 0.46 * tall, 0), 0.07, end=0.04, blend=0.04)
    k.ball((0, 0.5 * tall, 0), (0.2, 0.08, 0.2), lid)
    k.ball((0, 0.6 * tall, 0), 0.055, lid)
    k.box((0, -0.07, 0), (0.6, 0.08, 0.6), operation="cut")


@family("wine glass", "goblet")
def wine_glass(k: Builder) -> None:
    tall = {"tall": 0.45, "short": 0.14, "": 0.28}[k.adjective("height", "tall", "short")]
    k.cylinder((0, 0.02, 0), 0.22, 0.025)
    k.stick((0, 0.02, 0), (0, tall + 0.06, 0), 0.028)
    k.turned(
        (0, tall, 0),
        [
            (0, 0.04),
            (0.16, 0.1),
            (0.22, 0.25),
            (0.2, 0.46),
            (0.15, 0.46),
            (0.16, 0.27),
            (0.1, 0.15),
            (0, 0.12),
        ],
        rounding=0.006,
    )
    if k.feature("filling", {"no": "", "yes": "red wine in it"}) == "yes":
        k.cylinder((0, tall + 0.2, 0), 0.175, 0.07, (0.5, 0.05, 0.12))


@family("bucket")
def bucket(k: Builder) -> None:
    high, r = k.vary(0.5), k.vary(0.27, 0.06)
    k.pot([(r * 0.75, 0), (r * 0.88, high / 2), (r, high)], 0.045)
    handle = k.accent("handle", METAL)
    points = [
        (-r, high - 0.03),
        (-r * 0.75, high + 0.2),
        (0, high + 0.3),
        (r * 0.75, high + 0.2),
        (r, high - 0.03),
    ]
    for (ax, ay), (bx, by) in pairwise(points):
        k.stick((ax, ay, 0), (bx, by, 0), 0.024, handle)


@family("barrel")
def barrel(k: Builder) -> None:
    high, r, band = k.vary(0.75), 0.26, k.accent("band", METAL)
    k.turned((0, 0, 0), [(0, 0), (r, 0), (r * 1.22, high / 2), (r, high), (0, high)], rounding=0.02)
    for y in (0.2, 0.8):
        k.ring((0, y * high, 0), r * 1.1, 0.032, band)
    k.cylinder((0, high + 0.03, 0), r * 0.85, 0.03, tuple(c * 0.8 for c in k.colour), operation="cut")  # type: ignore[arg-type]


@family("spoon")
def spoon(k: Builder) -> None:
    long = {"long": 0.9, "": 0.65}[k.adjective("length", "long")]
    k.ball((0, 0.16, 0), (0.13, 0.19, 0.06))
    k.ball((0, 0.18, 0.07), (0.095, 0.145, 0.075), operation="cut")
    k.stick((0, 0.3, 0), (0, 0.3 + long, 0), 0.028, end=0.045)


@family("fork")
def fork(k: Builder) -> None:
    tines = int(k.feature("tines", {"3": "three tines", "4": "four tines"}))
    k.stick((0, 0.45, 0), (0, 1.1, 0), 0.03, end=0.045)
    k.slab((0, 0.37, 0), [(-0.15, -0.09), (0.15, -0.09), (0.04, 0.1), (-0.04, 0.1)], 0.03)
    for i in range(tines):
        x = -0.13 + 0.26 * i / (tines - 1)
        k.stick((x, 0.3, 0), (x, 0.05, 0), 0.025)


@family("pan", "frying pan")
def pan(k: Builder) -> None:
    k.pot([(0.3, 0), (0.36, 0.13)], 0.045)
    k.stick((0.33, 0.09, 0), (0.9, 0.14, 0), 0.036, k.accent("handle", DARK), end=0.045)
    if k.feature("filling", {"no": "", "yes": "an egg in it"}) == "yes":
        k.cylinder((0, 0.06, 0), 0.22, 0.03, PALE, rounding=0.02)
        k.ball((0.03, 0.09, 0), (0.09, 0.06, 0.09), (0.98, 0.75, 0.1))


@family("kettle")
def kettle(k: Builder) -> None:
    grip = k.accent("handle", DARK)
    k.turned((0, 0, 0), [(0, 0), (0.32, 0), (0.3, 0.2), (0.16, 0.4), (0, 0.4)], rounding=0.03)
    k.ball((0, 0.46, 0), 0.05, grip)
    k.stick((0.24, 0.2, 0), (0.48, 0.38, 0), 0.055, end=0.035)
    for a, b in (((-0.22, 0.36), (-0.2, 0.6)), ((-0.2, 0.6), (0.2, 0.6)), ((0.2, 0.6), (0.22, 0.36))):
        k.stick((a[0], a[1], 0), (b[0], b[1], 0), 0.03, grip)


@family("jar", "jam jar")
def jar(k: Builder) -> None:
    tall, wide = _proportions(k)
    k.cylinder((0, 0.28 * tall, 0), 0.26 * wide, 0.28 * tall, rounding=0.05)
    k.cylinder((0, 0.6 * tall, 0), 0.24 * wide, 0.06, k.accent("lid", METAL))
    k.box((0, 0.27 * tall, 0.26 * wide), (0.13 * wide, 0.11 * tall, 0.08), PALE, operation="paint")


@family("light bulb", "bulb")
def bulb(k: Builder) -> None:
    k.ball((0, 0.6, 0), 0.29)
    k.cylinder((0, 0.33, 0), 0.11, 0.12, top=0.19, blend=0.05)
    for y in (0.06, 0.13, 0.2):
        k.ring((0, y, 0), 0.085, 0.035, METAL)
    k.cylinder((0, 0.13, 0), 0.1, 0.1, METAL)
    k.ball((0, 0.0, 0), 0.05, DARK)


@family("telescope")
def telescope(k: Builder) -> None:
    leg = k.accent("tripod", WOOD)
    k.stick((0, 0.6, -0.35), (0, 0.75, 0.2), 0.07)
    k.stick((0, 0.75, 0.2), (0, 0.83, 0.48), 0.1)
    k.ball((0, 0.845, 0.535), 0.075, GLASS)
    for x, z in around(3, 0.32, 0.5):
        k.stick((0, 0.6, 0), (x, 0.02, z), 0.03, leg)
