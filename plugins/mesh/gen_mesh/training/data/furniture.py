"""Furniture and what stands in a home."""

from __future__ import annotations

from gen_mesh.training.data.builder import DARK, GOLD, METAL, PALE, WOOD, Builder, around, family

LEGS = {"4": "four legs", "3": "three legs"}


def _legs(k: Builder, count: int, spread: float, top: float, bottom: float, radius: float) -> None:
    phase = 0.5 if count == 4 else 0.0
    for x, z in around(count, spread * 1.3 if count == 4 else spread * 1.15, phase):
        k.stick((x * 0.92, top, z * 0.92), (x, bottom, z), radius)


@family("chair")
def chair(k: Builder) -> None:
    tall = {"tall": 1.3, "": 1.0}[k.adjective("height", "tall")]
    legs, arms = k.feature("legs", LEGS), k.feature("arms", {"none": "", "two": "armrests"})
    seat, back = k.vary(0.26, 0.08), k.vary(0.52) * tall
    for x, z in around(int(legs), seat * (1.2 if legs == "4" else 1.05), 0.5 if legs == "4" else 0):
        k.stick((x, 0.42, z), (x, 0.03, z), 0.032)
    k.box((0, 0.45, 0), (seat, 0.04, seat), k.accent("seat", k.colour), rounding=0.03)
    if k.rng.random() < 0.5:
        k.box((0, 0.45 + back / 2, -seat + 0.03), (seat, back / 2, 0.035), rounding=0.03)
    else:
        for x in (-0.8, 0.0, 0.8):
            k.stick((x * seat, 0.45, -seat + 0.04), (x * seat, 0.45 + back - 0.05, -seat + 0.02), 0.03)
        k.box((0, 0.45 + back - 0.08, -seat + 0.02), (seat, 0.08, 0.035), rounding=0.03)
    if arms == "two":
        for x in (-seat, seat):
            k.box((x, 0.66, -0.02), (0.03, 0.025, seat), rounding=0.02)
            k.stick((x, 0.45, seat * 0.8), (x, 0.66, seat * 0.8), 0.026)


@family("stool")
def stool(k: Builder) -> None:
    high = {"tall": 0.85, "short": 0.34, "": 0.55}[k.adjective("height", "tall", "short")]
    count, width = int(k.feature("legs", {"3": "three legs", "4": "four legs"})), k.vary(0.25)
    k.cylinder((0, high, 0), width, 0.045, k.accent("seat", k.colour), rounding=0.03)
    for x, z in around(count, width, 0.5):
        k.stick((x * 0.75, high, z * 0.75), (x * 1.05, 0.03, z * 1.05), 0.034)
    if high > 0.5:
        k.ring((0, high * 0.4, 0), width * 0.95, 0.02)


@family("table")
def table(k: Builder) -> None:
    high = {"tall": 0.8, "low": 0.3, "": 0.5}[k.adjective("height", "tall", "low")]
    outline, legs = k.adjective("outline", "round", "long"), k.feature("legs", {**LEGS, "1": "one leg"})
    top, wide = k.accent("top", k.colour), {"round": 0.42, "long": 0.5, "": 0.4}[outline]
    deep = wide * (0.5 if outline == "long" else 1) * k.vary(1, 0.06)
    if outline == "round":
        k.cylinder((0, high, 0), wide, 0.035, top, rounding=0.015)
    else:
        k.box((0, high, 0), (wide, 0.035, deep), top)
    if legs == "1":
        k.cylinder((0, high / 2, 0), 0.06, high / 2)
        k.cylinder((0, 0.03, 0), min(deep, wide) * 0.65, 0.035)
    else:
        for x, z in around(int(legs), 1.0, 0.5 if legs == "4" else 0):
            reach = 0.62 if outline == "round" else 1.15 if legs == "4" else 0.8
            k.stick(
                (x * wide * reach, high, z * deep * reach), (x * wide * reach, 0.03, z * deep * reach), 0.034
            )


@family("bench")
def bench(k: Builder) -> None:
    long = {"long": 0.6, "": 0.45}[k.adjective("length", "long")]
    back = k.feature("back", {"yes": "a back", "no": "no back"})
    for z in (-0.11, 0.03, 0.17):
        k.box((0, 0.32, z), (long, 0.03, 0.055))
    for x in (-0.8 * long, 0.8 * long):
        k.box((x, 0.16, 0.03), (0.035, 0.16, 0.17), DARK)
        if back == "yes":
            k.stick((x, 0.3, -0.15), (x, 0.68, -0.22), 0.028, DARK)
    if back == "yes":
        for y in (0.46, 0.62):
            k.box((0, y, -0.19), (long, 0.055, 0.025), turn=(-10, 0, 0))


