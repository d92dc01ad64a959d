"""Building blocks of sound effects: shaped noise, swept tones, decaying events, rooms. Arrays are float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

RATE = 22_050
"""Samples per second."""

Sound = NDArray[np.float64]
Random = np.random.Generator


def clock(seconds: float) -> Sound:
    """Times of samples from 0."""
    return np.arange(round(seconds * RATE)) / RATE


def shaped(noise: Sound, gain: Callable[[Sound], Sound]) -> Sound:
    """Filter by a real gain per frequency in Hz; zero phase, circular."""
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE).astype(np.float64)
    return np.fft.irfft(np.fft.rfft(noise) * gain(frequencies), len(noise))


def band(sound: Sound, low: float, high: float, order: int = 2) -> Sound:
    """What lies between two frequencies in Hz, with Butterworth-like slopes."""
    return shaped(
        sound,
        lambda f: (
            1
            / np.sqrt(1 + (low / np.maximum(f, 1e-3)) ** (2 * order))
            / np.sqrt(1 + (f / high) ** (2 * order))
        ),
    )


def noise(rng: Random, samples: int, low: float = 20.0, high: float = 11_000.0, slope: float = 0.0) -> Sound:
    """Gaussian noise in a band, of unit root mean square; ``slope`` in dB per octave."""
    sound = shaped(
        rng.standard_normal(samples),
        lambda f: np.maximum(f, 20.0) ** (slope / 6.02) / np.sqrt(1 + (low / np.maximum(f, 1e-3)) ** 4),
    )
    sound = shaped(sound, lambda f: 1 / np.sqrt(1 + (f / high) ** 6))
    return sound / (np.sqrt(np.mean(sound**2)) + 1e-12)


def drift(rng: Random, samples: int, hertz: float) -> Sound:
    """A smooth random curve in [0, 1] that wanders about ``hertz`` times a second."""
    count = max(4, int(samples / RATE * hertz * 2) + 4)
    knots = rng.uniform(0, 1, count)
    at = np.linspace(0, count - 1.001, samples)
    index = at.astype(int)
    part = at - index
    smooth = part * part * (3 - 2 * part)
    return knots[index] * (1 - smooth) + knots[np.minimum(index + 1, count - 1)] * smooth


def sweep(frequency: Sound, partials: Iterable[float] = (1.0,)) -> Sound:
    """A harmonic tone along a curve of frequencies in Hz; partials above 10 kHz are left out."""
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    total = np.zeros_like(phase)
    top = float(frequency.max())
    for number, amplitude in enumerate(partials, 1):
        if number * top < 10_000 and amplitude:
            total += amplitude * np.sin(number * phase)
    return total


def saw(frequency: Sound, partials: int = 20) -> Sound:
    """A tone with partials that fall as 1 / number."""
    return sweep(frequency, [1 / number for number in range(1, partials + 1)])


def square(frequency: Sound, partials: int = 19) -> Sound:
    """A tone with odd partials that fall as 1 / number."""
    return sweep(frequency, [number % 2 / number for number in range(1, partials + 1)])


def ring(seconds: float, modes: Iterable[tuple[float, float, float]], rng: Random | None = None) -> Sound:
    """Decaying sines: modes of (Hz, amplitude, seconds until they are 60 dB down)."""
    times = clock(seconds)
    total = np.zeros_like(times)
    for hertz, amplitude, decay in modes:
        if hertz < 10_500:
            phase = 0.0 if rng is None else rng.uniform(0, 2 * np.pi)
            total += amplitude * np.exp(-6.91 * times / decay) * np.sin(2 * np.pi * hertz * times + phase)
    return total


def decay(seconds: float, length: float, attack: float = 0.002) -> Sound:
    """An envelope that rises within ``attack`` seconds and is 60 dB down after ``length``."""
    times = clock(seconds)
    return np.minimum(1, times / attack) * np.exp(-6.91 * times / length)


def swell(seconds: float, rise: float, fall: float) -> Sound:
    """An envelope from 0 over 1 to 0 with soft ends, seconds each."""
    times = clock(seconds)
    up = np.clip(times / max(rise, 1e-4), 0, 1)
    down = np.clip((seconds - times) / max(fall, 1e-4), 0, 1)
    return np.sin(np.pi / 2 * up) ** 2 * np.sin(np.pi / 2 * down) ** 2


def put(target: Sound, sound: Sound, at: float) -> None:
    """Add a sound at a time in seconds; what is outside is cut."""
    start = round(at * RATE)
    if 0 <= start < len(target):
        part = sound[: len(target) - start]
        target[start : start + len(part)] += part


def events(rng: Random, seconds: float, rate: float, jitter: float = 0.0, first: float = 0.0) -> list[float]:
    """Times of about ``rate`` events per second; jitter 0 is a clock, 1 is by chance alone."""
    if jitter >= 1:
        return sorted(rng.uniform(0, seconds, rng.poisson(rate * seconds)).tolist())
    count = int((seconds - first) * rate) + 1
    return [first + (i + jitter * rng.uniform(-0.5, 0.5) * (i > 0)) / rate for i in range(count)]


def room(rng: Random, sound: Sound, seconds: float, share: float) -> Sound:
    """Add reverberation: convolution with noise that decays within ``seconds``."""
    tail = rng.standard_normal(round(seconds * RATE)) * decay(seconds, seconds)
    tail = band(tail, 100, 5000) / np.sqrt(np.sum(tail**2))
    size = len(sound) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
    return sound + share * wet
