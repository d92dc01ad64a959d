"""Vehicles and buildings."""

from __future__ import annotations

from gen_mesh.training.data.builder import DARK, GLASS, GOLD, METAL, PALE, WOOD, Builder, around, family

ROOF = (0.66, 0.25, 0.18)
TYRE = (0.12, 0.12, 0.13)


def _wheel(k: Builder, x: float, y: float, z: float, radius: float, half: float = 0.05) -> None:
    """A wheel that rolls along x."""
    k.cylinder((x, y, z), radius, half, TYRE, turn=(90, 0, 0), rounding=0.02)
    k.cylinder((x, y, z), radius * 0.5, half + 0.015, METAL, turn=(90, 0, 0))


def _wheels(k: Builder, places: tuple[float, ...], radius: float, wide: float) -> None:
    for x in places:
        for z in (-wide, wide):
            _wheel(k, x, radius, z, radius)


@family("car")
def car(k: Builder) -> None:
    long = {"long": 0.62, "short": 0.38, "": 0.48}[k.adjective("length", "long", "short")]
    roof = k.feature("roof", {"usual": "", "colour": "a white roof", "none": "no roof"})
    wide = 0.21
    k.box((0, 0.2, 0), (long, 0.1, wide), rounding=0.06)
    if roof != "none":
        k.slab(
            (-0.04, 0.37, 0),
            [(-long * 0.62, -0.1), (long * 0.55, -0.1), (long * 0.3, 0.1), (-long * 0.48, 0.1)],
            wide - 0.03,
            GLASS,
            rounding=0.02,
        )
        k.box((-0.06, 0.475, 0), (long * 0.4, 0.025, wide - 0.02), PALE if roof == "colour" else k.colour)
        for x in (-long * 0.1,):
            k.box((x, 0.37, 0), (0.025, 0.1, wide - 0.02))
    else:
        k.box((-0.03, 0.31, 0), (long * 0.45, 0.08, wide - 0.06), DARK, operation="cut")
        k.box((long * 0.42, 0.36, 0), (0.02, 0.08, wide - 0.03), GLASS, turn=(0, 0, 20))
    for z in (-0.13, 0.13):
        k.ball((long - 0.01, 0.22, z), 0.04, (0.99, 0.95, 0.7))
    _wheels(k, (-long * 0.6, long * 0.6), 0.115, wide - 0.02)


@family("truck", "lorry")
def truck(k: Builder) -> None:
    long = {"long": 0.42, "": 0.3}[k.adjective("length", "long")]
    load = k.accent("trailer", PALE)
    k.box((-0.08, 0.17, 0), (long + 0.2, 0.04, 0.17), DARK)
    k.box((-0.16, 0.43, 0), (long, 0.24, 0.21), load)
    k.box((long + 0.02, 0.33, 0), (0.13, 0.17, 0.2), rounding=0.04)
    k.box((long + 0.1, 0.4, 0), (0.08, 0.07, 0.17), GLASS, operation="paint")
    _wheels(k, (-long * 0.85, -long * 0.3, long + 0.02), 0.115, 0.18)


@family("bus")
def bus(k: Builder) -> None:
    long = {"long": 0.62, "": 0.48}[k.adjective("length", "long")]
    decks = k.feature("decks", {"one": "", "two": "two decks"})
    high = 0.36 if decks == "two" else 0.22
    k.box((0, 0.1 + high, 0), (long, high, 0.19), rounding=0.05)
    for y in (0.42,) if decks == "one" else (0.34, 0.64):
        k.box((0, y, 0), (long * 0.88, 0.07, 0.3), GLASS, operation="paint")
        k.box((long, y, 0), (0.06, 0.07, 0.14), GLASS, operation="paint")
        for i in range(4):
            k.box((-long * 0.9 + (i + 0.5) * long * 0.45, y, 0), (0.022, 0.1, 0.3), operation="paint")
    _wheels(k, (-long * 0.62, long * 0.62), 0.11, 0.16)


@family("train", "locomotive")
def train(k: Builder) -> None:
    k.box((0, 0.19, 0), (0.5, 0.06, 0.19), DARK)
    k.cylinder((0.14, 0.4, 0), 0.17, 0.34, turn=(0, 0, 90), rounding=0.03)
    k.box((-0.33, 0.47, 0), (0.17, 0.25, 0.2))
    k.box((-0.33, 0.74, 0), (0.22, 0.03, 0.24), DARK)
    k.box((-0.33, 0.57, 0), (0.1, 0.09, 0.26), GLASS, operation="paint")
    k.cylinder((0.34, 0.62, 0), 0.06, 0.12, k.accent("chimney", DARK), top=0.09)
    k.ball((0.06, 0.58, 0), (0.08, 0.08, 0.08), GOLD)
    _wheels(k, (-0.33, 0.0, 0.33), 0.12, 0.18)