@family("sofa", "couch")
def sofa(k: Builder) -> None:
    wide = {"long": 0.62, "": 0.46}[k.adjective("length", "long")]
    cushion = k.accent("cushion", tuple(min(1.0, c * 1.12 + 0.03) for c in k.colour))  # type: ignore[arg-type]
    k.box((0, 0.17, 0), (wide, 0.11, 0.23), rounding=0.04)
    k.box((0, 0.34, -0.19), (wide, 0.24, 0.08), rounding=0.06)
    for x in (-wide, wide):
        k.box((x, 0.25, 0.01), (0.075, 0.2, 0.25), rounding=0.06)
    for x in (-0.5, 0.5):
        k.box((x * wide, 0.3, 0.04), (wide * 0.46, 0.06, 0.18), cushion, rounding=0.05)
        for z in (-0.15, 0.18):
            k.stick((x * wide * 1.8, 0.06, z), (x * wide * 1.8, 0.03, z), 0.035, WOOD)


@family("bed")
def bed(k: Builder) -> None:
    wide = {"wide": 0.42, "narrow": 0.2, "": 0.3}[k.adjective("width", "wide", "narrow")]
    frame = k.accent("frame", WOOD)
    k.box((0, 0.17, 0), (wide, 0.05, 0.5), frame)
    k.box((0, 0.27, 0.06), (wide - 0.02, 0.075, 0.43), rounding=0.05)
    k.box((0, 0.29, -0.33), (wide - 0.02, 0.05, 0.15), PALE, rounding=0.04)
    for x in (-0.5, 0.5) if wide > 0.35 else (0.0,):
        k.box(
            (x * wide, 0.36, -0.36),
            (wide * 0.38 if wide > 0.35 else wide * 0.7, 0.05, 0.08),
            PALE,
            rounding=0.045,
        )
    k.box((0, 0.32, -0.5), (wide, 0.25, 0.03), frame, rounding=0.025)
    k.box((0, 0.22, 0.5), (wide, 0.14, 0.03), frame, rounding=0.025)
    for x in (-wide, wide):
        for z in (-0.48, 0.48):
            k.stick((x * 0.94, 0.15, z), (x * 0.94, 0.03, z), 0.035, frame)


@family("lamp", "table lamp")
def lamp(k: Builder) -> None:
    high = {"tall": 0.75, "short": 0.26, "": 0.45}[k.adjective("height", "tall", "short")]
    foot, wide = k.accent("foot", METAL), k.vary(0.24)
    k.cylinder((0, 0.03, 0), k.vary(0.16), 0.03, foot)
    k.stick((0, 0.03, 0), (0, high + 0.15, 0), 0.026, foot)
    k.cylinder((0, high + 0.15, 0), wide, 0.16, top=wide * k.rng.uniform(0.45, 0.8))


@family("shelf", "bookshelf")
def shelf(k: Builder) -> None:
    high, wide = {"tall": 1.0, "low": 0.5, "": 0.75}[k.adjective("height", "tall", "low")], k.vary(0.3)
    boards = 3 if high < 0.6 else 4
    for x in (-wide, wide):
        k.box((x, high / 2, 0), (0.025, high / 2, 0.13))
    k.box((0, high / 2, -0.115), (wide, high / 2, 0.02))
    for i in range(boards):
        k.box((0, 0.025 + i * (high - 0.05) / (boards - 1), 0), (wide, 0.024, 0.13))
    books = ((0.8, 0.2, 0.2), (0.2, 0.4, 0.75), (0.9, 0.75, 0.3), (0.25, 0.55, 0.3), PALE)
    gap = (high - 0.05) / (boards - 1)
    for i in range(boards - 1):
        x = -wide + 0.07
        while x < wide * k.rng.uniform(0.2, 0.85):
            tall = gap * k.rng.uniform(0.26, 0.38)
            k.box((x, 0.04 + i * gap + tall, 0), (0.034, tall, 0.09), k.rng.choice(books), rounding=0.004)
            x += 0.07


