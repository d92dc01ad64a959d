"""Sound effects, synthesised: what each is made of, how it varies, and how it is described.

Every effect is a function (rng, seconds, pace, height, force) -> sound; pace, height and force are about -1,
0 or 1 and say how fast, how high and how strong it is.
"""

# Every effect takes all axes, and many vary along one only.
# ruff: noqa: ARG001
from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gen_audio.training.data.synthesis import (
    RATE,
    Random,
    Sound,
    band,
    clock,
    decay,
    drift,
    events,
    noise,
    put,
    ring,
    room,
    saw,
    shaped,
    square,
    sweep,
    swell,
)

Synth = Callable[[Random, float, float, float, float], Sound]

AXES = {
    # axis: (words for -1, words for +1)
    "pace": (("slow",), ("fast", "quick")),
    "height": (("low", "deep"), ("high", "high pitched")),
    "force": (("light", "soft"), ("heavy", "strong")),
}


@dataclass(frozen=True)
class Effect:
    """What is known of an effect.

    Args:
        synth: Makes it.
        axes: Which of ``AXES`` change it.
        names: Ways to call it, the usual one first; with their article, if they take one.
    """

    synth: Synth
    axes: tuple[str, ...]
    names: tuple[str, ...]


EFFECTS: dict[str, Effect] = {}


def _effect(name: str, axes: str, *names: str) -> Callable[[Synth], Synth]:
    def register(synth: Synth) -> Synth:
        EFFECTS[name] = Effect(synth, tuple(axes.split()), names)
        return synth

    return register


def _silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