@family("plane", "airplane", "aeroplane")
def plane(k: Builder) -> None:
    wings = k.feature("wings", {"1": "", "2": "two pairs of wings"})
    span = k.vary(0.52)
    trim = k.accent("tail", k.colour)
    k.stick((-0.42, 0.3, 0), (0.38, 0.28, 0), 0.06, end=0.1)
    outline = [(-0.14, -span), (0.02, -span), (0.16, 0), (0.02, span), (-0.14, span), (-0.06, 0)]
    for y in (0.25,) if wings == "1" else (0.2, 0.46):
        k.slab((0.04, y, 0), outline, 0.024, turn=(90, 0, 0), rounding=0.015)
    if wings == "2":
        for z in (-0.3, 0.3):
            k.stick((0.06, 0.2, z), (0.06, 0.46, z), 0.02, METAL)
        k.cylinder((0.5, 0.28, 0), 0.19, 0.022, WOOD, turn=(0, 0, 90))
    k.slab(
        (-0.4, 0.32, 0),
        [(-0.06, -0.2), (0.03, -0.2), (0.08, 0), (0.03, 0.2), (-0.06, 0.2)],
        0.022,
        trim,
        turn=(90, 0, 0),
    )
    k.slab((-0.4, 0.42, 0), [(-0.08, 0.16), (0.0, 0.16), (0.1, -0.1), (-0.06, -0.1)], 0.024, trim)
    k.ball((0.28, 0.36, 0), (0.11, 0.06, 0.06), GLASS)


@family("helicopter")
def helicopter(k: Builder) -> None:
    k.ball((0.12, 0.36, 0), (0.27, 0.19, 0.17))
    k.ball((0.2, 0.4, 0), (0.26, 0.15, 0.2), GLASS, operation="paint")
    k.stick((-0.05, 0.4, 0), (-0.58, 0.48, 0), 0.075, end=0.03)
    k.slab((-0.58, 0.53, 0), [(-0.06, -0.1), (0.06, -0.1), (0.02, 0.12), (-0.06, 0.12)], 0.022)
    k.stick((0.1, 0.5, 0), (0.1, 0.64, 0), 0.03, DARK)
    a = k.rng.uniform(0, 3)
    for x, z in around(2, 0.52, a):
        k.box((0.1 + x / 2, 0.64, z / 2), (0.035, 0.02, 0.27), METAL, turn=(0, float(a * 180), 0))
    for z in (-0.15, 0.15):
        k.stick((-0.1, 0.08, z), (0.36, 0.08, z), 0.024, DARK)
        for x in (0.0, 0.24):
            k.stick((x, 0.08, z), (x, 0.25, z * 0.7), 0.02, DARK)


@family("rocket")
def rocket(k: Builder) -> None:
    tall = {"tall": 1.3, "short": 0.75, "": 1.0}[k.adjective("height", "tall", "short")]
    fins, nose = (
        int(k.feature("fins", {"3": "three fins", "4": "four fins"})),
        k.accent("nose", (0.83, 0.13, 0.12)),
    )
    h = 0.6 * tall
    k.cylinder((0, 0.14 + h / 2, 0), 0.15, h / 2, rounding=0.02)
    k.turned((0, 0.14 + h, 0), [(0, 0), (0.15, 0), (0.12, 0.13), (0.07, 0.22), (0.0, 0.28)], nose)
    k.cylinder((0, 0.1, 0), 0.12, 0.05, DARK, top=0.08)
    k.cylinder((0, 0.14 + h * 0.68, 0.15), 0.07, 0.03, GLASS, turn=(90, 0, 0))
    for i in range(fins):
        turn = 360 * (i + 0.5) / fins
        x, z = around(fins, 0.19, 0.5)[i]
        k.slab(
            (x, 0.16, z),
            [(-0.09, -0.14), (0.13, -0.16), (0.1, -0.03), (-0.09, 0.17)],
            0.024,
            nose,
            turn=(0, turn - 90, 0),
        )


