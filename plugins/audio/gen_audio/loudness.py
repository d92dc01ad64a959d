"""Loudness and true peak as ITU-R BS.1770-5 measures them, and levelling to a target of both."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from gen_audio.resampling import resampled

TARGET, PEAK = -14.0, -1.0
"""Integrated loudness in LUFS and the highest true peak in dBTP of what is delivered."""

BLOCK = 0.4
"""Seconds of the blocks in which loudness is measured; a sound must be as long."""

LEVEL = 0.12
"""Root mean square of the loudest 400 ms of what networks are given, where its peaks allow."""

MAX_LIMITING = 12.0
"""Decibels by which peaks are pressed down at most; what is sparser stays below the target."""


def loudness(samples: Tensor, rate: int) -> float:
    """Integrated loudness in LUFS of samples (channels, L) of at least ``BLOCK``; -inf for silence.

    Args:
        samples: One or two channels, weighted alike.
        rate: Samples per second.
    """
    block, step = round(BLOCK * rate), round(0.1 * rate)
    weighted = _k_weighted(samples.double(), rate)
    power = weighted.square().unfold(1, block, step).mean(2).sum(0)
    level = -0.691 + 10 * power.clamp(min=1e-20).log10()
    heard = power[level > -70]
    if not len(heard):
        return -math.inf
    gate = -0.691 + 10 * float(heard.mean().log10()) - 10
    heard = power[(level > -70) & (level > gate)]
    return -0.691 + 10 * float(heard.mean().log10())


def true_peak(samples: Tensor, rate: int) -> float:
    """Highest true peak in dBTP of samples (channels, L), found at four times their rate."""
    return 20 * math.log10(max(float(_peaks(samples, rate).max()), 1e-10))


def mastered(samples: Tensor, rate: int, around: int = 0) -> Tensor:
    """Samples (channels, L) brought to ``TARGET``, with no true peak above ``PEAK``.

    Args:
        samples: Any level; silence stays as it is.
        rate: Samples per second.
        around: How many samples at either end only surround what counts.

    Returns:
        (channels, L - 2·around).
    """
    inner = slice(around, samples.shape[1] - around)
    measured = loudness(samples[:, inner], rate)
    if math.isinf(measured):
        return samples[:, inner]
    peak = true_peak(samples, rate)
    gain = min(TARGET - measured, PEAK - peak + MAX_LIMITING)
    most = gain + 6
    result = samples
    for _ in range(8):
        result = _limited(samples * 10 ** (gain / 20), rate)
        missing = TARGET - loudness(result[:, inner], rate)
        gain = min(gain + missing, most, PEAK - peak + MAX_LIMITING)
        if abs(missing) < 0.05:
            break
    excess = max(0.0, true_peak(result, rate) - PEAK)
    return result[:, inner] * 10 ** (-excess / 20)


def _limited(samples: Tensor, rate: int) -> Tensor:
    """Peaks turned down to just below ``PEAK`` by a gain that moves smoothly within 3 ms."""
    ceiling = 10 ** ((PEAK - 0.1) / 20)
    peaks = _peaks(samples, rate).amax(0)
    reach = max(1, round(0.003 * rate))
    held = functional.max_pool1d(peaks[None, None], 2 * reach + 1, 1, reach)
    need = ceiling / held.clamp(min=ceiling)
    smooth = torch.hann_window(2 * reach + 3, periodic=False, dtype=need.dtype, device=need.device)[1:-1]
    gain = functional.conv1d(
        functional.pad(need, (reach, reach), mode="replicate"), (smooth / smooth.sum())[None, None]
    )
    return samples * gain[0]


def _peaks(samples: Tensor, rate: int) -> Tensor:
    """The largest magnitude around every sample, between the samples too: (channels, L)."""
    between = functional.max_pool1d(resampled(samples, rate, 4 * rate).abs()[None], 4, 4)[0]
    return torch.maximum(samples.abs(), between)


def _k_weighted(samples: Tensor, rate: int) -> Tensor:
    """The two filters of annex 1, with the bilinear forms that fit the standard's table at 48 kHz.

    Filtering is done by multiplying the spectrum; two seconds of silence let the filters ring out.
    """
    length = samples.shape[1]
    size = length + 2 * rate
    turns = torch.arange(size // 2 + 1, dtype=torch.float64, device=samples.device) / size
    z = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    response = torch.ones_like(z)
    for numerator, denominator in (_shelf(rate), _high_pass(rate)):
        above, below = (a + b * z + c * z**2 for a, b, c in (numerator, denominator))
        response = response * above / below
    return torch.fft.irfft(torch.fft.rfft(samples, size) * response, size)[:, :length]


Biquad = tuple[tuple[float, float, float], tuple[float, float, float]]


def _shelf(rate: int) -> Biquad:
    """Annex 1, stage 1: a shelf of +4 dB above 1.7 kHz (coefficients as found by Brecht De Man, 2019)."""
    k = math.tan(math.pi * 1681.974450955533 / rate)
    high, q = 10 ** (3.999843853973347 / 20), 0.7071752369554196
    middle = high**0.4996667741545416
    return (
        (high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k),
        (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k),
    )


def _high_pass(rate: int) -> Biquad:
    """Annex 1, stage 2: a high pass at 38 Hz. Its numerator is not normalised, as in the standard."""
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    total = 1 + k / q + k * k
    return (1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / total, (1 - k / q + k * k) / total)