@family("clock", "alarm clock")
def clock(k: Builder) -> None:
    shape = k.adjective("outline", "round", "square")
    if shape == "square":
        k.box((0, 0.4, 0), (0.36, 0.36, 0.09), rounding=0.03)
        k.box((0, 0.4, 0.1), (0.29, 0.29, 0.03), PALE)
    else:
        k.cylinder((0, 0.4, 0), 0.4, 0.1, turn=(90, 0, 0), rounding=0.03)
        k.cylinder((0, 0.4, 0.1), 0.33, 0.025, PALE, turn=(90, 0, 0))
    k.stick((0, 0.4, 0.135), (k.rng.uniform(-0.05, 0.05), 0.62, 0.135), 0.024, DARK)
    k.stick((0, 0.4, 0.135), (0.15, 0.4 + k.rng.uniform(-0.1, 0.1), 0.135), 0.024, DARK)
    for x in (-0.22, 0.22):
        k.stick((x, 0.06, 0), (x * 1.25, -0.04, 0), 0.04)
    if k.feature("bells", {"no": "", "yes": "two bells"}) == "yes":
        for x in (-0.2, 0.2):
            k.ball((x, 0.84, 0), (0.13, 0.1, 0.1), GOLD)


@family("ladder")
def ladder(k: Builder) -> None:
    high = {"tall": 1.0, "short": 0.55, "": 0.8}[k.adjective("height", "tall", "short")]
    wide = k.vary(0.19)
    for x in (-wide, wide):
        k.stick((x, 0, 0), (x * 0.9, high, 0), 0.034)
    rungs = max(3, round(high / 0.17))
    for i in range(rungs):
        y = (i + 0.6) * high / rungs
        k.stick((-wide, y, 0), (wide, y, 0), 0.027)


@family("stairs", "staircase")
def stairs(k: Builder) -> None:
    steps, wide = (
        int(k.feature("steps", {"4": "four steps", "3": "three steps", "5": "five steps"})),
        k.vary(0.3),
    )
    for i in range(steps):
        high, deep = 0.8 * (i + 1) / steps, 0.8 / steps
        k.box((0, high / 2, 0.4 - deep * (i + 0.5)), (wide, high / 2, deep / 2 + 0.004), rounding=0.004)


@family("chest", "treasure chest")
def chest(k: Builder) -> None:
    wide, trim = k.vary(0.4), k.accent("trim", GOLD)
    k.box((0, 0.2, 0), (wide, 0.2, 0.25))
    k.cylinder((0, 0.4, 0), 0.25, wide, turn=(0, 0, 90))
    for x in (-0.72 * wide, 0.72 * wide):
        k.cylinder((x, 0.4, 0), 0.27, 0.035, trim, turn=(0, 0, 90))
        k.box((x, 0.2, 0), (0.035, 0.2, 0.27), trim)
    k.box((0, 0.39, 0.27), (0.07, 0.09, 0.03), trim)


@family("candle")
def candle(k: Builder) -> None:
    high = {"tall": 0.75, "short": 0.22, "": 0.45}[k.adjective("height", "tall", "short")]
    plate = k.feature("plate", {"no": "", "yes": "a golden plate"})
    k.cylinder((0, high / 2, 0), 0.13, high / 2, rounding=0.02)
    k.stick((0, high, 0), (0, high + 0.06, 0), 0.02, DARK)
    k.ball((0, high + 0.15, 0), (0.055, 0.1, 0.055), (1.0, 0.72, 0.15))
    if plate == "yes":
        k.cylinder((0, 0.02, 0), 0.28, 0.03, GOLD)


@family("book")
def book(k: Builder) -> None:
    thick = {"thick": 0.16, "thin": 0.06, "": 0.1}[k.adjective("thickness", "thick", "thin")]
    wide = k.vary(0.3)
    k.box((0.03, 0.45, 0), (wide - 0.02, 0.42, thick - 0.02), PALE, rounding=0.003)
    for z in (-thick, thick):
        k.box((0, 0.45, z), (wide + 0.02, 0.45, 0.022))
    k.box((-wide, 0.45, 0), (0.025, 0.45, thick + 0.02), rounding=0.02)


@family("umbrella")
def umbrella(k: Builder) -> None:
    wide, stick = k.vary(0.48, 0.08), k.accent("handle", WOOD)
    k.ball((0, 0.62, 0), (wide, 0.34, wide))
    k.ball((0, 0.55, 0), (wide * 0.94, 0.32, wide * 0.94), operation="cut")
    k.box((0, 0.3, 0), (0.6, 0.32, 0.6), operation="cut")
    k.stick((0, 0.98, 0), (0, 0.1, 0), 0.024, stick)
    k.stick((0, 0.1, 0), (0.05, 0.04, 0), 0.026, stick)
    k.stick((0.05, 0.04, 0), (0.12, 0.08, 0), 0.026, stick)