@family("sailboat", "boat")
def sailboat(k: Builder) -> None:
    sail, tall = k.accent("sail", PALE), {"tall": 1.2, "": 0.9}[k.adjective("height", "tall")]
    k.slab((0, 0.12, 0), [(-0.36, -0.1), (0.3, -0.1), (0.52, 0.11), (-0.42, 0.11)], 0.15, rounding=0.03)
    k.box((-0.02, 0.24, 0), (0.3, 0.06, 0.1), WOOD, operation="cut")
    k.stick((0.06, 0.15, 0), (0.06, tall + 0.08, 0), 0.024, WOOD)
    k.slab((0, 0, 0), [(0.02, 0.3), (0.02, tall), (-0.36, 0.32)], 0.02, sail)
    k.slab((0, 0, 0), [(0.11, 0.3), (0.11, tall * 0.85), (0.42, 0.3)], 0.02, sail)


@family("ship", "steamer")
def ship(k: Builder) -> None:
    stacks = int(k.feature("chimneys", {"2": "two chimneys", "1": "one chimney", "3": "three chimneys"}))
    k.slab((0, 0.12, 0), [(-0.46, -0.11), (0.44, -0.11), (0.6, 0.13), (-0.56, 0.13)], 0.15, rounding=0.03)
    k.box((-0.02, 0.31, 0), (0.36, 0.07, 0.11), PALE)
    k.box((0.02, 0.42, 0), (0.26, 0.06, 0.09), PALE)
    for i in range(stacks):
        k.cylinder((0.02 + (i - (stacks - 1) / 2) * 0.18, 0.55, 0), 0.05, 0.1, (0.83, 0.13, 0.12))
    k.stick((0.42, 0.22, 0), (0.42, 0.6, 0), 0.02, WOOD)


@family("submarine")
def submarine(k: Builder) -> None:
    k.stick((-0.36, 0.25, 0), (0.34, 0.25, 0), 0.17, end=0.19)
    k.box((0.03, 0.46, 0), (0.13, 0.1, 0.07), rounding=0.05)
    k.stick((0.06, 0.5, 0), (0.06, 0.7, 0), 0.025, DARK)
    k.stick((0.06, 0.7, 0), (0.14, 0.7, 0), 0.03, DARK)
    for x in (-0.22, 0.02, 0.26):
        k.ball((x, 0.29, 0.17), 0.055, GLASS)
    k.box((-0.52, 0.25, 0), (0.05, 0.19, 0.022))
    k.box((-0.52, 0.25, 0), (0.05, 0.022, 0.19))


@family("bicycle", "bike")
def bicycle(k: Builder) -> None:
    for x in (-0.34, 0.34):
        k.ring((x, 0.24, 0), 0.2, 0.03, TYRE, turn=(90, 0, 0))
        k.ball((x, 0.24, 0), 0.045, METAL)
    seat, bar, pedal = (-0.14, 0.52), (0.24, 0.54), (-0.04, 0.24)
    for a, b in (
        ((-0.34, 0.24), pedal),
        ((-0.34, 0.24), seat),
        (seat, pedal),
        (seat, bar),
        (bar, pedal),
        (bar, (0.34, 0.24)),
    ):
        k.stick((a[0], a[1], 0), (b[0], b[1], 0), 0.024)
    k.stick((0.24, 0.54, 0), (0.22, 0.63, 0), 0.022, DARK)
    k.stick((0.2, 0.63, -0.15), (0.2, 0.63, 0.15), 0.024, DARK)
    k.ball((-0.16, 0.58, 0), (0.1, 0.035, 0.06), DARK)


@family("house")
def house(k: Builder) -> None:
    wide, deep = {"wide": 0.48, "": 0.34}[k.adjective("width", "wide")], k.vary(0.3)
    floors = k.feature("floors", {"1": "", "2": "two floors"})
    roof, chimney = k.accent("roof", ROOF), k.feature("chimney", {"yes": "a chimney", "no": "no chimney"})
    high = 0.42 if floors == "1" else 0.66
    k.box((0, high / 2, 0), (wide, high / 2, deep))
    k.slab((0, high, 0), [(-wide - 0.06, 0), (wide + 0.06, 0), (0, 0.3)], deep + 0.05, roof)
    if chimney == "yes":
        k.box((wide * 0.5, high + 0.24, -0.05), (0.055, 0.16, 0.055), (0.55, 0.3, 0.25))
    k.box((0, 0.12, deep), (0.075, 0.13, 0.06), WOOD, operation="paint")
    rows = (0.27,) if floors == "1" else (0.27, 0.53)
    for y in rows:
        for x in (-0.58, 0.58):
            k.box((x * wide, y, 0), (0.075, 0.075, deep + 0.05), GLASS, operation="paint")


