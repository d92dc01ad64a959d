"""What can be heard without a model: pitch, tempo, statistics of a spectrogram."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.evaluation import Share
from gen_audio.loudness import TARGET, loudness, true_peak
from gen_audio.mel import HOP, RATE, around, log_mel


def pitch(samples: Tensor, start: float = 0.15, seconds: float = 0.8) -> float:
    """Fundamental frequency in Hz of a steady tone in samples (L,), from 60 to 2,000 Hz.

    The first peak of the normalised autocorrelation that comes near the highest (de Cheveigné & Kawahara
    2002, steps 2, 4 and 5).

    Args:
        samples: What it is in.
        start, seconds: Where it is, at least 0.05 s.
    """
    part = samples[int(start * RATE) :][: int(seconds * RATE)].double()
    part = part - part.mean()
    size = 2 * len(part)
    products = torch.fft.irfft(torch.fft.rfft(part, size).abs() ** 2, size)[: len(part)]
    power = torch.cat([part.new_zeros(1), part.square().cumsum(0)])
    lags = torch.arange(len(part))
    both = power[len(part) - lags] + (power[-1] - power[lags])
    found = 2 * products / both.clamp(min=1e-12)
    low, high = int(RATE / 2000), int(RATE / 60)
    inner = found[low : high + 1]
    peaks = (inner[1:-1] >= inner[:-2]) & (inner[1:-1] > inner[2:]) & (inner[1:-1] > 0.9 * inner.max())
    place = low + 1 + int(peaks.nonzero()[0]) if bool(peaks.any()) else low + int(inner.argmax())
    return RATE / _vertex(found, place)


def cents(hertz: float, key: int) -> float:
    """Distance of a frequency from a MIDI key in cents, the octave left aside: -600 to 600."""
    return (1200 * math.log2(hertz / 440) - 100 * (key - 69) + 600) % 1200 - 600


def rate_of_onsets(mel: Tensor) -> float:
    """How many evenly spaced onsets per second a log-mel (80, F) has, from 1.8 to 7."""
    rise = mel.diff(dim=1).clamp(min=0).sum(0)
    rise = rise - rise.mean()
    size = 2 * len(rise)
    found = torch.fft.irfft(torch.fft.rfft(rise.double(), size).abs() ** 2, size)
    low, high = int(RATE / HOP / 7), int(RATE / HOP / 1.8)
    inner = found[low - 1 : high + 2]
    # Multiples of the period repeat as well, often better than the period itself: the shortest counts.
    peaks = (inner[1:-1] >= inner[:-2]) & (inner[1:-1] > inner[2:]) & (inner[1:-1] > 0.4 * inner[1:-1].max())
    place = low + (int(peaks.nonzero()[0]) if bool(peaks.any()) else int(inner[1:-1].argmax()))
    return RATE / HOP / _vertex(found, place)


def seam(loop: Tensor) -> float:
    """How a loop (256·F,) changes where it begins again, as a multiple of the median of all its places.

    The change at a place is the largest step, in root mean square over bands, between neighbouring frames of
    whose windows one holds the place.
    """
    edge = 6
    mel = log_mel(around(edge * HOP, loop=True)(loop[None]))[0]
    # The first of them leads into the first frame of the loop.
    steps = mel[:, edge - 3 : 2 - edge].diff(dim=1).square().mean(0).sqrt()
    largest = steps.unfold(0, 5, 1).amax(1)
    return float(largest[0] / largest.median())


@dataclass
class Levels:
    """Loudness, peaks and clipping of sounds as they are delivered, added one by one."""

    loudness: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    full_scale: int = 0

    def add(self, sound: Artifact) -> None:
        """Measure one."""
        samples, rate = torch.from_numpy(sound.arrays["samples"]), int(sound.attributes["sample_rate"])
        self.loudness.append(loudness(samples, rate))
        self.peaks.append(true_peak(samples, rate))
        self.full_scale += int((samples.abs() >= 1).sum())

    def told(self) -> Mapping[str, str]:
        """Metric to its value as text."""
        near = [abs(level - TARGET) < 0.5 for level in self.loudness]
        return {
            "loudness, median": f"{median(self.loudness):.2f} LUFS",
            f"within 0.5 of {TARGET:g} LUFS": str(Share(sum(near), len(near))),
            "highest true peak": f"{max(self.peaks):.2f} dBTP",
            "samples at full scale": str(self.full_scale),
        }


def median(values: Sequence[float]) -> float:
    """The middle one of values, the upper of two."""
    return sorted(values)[len(values) // 2]


def statistics(mels: Tensor) -> Tensor:
    """Features of log-mels (N, 80, F): mean and deviation of each band, and of its change, (N, 240)."""
    return torch.cat([mels.mean(2), mels.std(2), mels.diff(dim=2).abs().mean(2)], 1)


def _vertex(curve: Tensor, place: int) -> float:
    """Where the parabola through a maximum and its neighbours is highest, within half a step of it."""
    a, b, c = (float(curve[place + offset]) for offset in (-1, 0, 1))
    bend = a - 2 * b + c
    # What has no maximum within the range is read at its edge, where there may be no vertex near.
    return place + (min(max(0.5 * (a - c) / bend, -0.5), 0.5) if bend < 0 else 0.0)
