"""Plants, food, tools, toys, clothes, instruments and solids."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from gen_mesh.training.data import fields
from gen_mesh.training.data.builder import DARK, GOLD, LEAF, METAL, PALE, WOOD, Builder, around, family

BARK = (0.42, 0.28, 0.17)


@family("tree")
def tree(k: Builder) -> None:
    tall = {"tall": 0.6, "short": 0.22, "": 0.38}[k.adjective("height", "tall", "short")]
    apples = k.feature("fruit", {"no": "", "yes": "red apples"})
    k.stick((0, 0.03, 0), (0, tall + 0.15, 0), 0.075, k.accent("trunk", BARK), end=0.055)
    k.ball((0, tall + 0.28, 0), 0.25)
    for x, z in around(4, 0.2, k.rng.random()):
        k.ball((x, tall + k.rng.uniform(0.17, 0.36), z), k.vary(0.17), blend=0.03)
    if apples == "yes":
        for x, z in around(6, 0.3, k.rng.random()):
            k.ball((x * 1.05, tall + k.rng.uniform(0.12, 0.38), z * 1.05), 0.055, (0.85, 0.12, 0.1))


@family("pine tree", "fir tree")
def pine(k: Builder) -> None:
    layers = int(k.feature("layers", {"3": "", "2": "two layers", "4": "four layers"}))
    snow = k.feature("snow", {"no": "", "yes": "snow on it"})
    k.stick((0, 0.03, 0), (0, 0.3, 0), 0.06, BARK)
    for i in range(layers):
        radius, y = 0.34 * (1 - 0.22 * i), 0.32 + 0.2 * i
        k.cylinder((0, y, 0), radius, 0.16, top=0.02)
        if snow == "yes":
            k.cylinder((0, y + 0.14, 0), radius * 0.5, 0.1, PALE, operation="paint")


@family("palm tree", "palm")
def palm(k: Builder) -> None:
    lean = k.rng.uniform(-0.12, 0.12)
    k.stick((0, 0.03, 0), (lean * 0.4, 0.4, 0), 0.06, BARK, end=0.05)
    k.stick((lean * 0.4, 0.4, 0), (lean, 0.78, 0), 0.05, BARK, end=0.042)
    for x, z in around(6, 1.0, k.rng.random()):
        k.stick((lean, 0.8, 0), (lean + x * 0.24, 0.87, z * 0.24), 0.036, end=0.05)
        k.stick((lean + x * 0.24, 0.87, z * 0.24), (lean + x * 0.42, 0.72, z * 0.42), 0.05, end=0.025)
    for x, z in around(3, 0.07):
        k.ball((lean + x, 0.74, z), 0.055, (0.35, 0.22, 0.12))


@family("mushroom", "toadstool")
def mushroom(k: Builder) -> None:
    tall = {"tall": 0.55, "short": 0.18, "": 0.33}[k.adjective("height", "tall", "short")]
    spots = k.feature("spots", {"yes": "white spots", "no": ""})
    k.stick((0, 0.08, 0), (0, tall + 0.1, 0), 0.11, k.accent("stem", PALE), end=0.085)
    k.ball((0, tall + 0.06, 0), (0.36, 0.28, 0.36))
    k.box((0, tall - 0.13, 0), (0.5, 0.18, 0.5), PALE, operation="cut")
    k.stick((0, 0.08, 0), (0, tall + 0.1, 0), 0.11, k.parts[0].colour, end=0.085)
    if spots == "yes":
        k.ball((0, tall + 0.33, 0), 0.08, PALE, operation="paint")
        for x, z in around(5, 0.27, k.rng.random()):
            k.ball((x, tall + 0.2, z), 0.068, PALE, operation="paint")


@family("cactus")
def cactus(k: Builder) -> None:
    arms = int(k.feature("arms", {"2": "two arms", "1": "one arm", "0": "no arms"}))
    pot = k.accent("pot", (0.72, 0.38, 0.22))
    k.cylinder((0, 0.12, 0), 0.15, 0.13, pot, top=0.2)
    k.stick((0, 0.2, 0), (0, k.vary(0.82, 0.08), 0), 0.115)
    for side in (1, -1)[:arms]:
        y = 0.48 if side > 0 else 0.58
        k.stick((0, y, 0), (side * 0.27, y, 0), 0.068, blend=0.02)
        k.stick((side * 0.27, y, 0), (side * 0.27, y + 0.2, 0), 0.068)
    if k.feature("flower", {"no": "", "yes": "a pink flower"}) == "yes":
        k.ball((0, k.parts[1].bounds()[1][1] + 0.01, 0), 0.075, (0.96, 0.42, 0.65))


@family("flower")
def flower(k: Builder) -> None:
    count = int(k.feature("petals", {"6": "six petals", "5": "five petals", "8": "eight petals"}))
    centre = k.accent("centre", (0.97, 0.78, 0.15))
    k.stick((0, 0.02, 0), (0, 0.6, 0), 0.028, LEAF)
    k.ball((0.13, 0.28, 0), (0.13, 0.045, 0.05), LEAF, turn=(0, 0, 30))
    for x, y in around(count, 0.2):
        k.ball((x, 0.68 + y, 0.0), (0.105, 0.105, 0.04) if count < 8 else (0.08, 0.08, 0.04))
    k.ball((0, 0.68, 0.03), (0.12, 0.12, 0.06), centre)


@family("tulip")
def tulip(k: Builder) -> None:
    k.stick((0, 0.02, 0), (0, 0.58, 0), 0.028, LEAF)
    for side in (-1, 1):
        k.ball((side * 0.1, 0.26, 0), (0.04, 0.24, 0.05), LEAF, turn=(0, 0, -side * 18))
    k.ball((0, 0.7, 0), (0.15, 0.17, 0.15))
    for x, z in around(3, 0.09):
        k.ball((x, 0.78, z), (0.075, 0.17, 0.075), blend=0.01)


@family("apple")
def apple(k: Builder) -> None:
    leaf = k.feature("leaf", {"yes": "a leaf", "no": "no leaf"})
    outline = [(0.36 * math.sin(a) ** 0.8, 0.34 - 0.3 * math.cos(a)) for a in np.linspace(0.12, 2.95, 14)]
    k.turned((0, 0, 0), [(0, 0.09), *outline, (0, 0.56)], rounding=0.03)
    k.stick((0, 0.55, 0), (0.05, 0.78, 0), 0.026, BARK)
    if leaf == "yes":
        k.ball((0.17, 0.74, 0), (0.13, 0.035, 0.07), LEAF, turn=(0, 0, 20))
    if k.feature("bite", {"no": "", "yes": "a bite taken out"}) == "yes":
        for y in (0.28, 0.42):
            k.ball((0.42, y, 0.05), 0.13, (0.97, 0.92, 0.75), operation="cut")


@family("pear")
def pear(k: Builder) -> None:
    k.ball((0, 0.28, 0), (0.28, 0.28, 0.28))
    k.ball((0, 0.58, 0), (0.16, 0.2, 0.16), blend=0.14)
    k.stick((0, 0.74, 0), (0.04, 0.92, 0), 0.026, BARK)
    k.ball((0.12, 0.86, 0), (0.11, 0.032, 0.06), LEAF, turn=(0, 0, 15))


@family("carrot")
def carrot(k: Builder) -> None:
    long = {"long": 0.85, "short": 0.4, "": 0.62}[k.adjective("length", "long", "short")]
    k.stick((0, 0.05, 0), (0, long, 0), 0.03, end=0.16)
    for x, z in around(3, 0.1, k.rng.random()):
        k.stick((0, long + 0.1, 0), (x, long + 0.4, z), 0.035, LEAF, end=0.05)


@family("banana")
def banana(k: Builder) -> None:
    points = [(math.sin(a) * 0.5, 0.5 - math.cos(a) * 0.5) for a in np.linspace(-1.15, 1.15, 7)]
    radii = [0.05, 0.1, 0.125, 0.13, 0.125, 0.1, 0.05]
    for i in range(6):
        a, b = points[i], points[i + 1]
        k.stick((a[0], a[1], 0), (b[0], b[1], 0), radii[i], end=radii[i + 1], blend=0.02)
    k.stick((points[0][0], points[0][1], 0), (points[0][0] - 0.03, points[0][1] + 0.1, 0), 0.04, BARK)


@family("pumpkin")
def pumpkin(k: Builder) -> None:
    for x, z in around(8, 0.18):
        k.ball((x, 0.3, z), (0.2, 0.27, 0.2), blend=0.02)
    k.stick((0, 0.5, 0), (0.05, 0.7, 0), 0.06, (0.3, 0.42, 0.15), end=0.045)
    if k.feature("face", {"no": "", "yes": "a face"}) == "yes":
        for x in (-0.13, 0.13):
            k.slab((x, 0.37, 0.36), [(-0.07, -0.05), (0.07, -0.05), (0, 0.08)], 0.15, DARK, operation="paint")
        k.ball((0, 0.2, 0.36), (0.17, 0.06, 0.15), DARK, operation="paint")


@family("ice cream", "ice cream cone")
def ice_cream(k: Builder) -> None:
    scoops = int(k.feature("scoops", {"1": "one scoop", "2": "two scoops", "3": "three scoops"}))
    k.cylinder((0, 0.26, 0), 0.03, 0.26, (0.85, 0.62, 0.33), top=0.18)
    second = k.rng.choice(((0.97, 0.93, 0.8), (0.45, 0.28, 0.18), (0.96, 0.6, 0.7)))
    for i in range(scoops):
        k.ball((0, 0.58 + 0.22 * i, 0), 0.19 - 0.02 * i, k.colour if i % 2 == 0 else second)
    if k.feature("cherry", {"no": "", "yes": "a cherry"}) == "yes":
        k.ball((0, 0.58 + 0.22 * scoops - 0.02, 0), 0.065, (0.8, 0.06, 0.12))


@family("cake", "birthday cake")
def cake(k: Builder) -> None:
    tiers = int(k.feature("tiers", {"1": "", "2": "two tiers", "3": "three tiers"}))
    candles = int(k.feature("candles", {"0": "", "1": "one candle", "3": "three candles"}))
    icing, y = k.accent("icing", PALE), 0.0
    for i in range(tiers):
        r = 0.4 - 0.12 * i
        k.cylinder((0, y + 0.12, 0), r, 0.12, rounding=0.02)
        k.cylinder((0, y + 0.235, 0), r + 0.012, 0.035, icing, rounding=0.02)
        y += 0.25
    for x, z in around(candles, 0.1) if candles > 1 else [(0.0, 0.0)] * candles:
        k.stick((x, y, z), (x, y + 0.2, z), 0.028, (0.95, 0.4, 0.5))
        k.ball((x, y + 0.26, z), (0.032, 0.05, 0.032), (1.0, 0.75, 0.15))


@family("cupcake")
def cupcake(k: Builder) -> None:
    k.cylinder((0, 0.17, 0), 0.2, 0.17, k.accent("cup", (0.72, 0.5, 0.3)), top=0.28)
    for y, r in ((0.38, 0.28), (0.5, 0.21), (0.6, 0.13)):
        k.ball((0, y, 0), (r, 0.1, r), blend=0.02)
    k.ball((0, 0.72, 0), 0.075, (0.8, 0.06, 0.12))


@family("donut", "doughnut")
def donut(k: Builder) -> None:
    k.ring((0, 0.16, 0), 0.29, 0.155, (0.82, 0.6, 0.35))
    k.box((0, 0.3, 0), (0.6, 0.13, 0.6), operation="paint")
    if k.feature("sprinkles", {"no": "", "yes": "sprinkles"}) == "yes":
        tints = ((0.95, 0.9, 0.3), (0.3, 0.6, 0.9), (0.98, 0.98, 0.95), (0.9, 0.3, 0.3))
        for i, (x, z) in enumerate(around(9, 0.29, k.rng.random())):
            k.ball((x * (0.85 + 0.3 * (i % 2)), 0.3, z * (0.85 + 0.3 * (i % 2))), 0.034, tints[i % 4])


@family("hamburger", "burger")
def hamburger(k: Builder) -> None:
    bun = (0.85, 0.58, 0.28)
    k.cylinder((0, 0.08, 0), 0.36, 0.08, bun, rounding=0.05)
    k.cylinder((0, 0.2, 0), 0.38, 0.055, (0.36, 0.2, 0.12), rounding=0.04)
    k.cylinder((0, 0.28, 0), 0.4, 0.03)
    k.cylinder((0, 0.345, 0), 0.38, 0.035, (0.4, 0.7, 0.25), rounding=0.02)
    k.ball((0, 0.38, 0), (0.37, 0.26, 0.37), bun)
    k.cylinder((0, 0.2, 0), 0.38, 0.055, (0.36, 0.2, 0.12), rounding=0.04)
    k.cylinder((0, 0.28, 0), 0.4, 0.03)
    k.cylinder((0, 0.345, 0), 0.39, 0.035, (0.4, 0.7, 0.25), rounding=0.02)


@family("hammer")
def hammer(k: Builder) -> None:
    long = {"long": 1.0, "short": 0.55, "": 0.78}[k.adjective("length", "long", "short")]
    k.stick((0, 0.03, 0), (0, long, 0), 0.05, end=0.038)
    head = k.accent("head", METAL)
    k.box((0.02, long, 0), (0.16, 0.08, 0.07), head)
    k.cylinder((0.21, long, 0), 0.1, 0.055, head, turn=(0, 0, 90))
    k.slab((-0.2, long, 0), [(0.06, -0.07), (0.06, 0.07), (-0.12, -0.05)], 0.06, head)


@family("axe")
def axe(k: Builder) -> None:
    k.stick((0, 0.03, 0), (0, 1.0, 0), 0.045, end=0.04)
    blade = k.accent("blade", METAL)
    k.slab(
        (0.06, 0.84, 0),
        [(-0.1, -0.07), (0.12, -0.11), (0.27, -0.2), (0.3, 0.0), (0.27, 0.17), (0.12, 0.09), (-0.1, 0.07)],
        0.04,
        blade,
    )
    if k.feature("blades", {"1": "", "2": "two blades"}) == "2":
        k.slab(
            (-0.06, 0.84, 0),
            [
                (0.1, -0.07),
                (-0.12, -0.11),
                (-0.27, -0.2),
                (-0.3, 0.0),
                (-0.27, 0.17),
                (-0.12, 0.09),
                (0.1, 0.07),
            ],
            0.04,
            blade,
        )


@family("sword")
def sword(k: Builder) -> None:
    long = {"long": 0.95, "short": 0.45, "": 0.68}[k.adjective("length", "long", "short")]
    blade = k.accent("blade", METAL)
    k.slab(
        (0, 0.32, 0),
        [(-0.06, 0), (0.06, 0), (0.055, long * 0.85), (0, long), (-0.055, long * 0.85)],
        0.026,
        blade,
    )
    k.stick((-0.2, 0.32, 0), (0.2, 0.32, 0), 0.042, GOLD)
    k.stick((0, 0.1, 0), (0, 0.3, 0), 0.042)
    k.ball((0, 0.05, 0), 0.065, GOLD)


@family("key")
def key(k: Builder) -> None:
    k.ring((0, 0.8, 0), 0.16, 0.045, turn=(90, 0, 0))
    k.stick((0, 0.64, 0), (0, 0.03, 0), 0.04)
    teeth = int(k.feature("teeth", {"2": "two teeth", "3": "three teeth"}))
    for i in range(teeth):
        k.box((0.09, 0.05 + 0.12 * i, 0), (0.075, 0.034, 0.034))


@family("screwdriver")
def screwdriver(k: Builder) -> None:
    k.cylinder((0, 0.8, 0), 0.09, 0.17, rounding=0.05)
    k.cylinder((0, 0.61, 0), 0.065, 0.03)
    k.stick((0, 0.6, 0), (0, 0.1, 0), 0.03, METAL)
    k.box((0, 0.08, 0), (0.045, 0.06, 0.02), METAL)


@family("pencil")
def pencil(k: Builder) -> None:
    long = {"long": 0.95, "short": 0.45, "": 0.7}[k.adjective("length", "long", "short")]
    k.cylinder((0, 0.2 + long / 2, 0), 0.085, long / 2)
    k.cylinder((0, 0.13, 0), 0.02, 0.085, (0.9, 0.74, 0.52), top=0.085)
    k.ball((0, 0.05, 0), 0.034, DARK)
    k.cylinder((0, 0.22 + long, 0), 0.088, 0.035, METAL)
    k.cylinder((0, 0.29 + long, 0), 0.08, 0.055, (0.95, 0.55, 0.6), rounding=0.03)


@family("hat", "top hat")
def hat(k: Builder) -> None:
    high = {"tall": 0.75, "flat": 0.22, "": 0.45}[k.adjective("height", "tall", "flat")]
    band = k.accent("band", DARK if sum(k.colour) > 0.6 else PALE)
    k.cylinder((0, 0.03, 0), 0.42, 0.032, rounding=0.02)
    k.cylinder((0, high / 2, 0), 0.25, high / 2, top=0.27)
    k.cylinder((0, 0.1, 0), 0.268, 0.05, band)


@family("party hat", "cone hat")
def party_hat(k: Builder) -> None:
    k.cylinder((0, 0.36, 0), 0.3, 0.36, top=0.01)
    k.ball((0, 0.74, 0), 0.09, k.accent("pompom", PALE))
    for y, count in ((0.15, 6), (0.4, 4)):
        for x, z in around(count, 0.3 * (1 - y / 0.74) + 0.01):
            k.ball((x, y, z), 0.055, PALE, operation="paint")


@family("boot", "shoe")
def boot(k: Builder) -> None:
    high = {"tall": 0.8, "short": 0.3, "": 0.52}[k.adjective("height", "tall", "short")]
    k.box((0.1, 0.035, 0), (0.36, 0.035, 0.14), k.accent("sole", DARK), rounding=0.03)
    k.stick((-0.1, 0.18, 0), (0.3, 0.16, 0), 0.14, end=0.12, blend=0.02)
    k.cylinder((-0.1, high / 2 + 0.05, 0), 0.15, high / 2, top=0.16, blend=0.05)
    k.cylinder((-0.1, high + 0.05, 0), 0.11, 0.09, DARK, operation="cut")


@family("crown")
def crown(k: Builder) -> None:
    points = int(k.feature("points", {"5": "five points", "4": "four points", "6": "six points"}))
    k.pot([(0.34, 0), (0.36, 0.2)], 0.05)
    gem = k.accent("gem", (0.8, 0.1, 0.15))
    for i, (x, z) in enumerate(around(points, 0.34)):
        k.slab((x, 0.28, z), [(-0.12, -0.1), (0.12, -0.1), (0, 0.2)], 0.026, turn=(0, 360 * i / points, 0))
        k.ball((x * 1.02, 0.5, z * 1.02), 0.05, gem)
        k.ball((x * 1.12, 0.12, z * 1.12), 0.042, gem)


@family("ring", "diamond ring")
def ring(k: Builder) -> None:
    k.ring((0, 0.34, 0), 0.28, 0.055, turn=(90, 0, 0))
    k.turned(
        (0, 0.76, 0),
        [(0, -0.12), (0.14, 0.04), (0.09, 0.11), (0, 0.11)],
        k.accent("stone", (0.75, 0.9, 0.97)),
        rounding=0.006,
    )


@family("bell")
def bell(k: Builder) -> None:
    k.turned(
        (0, 0, 0), [(0, 0.1), (0.36, 0.1), (0.28, 0.2), (0.22, 0.5), (0.12, 0.66), (0, 0.68)], rounding=0.02
    )
    k.ball((0, 0.08, 0), 0.085, DARK)
    k.ring((0, 0.76, 0), 0.07, 0.034, turn=(90, 0, 0))


@family("guitar")
def guitar(k: Builder) -> None:
    k.ball((0, 0.24, 0), (0.26, 0.22, 0.085))
    k.ball((0, 0.48, 0), (0.19, 0.18, 0.08), blend=0.06)
    k.box((0, 0.3, -0.1), (0.4, 0.5, 0.045), operation="cut")
    k.box((0, 0.3, 0.11), (0.4, 0.5, 0.05), operation="cut")
    k.cylinder((0, 0.4, 0.055), 0.075, 0.03, DARK, turn=(90, 0, 0), operation="paint")
    k.box((0, 0.8, 0.045), (0.036, 0.36, 0.026), k.accent("neck", WOOD))
    k.box((0, 1.18, 0.035), (0.06, 0.08, 0.026), DARK)
    k.box((0, 0.18, 0.07), (0.09, 0.022, 0.025), DARK)


@family("drum")
def drum(k: Builder) -> None:
    sticks = k.feature("sticks", {"no": "", "yes": "two sticks"})
    k.cylinder((0, 0.25, 0), 0.36, 0.25)
    for y in (0.03, 0.47):
        k.ring((0, y, 0), 0.36, 0.034, k.accent("rim", METAL) if y < 0.1 else k.parts[1].colour)
    k.cylinder((0, 0.5, 0), 0.33, 0.02, PALE)
    if sticks == "yes":
        for x in (-1, 1):
            k.stick((x * 0.05, 0.57, -0.05), (x * 0.35, 0.72, 0.3), 0.026, WOOD)


@family("trumpet")
def trumpet(k: Builder) -> None:
    k.stick((-0.45, 0.4, 0), (0.25, 0.4, 0), 0.034)
    k.cylinder((0.36, 0.4, 0), 0.04, 0.14, turn=(0, 0, -90), top=0.19)
    k.stick((-0.45, 0.4, 0), (-0.5, 0.4, 0), 0.05)
    k.stick((-0.2, 0.24, 0), (0.16, 0.24, 0), 0.03)
    for x in (-0.2, 0.16):
        k.stick((x, 0.24, 0), (x, 0.4, 0), 0.03)
    for x in (-0.1, 0.0, 0.1):
        k.stick((x, 0.22, 0), (x, 0.5, 0), 0.03, METAL)


@family("ball", "beach ball")
def ball(k: Builder) -> None:
    stripes = k.feature("stripes", {"no": "", "yes": "white stripes"})
    k.ball((0, 0.5, 0), 0.45)
    if stripes == "yes":
        for x in (-0.28, 0.0, 0.28):
            k.box((x, 0.5, 0), (0.07, 0.6, 0.6), PALE, operation="paint")


@family("dice", "die")
def dice(k: Builder) -> None:
    face = int(k.feature("pips", {"1": "a one in front", "3": "a three in front", "5": "a five in front"}))
    pip = PALE if sum(k.colour) < 2.0 else DARK
    k.box((0, 0.4, 0), (0.38, 0.38, 0.38), rounding=0.08)
    spots = {1: ((0, 0),), 3: ((-1, -1), (0, 0), (1, 1)), 5: ((-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1))}
    for x, y in spots[face]:
        k.ball((x * 0.2, 0.4 + y * 0.2, 0.38), 0.075, pip, operation="paint")
    for side in (-0.2, 0.2):
        k.ball((side, 0.78, 0), 0.075, pip, operation="paint")
    for z in (-0.2, 0.2):
        for up in (-0.2, 0.0, 0.2):
            k.ball((0.38, 0.4 + up, z), 0.07, pip, operation="paint")


@family("cube", "box")
def cube(k: Builder) -> None:
    word = k.adjective("proportions", "tall", "flat", "long")
    half = {
        "tall": (0.25, 0.48, 0.25),
        "flat": (0.45, 0.14, 0.45),
        "long": (0.5, 0.2, 0.2),
        "": (0.4, 0.4, 0.4),
    }[word]
    k.box((0, 0, 0), half, rounding=0.02)


@family("sphere")
def sphere(k: Builder) -> None:
    k.ball((0, 0, 0), 0.46)


@family("cylinder")
def cylinder(k: Builder) -> None:
    word = k.adjective("proportions", "tall", "flat")
    r, h = {"tall": (0.2, 0.48), "flat": (0.45, 0.12), "": (0.32, 0.36)}[word]
    k.cylinder((0, 0, 0), r, h, rounding=0.02)


@family("cone")
def cone(k: Builder) -> None:
    r, h = {"tall": (0.24, 0.48), "flat": (0.46, 0.18), "": (0.38, 0.36)}[
        k.adjective("proportions", "tall", "flat")
    ]
    k.cylinder((0, 0, 0), r, h, top=0.01)


@family("pyramid")
def pyramid(k: Builder) -> None:
    slope = {"tall": 0.3, "flat": 0.85, "": 0.5}[k.adjective("proportions", "tall", "flat")]
    normals = np.array([(0.0, -1, 0), (1, slope, 0), (-1, slope, 0), (0, slope, 1), (0, slope, -1)])
    half = 0.2 * (math.hypot(1, slope) + slope)
    top = 0.2 * math.hypot(1, slope) / slope
    reach, middle = (half, (top + 0.2) / 2, half), (0.0, (top - 0.2) / 2, 0.0)
    k.add(fields.polyhedron(normals, 0.2, reach, middle), (0, 0, 0))


@family("torus")
def torus(k: Builder) -> None:
    tube = {"thick": 0.2, "thin": 0.06, "": 0.12}[k.adjective("thickness", "thick", "thin")]
    k.ring((0, 0, 0), 0.36, tube, turn=(90, 0, 0) if k.adjective("pose", "standing") else None)


@family("octahedron", "diamond")
def octahedron(k: Builder) -> None:
    signs = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    k.add(fields.polyhedron(np.array(signs, float), 0.28, (0.485, 0.485, 0.485)), (0, 0, 0))


@family("dodecahedron")
def dodecahedron(k: Builder) -> None:
    g = (1 + 5**0.5) / 2
    normals = [n for a in (-1, 1) for b in (-g, g) for n in ((0, a, b), (a, b, 0), (b, 0, a))]
    k.add(fields.polyhedron(np.array(normals), 0.4, (0.47, 0.47, 0.47)), (0, 0, 0))


def _star(points: int, outer: float, inner: float) -> list[tuple[float, float]]:
    return [
        (r * math.sin(math.pi * i / points), r * math.cos(math.pi * i / points))
        for i in range(2 * points)
        for r in ((inner if i % 2 else outer),)
    ]


@family("star")
def star(k: Builder) -> None:
    points = int(
        k.feature("points", {"5": "five points", "4": "four points", "6": "six points", "8": "eight points"})
    )
    thick = {"thick": 0.17, "flat": 0.05, "": 0.1}[k.adjective("thickness", "thick", "flat")]
    k.slab((0, 0, 0), _star(points, 0.46, 0.22 if points < 8 else 0.28), thick, rounding=0.02)


@family("heart")
def heart(k: Builder) -> None:
    thick = {"thick": 0.2, "flat": 0.05, "": 0.11}[k.adjective("thickness", "thick", "flat")]
    curve = [
        (
            16 * math.sin(t) ** 3,
            13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t),
        )
        for t in np.linspace(0, 2 * math.pi, 25)[:-1]
    ]
    k.slab((0, 0, 0), [(x * 0.026, y * 0.026 + 0.05) for x, y in curve], thick, rounding=0.02)


@family("gear", "cog")
def gear(k: Builder) -> None:
    teeth = int(k.feature("teeth", {"8": "eight teeth", "6": "six teeth", "10": "ten teeth"}))
    k.cylinder((0, 0, 0), 0.36, 0.09, turn=(90, 0, 0))
    for i, (x, y) in enumerate(around(teeth, 0.39)):
        k.box((x, y, 0), (0.075 if teeth < 10 else 0.055, 0.08, 0.09), turn=(0, 0, -360 * i / teeth))
    k.cylinder((0, 0, 0), 0.14, 0.2, turn=(90, 0, 0), operation="cut")


@family("arrow")
def arrow(k: Builder) -> None:
    way = k.feature(
        "way",
        {
            "right": "its tip to the right",
            "left": "its tip to the left",
            "up": "its tip up",
            "down": "its tip down",
        },
    )
    turn = {"right": 0.0, "up": 90.0, "left": 180.0, "down": 270.0}[way]
    outline = [(-0.46, -0.1), (0.05, -0.1), (0.05, -0.27), (0.46, 0), (0.05, 0.27), (0.05, 0.1), (-0.46, 0.1)]
    k.slab((0, 0, 0), outline, 0.09, turn=(0, 0, turn))


STROKES = {
    "A": "00-24-40 12-32",
    "B": "00-04-34-43-32-02 32-41-30-00",
    "C": "43-34-14-03-01-10-30-41",
    "D": "00-04-24-43-41-20-00",
    "E": "40-00-04-44 02-32",
    "F": "00-04-44 02-32",
    "G": "43-34-14-03-01-10-30-41-42-22",
    "H": "00-04 40-44 02-42",
    "I": "20-24 10-30 14-34",
    "J": "44-41-30-10-01",
    "K": "00-04 44-02-40",
    "L": "04-00-40",
    "M": "00-04-22-44-40",
    "N": "00-04-40-44",
    "O": "10-01-03-14-34-43-41-30-10",
    "P": "00-04-34-43-32-02",
    "Q": "10-01-03-14-34-43-41-30-10 22-40",
    "R": "00-04-34-43-32-02 22-40",
    "S": "43-34-14-03-12-32-41-30-10-01",
    "T": "20-24 04-44",
    "U": "04-01-10-30-41-44",
    "V": "04-20-44",
    "W": "04-10-22-30-44",
    "X": "00-44 04-40",
    "Y": "04-22-44 22-20",
    "Z": "04-44-00-40",
}
"""Letters as lines over points (column, row) of a 5 × 5 grid, from the lower left."""


@family("letter")
def letter(k: Builder) -> None:
    glyph = k.named("glyph", tuple(STROKES))
    deep = {"thick": 0.16, "": 0.09}[k.adjective("thickness", "thick")]
    for line in STROKES[glyph].split():
        points = [(int(at[0]) * 0.16 - 0.32, int(at[1]) * 0.2 - 0.4) for at in line.split("-")]
        for (ax, ay), (bx, by) in pairwise(points):
            long, angle = math.hypot(bx - ax, by - ay), math.degrees(math.atan2(by - ay, bx - ax))
            middle = ((ax + bx) / 2, (ay + by) / 2, 0.0)
            k.box(middle, (long / 2 + 0.06, 0.065, deep), turn=(0, 0, angle), rounding=0.03)