@family("castle")
def castle(k: Builder) -> None:
    roof = k.accent("roof", (0.3, 0.35, 0.6))
    k.box((0, 0.18, 0), (0.32, 0.18, 0.32))
    k.box((0, 0.4, 0), (0.14, 0.24, 0.14))
    k.cylinder((0, 0.74, 0), 0.2, 0.12, roof, top=0.01)
    for x in (-0.34, 0.34):
        for z in (-0.34, 0.34):
            k.cylinder((x, 0.25, z), 0.1, 0.25)
            k.cylinder((x, 0.59, z), 0.13, 0.1, roof, top=0.01)
    k.box((0, 0.1, 0.32), (0.08, 0.12, 0.05), WOOD, operation="paint")


@family("tower")
def tower(k: Builder) -> None:
    tall = {"tall": 1.0, "short": 0.5, "": 0.75}[k.adjective("height", "tall", "short")]
    roof = k.feature("top", {"battlements": "battlements", "roof": "a pointed roof"})
    k.cylinder((0, tall / 2, 0), 0.2, tall / 2)
    k.cylinder((0, tall, 0), 0.25, 0.06)
    if roof == "roof":
        k.cylinder((0, tall + 0.2, 0), 0.27, 0.16, ROOF, top=0.01)
    else:
        for x, z in around(6, 0.19):
            k.box((x, tall + 0.09, z), (0.05, 0.07, 0.05))
    for y in (0.35, 0.7):
        k.box((0, y * tall, 0.2), (0.045, 0.07, 0.06), DARK, operation="paint")


@family("lighthouse")
def lighthouse(k: Builder) -> None:
    stripe = k.accent("stripe", PALE)
    k.cylinder((0, 0.42, 0), 0.2, 0.4, top=0.13)
    for y in (0.27, 0.57):
        k.box((0, y, 0), (0.4, 0.075, 0.4), stripe, operation="paint")
    k.cylinder((0, 0.84, 0), 0.18, 0.03, DARK)
    k.cylinder((0, 0.93, 0), 0.1, 0.08, (0.99, 0.9, 0.45))
    k.cylinder((0, 1.06, 0), 0.14, 0.07, DARK, top=0.01)
    k.cylinder((0, 0.02, 0), 0.3, 0.035, METAL)


@family("windmill")
def windmill(k: Builder) -> None:
    blades = k.accent("sail", PALE)
    k.cylinder((0, 0.32, 0), 0.22, 0.32, top=0.14)
    k.turned((0, 0.64, 0), [(0, 0), (0.17, 0), (0.1, 0.14), (0, 0.18)], ROOF)
    k.stick((0, 0.66, 0), (0, 0.66, 0.26), 0.035, WOOD)
    angle = k.rng.uniform(0, 90)
    for i in range(4):
        a = angle + 90 * i
        x, y = around(4, 0.25, a / 90)[0]
        k.box((x, 0.66 + y, 0.25), (0.055, 0.21, 0.02), blades, turn=(0, 0, -a))
    k.box((0, 0.1, 0.2), (0.06, 0.1, 0.08), WOOD, operation="paint")


@family("tent")
def tent(k: Builder) -> None:
    deep = {"long": 0.5, "": 0.34}[k.adjective("length", "long")]
    k.slab((0, 0, 0), [(-0.4, 0), (0.4, 0), (0, 0.55)], deep)
    k.slab(
        (0, 0, deep), [(-0.14, 0.02), (0.14, 0.02), (0, 0.4)], 0.1, k.accent("door", DARK), operation="paint"
    )
    k.stick((0, 0.5, -deep + 0.02), (0, 0.62, -deep + 0.02), 0.022, WOOD)
    k.stick((0, 0.5, deep - 0.02), (0, 0.62, deep - 0.02), 0.022, WOOD)


@family("bridge")
def bridge(k: Builder) -> None:
    arches = int(k.feature("arches", {"2": "two arches", "1": "one arch", "3": "three arches"}))
    k.box((0, 0.24, 0), (0.6, 0.2, 0.17))
    for i in range(arches):
        x, r = -0.6 + 1.2 * (i + 0.5) / arches, min(0.26, 0.46 / arches)
        k.cylinder((x, 0.06, 0), r, 0.3, turn=(90, 0, 0), operation="cut")
    for z in (-0.16, 0.16):
        k.box((0, 0.48, z), (0.6, 0.06, 0.025), tuple(c * 0.8 for c in k.colour))  # type: ignore[arg-type]