@_effect("rain", "force", "rain", "rain falling", "raindrops")
def _rain(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    out = noise(rng, size, 800, 9000, -2) * 0.12 * 2.2**force
    for at in events(rng, seconds, 60 * 2.5**force, 1):
        hertz = rng.uniform(1500, 6000)
        put(out, ring(0.03, [(hertz, rng.exponential(0.5), rng.uniform(0.01, 0.03))]), at)
    return out


@_effect("wind", "force", "wind", "wind blowing", "a howling wind")
def _wind(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    gust = drift(rng, size, 0.4)
    out = noise(rng, size, 60, 500, -3) * (0.3 + gust)
    whistle = noise(rng, size, 450 * 1.5**force, 600 * 1.5**force, 0)
    return out + 0.8 * whistle * gust**2 * 1.7**force


@_effect("sea waves", "pace force", "sea waves", "ocean waves", "waves on a beach", "the sea")
def _waves(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    period = 3.6 * 1.6**-pace
    phase = (clock(seconds) / period + rng.uniform(0, 0.3)) % 1
    crest = np.where(phase < 0.4, (phase / 0.4) ** 2, ((1 - phase) / 0.6) ** 1.5)
    deep = noise(rng, size, 80, 700 * 1.4**force, -3)
    foam = noise(rng, size, 1500, 9000, -2)
    return deep * (0.25 + crest) + foam * (0.05 + 0.7 * crest**2)


@_effect("fire", "force", "a crackling fire", "fire crackling", "a campfire")
def _fire(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    out = noise(rng, size, 60, 500, -4) * 0.18 * (0.6 + 0.5 * drift(rng, size, 3))
    for at in events(rng, seconds, 14 * 2**force, 1):
        length = rng.uniform(0.004, 0.03)
        crack = rng.standard_normal(round(length * RATE)) * decay(length, length, 0.0005)
        put(out, crack * rng.exponential(0.9), at)
    return out


@_effect("thunder", "force", "thunder", "a thunderclap", "rolling thunder")
def _thunder(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    times = clock(seconds)
    out = noise(rng, size, 25, 180, -3) * np.exp(-times / 1.8) * (0.4 + drift(rng, size, 4))
    clap = noise(rng, size, 100, 3500, -3) * np.exp(-times / (0.15 + 0.1 * force))
    return out + clap * 0.9 * 1.8**force + noise(rng, size, 40, 400, -3) * np.exp(-times / 0.7) * 0.6


@_effect("stream", "force", "a stream", "running water", "a small river")
def _stream(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    out = noise(rng, size, 400, 4000, -2) * 0.12 * 1.8**force
    for at in events(rng, seconds, 45, 1):
        start, length = rng.uniform(400, 1600), rng.uniform(0.02, 0.07)
        curve = start * (1 + rng.uniform(0.1, 0.5) * clock(length) / length)
        put(out, sweep(curve) * swell(length, 0.2 * length, 0.6 * length) * rng.uniform(0.05, 0.4), at)
    return out


@_effect("water drops", "pace height", "water drops", "dripping water", "a dripping tap")
def _drops(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 1.6 * 2**pace, 0.3):
        base = 900 * 1.7**height * rng.uniform(0.85, 1.15)
        curve = base * (1 + 0.8 * clock(0.12) / 0.12)
        put(out, sweep(curve) * decay(0.12, 0.1), at)
        put(out, noise(rng, 200, 2000) * decay(200 / RATE, 0.01) * 0.2, at)
    return room(rng, out, 0.8, 0.25)


@_effect("bubbles", "pace height", "bubbles", "bubbling water", "boiling water")
def _bubbles(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 16 * 2**pace, 1):
        start, length = 350 * 1.6**height * rng.uniform(0.6, 1.8), rng.uniform(0.04, 0.1)
        curve = start * (1 + rng.uniform(0.3, 1.0) * clock(length) / length)
        put(out, sweep(curve) * swell(length, 0.2 * length, 0.5 * length) * rng.uniform(0.2, 1), at)
    return out


@_effect("engine", "pace height", "a car engine", "an engine", "a motor running")
def _engine(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    hertz = 45 * 1.6**pace * 1.4**height * (1 + 0.05 * (drift(rng, size, 1) - 0.5))
    body = saw(hertz, 40) * (1 + 0.5 * np.sin(np.pi * np.cumsum(hertz) / RATE))
    return band(body, 30, 900 * 1.3**height) + 0.25 * noise(rng, size, 100, 1500, -3)


@_effect("motorbike", "pace", "a motorbike", "a motorcycle", "a motorbike driving past")
def _motorbike(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    times = clock(seconds)
    gear = 1 + 0.8 * ((times / 2.2 * 1.4**pace) % 1)
    hertz = 70 * 1.5**pace * gear * (1 + 0.04 * drift(rng, size, 6))
    pulse = np.exp(-6 * (1 - np.sin(2 * np.pi * np.cumsum(hertz) / RATE)) / 2)
    return band(pulse * (saw(2 * hertz, 30) + 0.8 * noise(rng, size, 200, 4000, -2)), 50, 4000)


@_effect("helicopter", "pace", "a helicopter", "a helicopter flying")
def _helicopter(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    chop = (clock(seconds) * 11 * 1.4**pace) % 1
    blade = np.exp(-((chop - 0.3) ** 2) / 0.012)
    out = noise(rng, size, 40, 700, -3) * (0.15 + 1.6 * blade)
    return out + 0.1 * noise(rng, size, 700, 4000, -2) * (0.4 + blade) + 0.06 * saw(np.full(size, 210.0), 15)


@_effect("train", "pace", "a train", "a train on the rails", "a passing train")
def _train(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    out = noise(rng, size, 60, 600, -3) * 0.35 + 0.06 * noise(rng, size, 1000, 5000, -2)
    for at in events(rng, seconds, 1.3 * 1.6**pace):
        for offset in (0.0, 0.16 * 1.5**-pace):
            clack = noise(rng, round(0.1 * RATE), 120, 2500, -3) * decay(0.1, 0.1)
            put(out, clack + ring(0.1, [(340, 0.6, 0.08), (810, 0.3, 0.05)]), at + offset)
    return out


@_effect("train whistle", "height", "a train whistle", "a steam train whistle")
def _train_whistle(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at, length in ((0.0, 1.1), (1.5, min(2.6, seconds - 1.6))):
        times = clock(length)
        chord = sum(
            saw(330 * 1.35**height * ratio * (1 + 0.02 * np.minimum(times * 8, 1)), 6)
            for ratio in (1, 1.19, 1.5)
        )
        breath = 0.5 * noise(rng, len(times), 600, 5000, -2)
        put(out, (chord + breath) * swell(length, 0.06, 0.2), at)
    return room(rng, out, 1.2, 0.3)


@_effect("car horn", "height", "a car horn", "a car honking", "a honk")
def _horn(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    at = 0.0
    while at < seconds - 0.3:
        length = rng.uniform(0.25, 0.9)
        flat = np.ones(round(length * RATE))
        tone = square(405 * 1.3**height * flat, 15) + square(505 * 1.3**height * flat, 15)
        put(out, band(tone, 300, 5000) * swell(length, 0.01, 0.03), at)
        at += length + rng.uniform(0.15, 0.6)
    return out


@_effect("siren", "pace height", "a siren", "a police siren", "a wailing siren")
def _siren(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    phase = clock(seconds) * 0.5 * 2**pace
    curve = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    return saw(620 * 1.35**height * 2 ** (0.95 * curve), 8)


@_effect("ambulance", "pace", "an ambulance", "an ambulance siren", "a two tone siren")
def _ambulance(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    upper = (clock(seconds) * 1.0 * 1.6**pace) % 1 < 0.5
    return square(np.where(upper, 960.0, 770.0), 9)


@_effect("alarm", "pace height", "an alarm", "an alarm clock beeping", "a beeping alarm")
def _alarm(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    on = (clock(seconds) * 2.5 * 1.8**pace) % 1 < 0.5
    gate = np.convolve(on, np.ones(60) / 60, "same")
    return square(np.full(len(on), 1900 * 1.4**height), 5) * gate


@_effect("phone ring", "height", "a phone ringing", "a telephone ring", "an old telephone")
def _phone(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    times = clock(seconds)
    trill = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * 20 * times))
    tone = (
        sweep(np.full(size, 1150 * 1.3**height)) * trill
        + sweep(np.full(size, 1420 * 1.3**height)) * (1 - trill)
        + 0.4 * sweep(np.full(size, 3300 * 1.3**height))
    )
    return tone * np.convolve(times % 3.0 < 1.7, np.ones(200) / 200, "same")


@_effect("church bell", "pace height", "a church bell", "a bell tolling", "a large bell")
def _church_bell(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    base = 210 * 1.6**height
    ratios = ((0.5, 0.7, 5), (1, 1, 4), (1.19, 0.8, 3), (1.5, 0.5, 2.5), (2, 0.9, 2.5), (2.66, 0.4, 1.5))
    for at in events(rng, seconds, 0.55 * 1.7**pace):
        put(out, ring(min(5, seconds), [(base * r, a, d) for r, a, d in (*ratios, (4.1, 0.3, 0.8))]), at)
    return out


@_effect("small bell", "pace height", "a small bell", "a hand bell", "jingle bells")
def _small_bell(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    base = 2100 * 1.35**height
    for at in events(rng, seconds, 3.5 * 1.8**pace, 0.2):
        modes = [(base * r * rng.uniform(0.995, 1.005), a, d) for r, a, d in ((1, 1, 0.8), (2.4, 0.5, 0.4))]
        put(out, ring(0.9, modes) * rng.uniform(0.6, 1), at)
    return out


@_effect("doorbell", "height", "a doorbell", "a door bell ringing", "a ding dong")
def _doorbell(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for start in np.arange(0, seconds, 2.6):
        for at, hertz in ((0.0, 660), (0.6, 523)):
            base = hertz * 1.4**height
            put(out, ring(1.8, [(base, 1, 1.8), (2 * base, 0.3, 1.0), (3 * base, 0.15, 0.6)]), start + at)
    return out


@_effect("clock", "pace", "a clock ticking", "a ticking clock", "tick tock")
def _clock(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for index, at in enumerate(events(rng, seconds, 2 * 1.8**pace)):
        hertz = 2600 if index % 2 == 0 else 2000
        put(out, ring(0.06, [(hertz, 1, 0.025), (1.7 * hertz, 0.5, 0.015)], rng), at)
    return room(rng, out, 0.3, 0.2)


@_effect("heartbeat", "pace", "a heartbeat", "a beating heart", "a heart beating")
def _heart(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    beat = 1.15 * 1.6**pace
    for at in events(rng, seconds, beat):
        for offset, level in ((0.0, 1.0), (0.3 / beat, 0.7)):
            curve = 75 * np.exp(-6 * clock(0.2)) + 38
            put(out, sweep(curve, (1, 0.4, 0.2)) * decay(0.2, 0.22, 0.01) * level, at + offset)
    return out


@_effect("footsteps", "pace force", "footsteps", "someone walking", "steps on a floor")
def _steps(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 1.9 * 1.5**pace, 0.08, 0.1):
        heel = noise(rng, round(0.09 * RATE), 80 * 1.5**-force, 1500, -3) * decay(0.09, 0.07)
        toe = noise(rng, round(0.06 * RATE), 600, 4000, -2) * decay(0.06, 0.05)
        put(out, heel * rng.uniform(0.8, 1.1) * 1.6**force, at)
        put(out, 0.35 * toe, at + 0.09)
    return room(rng, out, 0.4, 0.3)


@_effect("door knock", "pace force", "a knock on the door", "knocking", "a door knock")
def _knock(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    gap, at = 0.22 * 1.5**-pace, 0.05
    while at < seconds:
        for _ in range(int(rng.integers(3, 5))):
            base = 170 * 1.25**-force * rng.uniform(0.97, 1.03)
            modes = [(base, 1, 0.09), (2.3 * base, 0.6, 0.06), (5.1 * base, 0.3, 0.03)]
            put(out, ring(0.15, modes, rng) + 0.3 * noise(rng, round(0.15 * RATE)) * decay(0.15, 0.02), at)
            at += gap * rng.uniform(0.95, 1.05)
        at += 0.8
    return room(rng, out, 0.3, 0.25)


@_effect("applause", "force", "applause", "people clapping", "a clapping audience")
def _applause(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    claps = [
        noise(rng, round(0.05 * RATE), rng.uniform(500, 900), rng.uniform(1800, 5000)) * decay(0.05, 0.04)
        for _ in range(24)
    ]
    for at in events(rng, seconds, 110 * 2**force, 1):
        put(out, claps[int(rng.integers(24))] * rng.uniform(0.2, 1), at)
    return out


@_effect("explosion", "force", "an explosion", "a bomb exploding", "a big boom")
def _explosion(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    times = clock(seconds)
    out = noise(rng, size, 30, 900, -3) * np.exp(-times / (0.6 * 1.6**force))
    out += noise(rng, size, 500, 8000, -1) * np.exp(-times / 0.09) * 0.6
    boom = sweep(35 + 80 * np.exp(-7 * times)) * np.exp(-times / (0.5 * 1.5**force))
    return np.tanh(2.0 * (out + 1.5 * boom) * np.minimum(1, times / 0.004))


@_effect("fireworks", "pace", "fireworks", "fireworks going off", "a firework display")
def _fireworks(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 0.9 * 1.7**pace, 0.6):
        length = 0.5
        rise = sweep(900 + 1800 * (clock(length) / length)) * swell(length, 0.3, 0.1) * 0.2
        put(out, rise, at)
        bang = noise(rng, round(0.7 * RATE), 60, 3000, -3) * decay(0.7, 0.6)
        put(out, bang * 2, at + length)
        for spark in events(rng, 0.6, 60, 1):
            crack = rng.standard_normal(150) * decay(150 / RATE, 0.006)
            put(out, 0.5 * crack, at + length + 0.2 + spark)
    return out


@_effect("laser", "pace height", "a laser", "laser shots", "a laser gun")
def _laser(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 2.2 * 1.8**pace, 0.1):
        length = 0.3
        curve = 250 * 1.3**height + 2800 * 1.4**height * np.exp(-14 * clock(length))
        put(out, square(curve, 7) * decay(length, 0.35), at)
    return out


@_effect("coin", "pace height", "a coin", "a game coin", "coins being collected")
def _coin(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    base = 988 * 1.3**height
    for at in events(rng, seconds, 1.0 * 1.8**pace):
        put(out, square(np.full(round(0.08 * RATE), base), 7), at)
        length = 0.5
        put(out, square(np.full(round(length * RATE), base * 4 / 3), 7) * decay(length, 0.6), at + 0.08)
    return out


@_effect("jump", "pace height", "a jump", "a game jump", "jumping in a video game")
def _jump(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 1.2 * 1.7**pace):
        length = 0.32
        curve = 230 * 1.4**height * 2 ** (1.6 * clock(length) / length)
        put(out, square(curve, 9) * swell(length, 0.005, 0.1), at)
    return out


@_effect("power up", "pace", "a power up", "a game power up", "a level up sound")
def _power_up(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    step = 0.075 * 1.6**-pace
    for start in np.arange(0, seconds, 24 * step):
        for index, semitone in enumerate((0, 4, 7, 12, 16, 19, 24, 28, 31, 36)):
            hertz = np.full(round(step * RATE), 262 * 2 ** (semitone / 12))
            put(out, square(hertz, 9) * swell(step, 0.003, 0.01), start + index * step)
    return out


@_effect("game over", "pace", "a game over sound", "a losing jingle", "a sad game tune")
def _game_over(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    step = 0.3 * 1.5**-pace
    for start in np.arange(0, seconds, 9 * step):
        for index, semitone in enumerate((12, 11, 10, 9)):
            length = step * (3 if index == 3 else 1)
            wobble = 1 + 0.02 * np.sin(2 * np.pi * 6 * clock(length)) * (index == 3)
            tone = square(233 * 2 ** (semitone / 12) * wobble, 11) * swell(length, 0.005, 0.05)
            put(out, tone, start + index * step)
    return out


@_effect("robot", "pace height", "a robot", "robot beeps", "a computer thinking")
def _robot(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    step = 0.12 * 1.7**-pace
    for at in np.arange(0, seconds, step):
        hertz = 500 * 1.5**height * 2 ** rng.uniform(0, 2)
        length = step * rng.uniform(0.5, 0.95)
        put(out, square(np.full(round(length * RATE), hertz), 5) * swell(length, 0.004, 0.01), at)
    return out


@_effect("spaceship", "height", "a spaceship", "a spaceship humming", "a science fiction hum")
def _spaceship(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    times = clock(seconds)
    base = 65 * 1.5**height
    tone = sum(saw(np.full(size, base * detune), 25) for detune in (1, 1.006, 1.503))
    breath = 0.5 + 0.5 * np.sin(2 * np.pi * 0.35 * times)
    bright = band(np.asarray(tone), 200, 2500)
    return band(np.asarray(tone), 30, 350) + bright * breath + 0.1 * noise(rng, size, 500, 4000, -2)


@_effect("whistle", "pace height", "a whistle", "someone whistling", "a person whistling a tune")
def _whistle(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    at = 0.0
    while at < seconds - 0.2:
        length = rng.choice((0.25, 0.4, 0.7)) * 1.5**-pace
        times = clock(length)
        hertz = 1250 * 1.3**height * 2 ** (rng.choice((0, 2, 4, 5, 7, 9, 12)) / 12)
        curve = hertz * (1 - 0.06 * np.exp(-30 * times) + 0.006 * np.sin(2 * np.pi * 5.5 * times))
        breath = 0.06 * noise(rng, len(times), 1000, 5000)
        put(out, (sweep(curve, (1, 0.03)) + breath) * swell(length, 0.03, 0.06), at)
        at += length
    return out


@_effect("referee whistle", "force", "a referee whistle", "a sports whistle", "a pea whistle")
def _referee(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    at = 0.0
    while at < seconds - 0.3:
        length = rng.uniform(0.3, 1.0) * 1.3**force
        times = clock(length)
        pea = 1 + 0.6 * np.sin(2 * np.pi * 38 * times)
        tone = sweep(2850 + 60 * pea, (1,)) + 0.6 * sweep(3150 + 60 * pea, (1,))
        put(out, tone * (0.5 + 0.5 * pea) * swell(length, 0.02, 0.05), at)
        at += length + rng.uniform(0.2, 0.7)
    return out


@_effect("birds", "pace height", "birds chirping", "a bird chirp", "birdsong", "a singing bird")
def _birds(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    at = 0.0
    while at < seconds:
        base, count = 3200 * 1.35**height * rng.uniform(0.8, 1.2), int(rng.integers(2, 7))
        bend, length = rng.uniform(-0.5, 0.6), rng.uniform(0.05, 0.11) * 1.4**-pace
        for _ in range(count):
            part = clock(length) / length
            curve = base * (1 + bend * (part - 0.5) + 0.1 * np.sin(6 * np.pi * part))
            put(out, sweep(curve) * swell(length, 0.3 * length, 0.4 * length), at)
            at += length * 1.5
        at += rng.uniform(0.1, 0.5) * 1.5**-pace
    return room(rng, out, 0.5, 0.15)


@_effect("owl", "height", "an owl", "an owl hooting", "a hoot")
def _owl(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for start in np.arange(0, seconds, 2.4):
        for at, length in ((0.0, 0.25), (0.4, 0.2), (0.7, 0.7)):
            part = clock(length) / length
            curve = 370 * 1.35**height * (1 + 0.08 * np.sin(np.pi * part))
            put(out, sweep(curve, (1, 0.15, 0.05)) * swell(length, 0.08, 0.1), start + at)
    return room(rng, out, 1.0, 0.2)


@_effect("crickets", "pace height", "crickets", "crickets at night", "chirping crickets")
def _crickets(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for _ in range(3):
        hertz, level = 4300 * 1.2**height * rng.uniform(0.93, 1.07), rng.uniform(0.4, 1)
        for at in events(rng, seconds, 2.2 * 1.5**pace, 0.15, rng.uniform(0, 0.4)):
            for pulse in range(3):
                tone = sweep(np.full(round(0.03 * RATE), hertz)) * swell(0.03, 0.008, 0.015)
                put(out, level * tone, at + 0.045 * pulse)
    return out


@_effect("frog", "pace", "a frog", "frogs croaking", "a croaking frog")
def _frog(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 1.3 * 1.6**pace, 0.2):
        length = 0.38
        times = clock(length)
        pulse = np.exp(-8 * ((times * 48) % 1))
        croak = saw(np.full(len(times), 155.0), 30) * pulse
        put(out, band(croak, 450, 1600) * swell(length, 0.05, 0.1), at)
    return out


@_effect("dog", "pace height", "a dog barking", "a barking dog", "a dog")
def _dog(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 1.8 * 1.6**pace, 0.35):
        length = 0.22
        part = clock(length) / length
        curve = 330 * 1.5**height * (0.75 + 0.6 * np.sin(np.pi * part**0.6)) * rng.uniform(0.93, 1.07)
        bark = saw(curve, 25) * (1 + 0.5 * rng.standard_normal(len(part)))
        peaks = shaped(
            bark, lambda f: np.exp(-(((f - 850) / 450) ** 2)) + 0.5 * np.exp(-(((f - 1900) / 500) ** 2))
        )
        put(out, peaks * swell(length, 0.02, 0.12), at)
    return room(rng, out, 0.3, 0.15)


@_effect("bees", "height", "bees", "a buzzing bee", "a buzzing fly")
def _bees(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    curve = (
        205 * 1.35**height * (1 + 0.12 * (drift(rng, size, 5) - 0.5) + 0.25 * (drift(rng, size, 0.8) - 0.5))
    )
    return band(saw(curve, 35), 180, 5000) * (0.25 + drift(rng, size, 1.0))


@_effect("typing", "pace", "typing", "someone typing on a keyboard", "a computer keyboard")
def _typing(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 7 * 1.6**pace, 0.8):
        click = noise(rng, round(0.03 * RATE), 1800, 8000) * decay(0.03, 0.015)
        thud = ring(0.05, [(rng.uniform(250, 400), 0.8, 0.03)])
        put(out, click * rng.uniform(0.5, 1), at)
        put(out, thud * rng.uniform(0.5, 1), at + 0.004)
    return out


@_effect("drill", "height", "a drill", "an electric drill", "drilling")
def _drill(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    times = clock(seconds)
    on = np.clip(np.minimum((times % 2.6) / 0.25, (2.2 - times % 2.6) / 0.15), 0, 1)
    curve = (90 + 190 * on) * 1.4**height * (1 + 0.02 * drift(rng, size, 8))
    return (saw(curve, 35) + 0.7 * noise(rng, size, 1200, 8000)) * on


@_effect("vacuum cleaner", "height", "a vacuum cleaner", "a hoover", "a hair dryer")
def _vacuum(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    hum = saw(np.full(size, 240 * 1.35**height), 18)
    return noise(rng, size, 300, 7000, -1.5) + 0.5 * hum + 0.2 * sweep(np.full(size, 1900 * 1.35**height))


@_effect("radio static", "", "radio static", "white noise", "static noise")
def _static(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    return noise(rng, size, 100, 10_500) * (0.9 + 0.2 * drift(rng, size, 10))


@_effect("whoosh", "pace height", "a whoosh", "a swoosh", "something rushing past")
def _whoosh(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    length = 0.8 * 1.6**-pace
    for at in np.arange(0, seconds, 1.5 * length + 0.35):
        size = round(length * RATE)
        part = np.arange(size) / size
        hiss = noise(rng, size, 900 * 1.5**height, 4000 * 1.4**height) * np.exp(-((part - 0.55) ** 2) / 0.02)
        body = noise(rng, size, 200 * 1.5**height, 900 * 1.4**height) * np.exp(-((part - 0.45) ** 2) / 0.05)
        put(out, hiss + body, at)
    return out


@_effect("breaking glass", "force", "breaking glass", "glass shattering", "a window breaking")
def _glass(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for start in np.arange(0, seconds, 2.6):
        crash = noise(rng, round(0.4 * RATE), 2500, 10_000) * decay(0.4, 0.25 * 1.4**force)
        put(out, crash * 1.4**force, start)
        for _ in range(int(45 * 1.6**force)):
            hertz = rng.uniform(2500, 9000)
            shard = ring(0.25, [(hertz, 1, 0.15), (1.47 * hertz, 0.6, 0.1)])
            put(out, shard * rng.uniform(0.1, 0.5), start + rng.exponential(0.25))
    return out


@_effect("metal clang", "pace height", "a metal clang", "hammering metal", "a hammer on an anvil")
def _clang(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    base = 620 * 1.5**height
    for at in events(rng, seconds, 0.9 * 1.8**pace, 0.1):
        modes = [
            (base * r, a, 1.2 / r**0.7) for r, a in ((1, 1), (2.76, 0.9), (5.4, 0.6), (8.9, 0.4), (3.61, 0.5))
        ]
        put(out, ring(1.4, modes, rng), at)
        put(out, noise(rng, 400, 1000) * decay(400 / RATE, 0.015), at)
    return out


@_effect("creaking door", "pace height", "a creaking door", "a door creaking", "a squeaky door")
def _creak(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    size = round(seconds * RATE)
    rate = (25 + 60 * drift(rng, size, 0.8)) * 1.5**pace
    stick = np.exp(-10 * (np.cumsum(rate) / RATE % 1))
    curve = 520 * 1.4**height * (1 + 0.5 * drift(rng, size, 0.7))
    gate = (drift(rng, size, 0.7) > 0.25).astype(float)
    gate = np.convolve(gate, np.ones(900) / 900, "same")
    return saw(curve, 12) * stick * gate


@_effect("morse code", "pace height", "morse code", "a morse signal", "a telegraph")
def _morse(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    unit, at = 0.075 * 1.6**-pace, 0.0
    while at < seconds:
        for _ in range(int(rng.integers(1, 5))):
            length = unit * rng.choice((1, 3))
            put(
                out, sweep(np.full(round(length * RATE), 700 * 1.4**height)) * swell(length, 0.004, 0.004), at
            )
            at += length + unit
        at += 2 * unit
    return out


@_effect("kick drum", "pace height", "a kick drum", "a bass drum", "kick drum hits")
def _kick(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    curve = 45 * 1.2**height + 130 * np.exp(-35 * clock(0.4))
    for at in events(rng, seconds, 2 * 1.6**pace):
        put(out, sweep(curve) * decay(0.4, 0.45), at)
    return out


@_effect("snare drum", "pace force", "a snare drum", "snare hits", "a snare")
def _snare(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 2 * 1.6**pace):
        rattle = noise(rng, round(0.25 * RATE), 1200, 9000) * decay(0.25, 0.22 * 1.4**force)
        put(out, 0.6 * rattle + ring(0.25, [(185, 1, 0.15), (330, 0.5, 0.1)]), at)
    return out


@_effect("hi-hat", "pace", "a hi hat", "hi hat hits", "a hi hat cymbal")
def _hat(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for index, at in enumerate(events(rng, seconds, 4 * 1.6**pace)):
        length = 0.09 if index % 4 else 0.2
        put(out, noise(rng, round(length * RATE), 6500, 11_000) * decay(length, length), at)
    return out


@_effect("cymbal", "pace", "a cymbal crash", "a crash cymbal", "a cymbal")
def _cymbal(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 0.45 * 1.7**pace):
        size = round(2.5 * RATE)
        metal = sum(sweep(np.full(size, rng.uniform(2500, 9000))) for _ in range(12))
        put(out, (noise(rng, size, 3000, 10_500) + 0.25 * np.asarray(metal)) * decay(2.5, 2.0), at)
    return out


@_effect("hand clap", "pace", "a hand clap", "hand claps", "clapping hands")
def _clap(rng: Random, seconds: float, pace: float, height: float, force: float) -> Sound:
    out = _silence(seconds)
    for at in events(rng, seconds, 1.8 * 1.6**pace, 0.04):
        for offset in (0, 0.012, 0.024):
            put(
                out,
                noise(rng, round(0.12 * RATE), 900, 3500) * decay(0.12, 0.02 if offset < 0.02 else 0.1),
                at + offset,
            )
    return room(rng, out, 0.3, 0.2)


@dataclass(frozen=True)
class Clip:
    """One clip of an effect.

    Args:
        effect: Of ``EFFECTS``.
        pace, height, force: -1, 0 or 1; 0 where the effect does not vary so.
        far: Whether it is heard from far away.
        seed: Of what is left to chance.
    """

    effect: str
    pace: int = 0
    height: int = 0
    force: int = 0
    far: bool = False
    seed: int = 0


def draw(rng: random.Random) -> Clip:
    """A random clip that is not held out."""
    while True:
        name = rng.choice(list(EFFECTS))
        levels = {axis: rng.choice((-1, 0, 1)) for axis in EFFECTS[name].axes}
        clip = Clip(name, **levels, far=rng.random() < 0.15, seed=rng.getrandbits(32))
        if not held_out(clip):
            return clip


def held_out(clip: Clip) -> bool:
    """Whether training never sees this effect in this variation: one in twelve of those that vary."""
    variation = (clip.pace, clip.height, clip.force, clip.far)
    if variation == (0, 0, 0, False):
        return False
    return hashlib.sha256(f"{clip.effect} {variation}".encode()).digest()[0] % 12 == 0


def synthesise(clip: Clip, seconds: float) -> Sound:
    """The sound of a clip, of any level."""
    rng = np.random.default_rng(clip.seed)
    levels = np.array((clip.pace, clip.height, clip.force)) + rng.uniform(-0.12, 0.12, 3)
    sound = EFFECTS[clip.effect].synth(rng, seconds, *levels)
    return room(rng, band(sound, 80, 1400, 1), 1.5, 0.8) if clip.far else sound


def canonical(clip: Clip) -> str:
    """The caption with the first word of everything; metrics use it."""
    words = [AXES[axis][(level + 1) // 2][0] for axis, level in _levels(clip)]
    return _described(EFFECTS[clip.effect].names[0], [*(("distant",) if clip.far else ()), *words])


def caption(clip: Clip, rng: random.Random) -> str:
    """One of many ways to describe a clip; some say less than others."""
    words = [rng.choice(AXES[axis][(level + 1) // 2]) for axis, level in _levels(clip) if rng.random() < 0.75]
    name = rng.choice((*EFFECTS[clip.effect].names, EFFECTS[clip.effect].names[0]))
    behind = ""
    if clip.far:
        if rng.random() < 0.5:
            words.insert(0, "distant")
        else:
            behind = rng.choice((" far away", " in the distance"))
    before = "the sound of " if rng.random() < 0.15 else ""
    return before + _described(name, words) + behind


def _levels(clip: Clip) -> list[tuple[str, int]]:
    levels = {"pace": clip.pace, "height": clip.height, "force": clip.force}
    return [(axis, levels[axis]) for axis in EFFECTS[clip.effect].axes if levels[axis]]


def _described(name: str, words: list[str]) -> str:
    """Adjectives between the article, if there is one, and the rest."""
    first, _, rest = name.partition(" ")
    if not words:
        return name
    if first in ("a", "an"):
        return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)} {rest}"
    if first == "the":
        return f"the {' '.join(words)} {rest}"
    return f"{' '.join(words)} {name}"
