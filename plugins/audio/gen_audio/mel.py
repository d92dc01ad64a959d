"""The log-mel spectrogram that every model of audio here speaks, its magnitudes, and its STFT.

22,050 samples per second, frames of 1,024 samples every 256, 80 bands to 11,025 Hz. F frames stand for
exactly 256·F samples: frame k is centred at sample 256·k + 128.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

RATE, FFT, HOP, BANDS = 22_050, 1024, 256, 80
BINS = FFT // 2 + 1
FLOOR = 1e-5
CENTRE, SPREAD = -5.0, 2.5
"""Log magnitudes are standardised by these for the networks."""

_EDGE = (FFT - HOP) // 2


_KNEE, _BREAK, _LOG_STEP = 200 / 3, 1000.0, math.log(6.4) / 27
"""Hertz per mel below the break, the break in Hz, and the logarithm of the step of a mel above it."""


def mel_filters(rate: int = RATE, bands: int = BANDS) -> Tensor:
    """The triangular filters of the bands (bands, 513), of equal area, from 0 to half the rate.

    Their corners are evenly spaced on the mel scale of M. Slaney (1998, "Auditory Toolbox", version 2):
    linear up to 1 kHz and logarithmic above.
    """
    bins = torch.linspace(0, rate / 2, BINS, dtype=torch.float32, device="cpu")
    highest = _BREAK / _KNEE + math.log(rate / 2 / _BREAK) / _LOG_STEP
    mels = torch.linspace(0, highest, bands + 2, dtype=torch.float32, device="cpu")
    above = _BREAK * torch.exp(_LOG_STEP * (mels - _BREAK / _KNEE))
    corners = torch.where(mels >= _BREAK / _KNEE, above, _KNEE * mels)
    distances, widths = corners[:, None] - bins, corners.diff()[:, None]
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0) * (2 / (corners[2:] - corners[:-2]))[:, None]


# A tensor that is made in inference mode and kept could not be trained through later.
@functools.cache
@torch.inference_mode(False)
def _filters(device: torch.device) -> Tensor:
    return mel_filters().to(device)


@functools.cache
@torch.inference_mode(False)
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(FFT, dtype=torch.float32, device=device)


def stft(samples: Tensor, loop: bool = False) -> Tensor:
    """Samples (B, 256·F) to the complex spectrogram (B, 513, F).

    Beyond the ends samples are mirrored; what follows the end of a loop is its beginning.
    """
    padded = functional.pad(samples[:, None], (_EDGE, _EDGE), mode="circular" if loop else "reflect")[:, 0]
    window = _window(samples.device)
    return torch.stft(padded, FFT, HOP, window=window, center=False, return_complex=True)


def istft(spectrogram: Tensor, loop: bool = False) -> Tensor:
    """Complex spectrogram (B, 513, F) to samples (B, 256·F); the end of a loop runs on into its beginning.

    Overlap-add, divided by the sum of the squared windows (Griffin & Lim 1984, eq. 6).
    """
    pieces = torch.fft.irfft(spectrogram.mT, FFT)
    pieces *= _window(spectrogram.device)
    return _overlapped(pieces, loop) / _weights(pieces.shape[1], loop, pieces.device)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)
def _weights(frames: int, loop: bool, device: torch.device) -> Tensor:
    return _overlapped((_window(device) ** 2).expand(1, frames, FFT), loop)


def _overlapped(pieces: Tensor, loop: bool) -> Tensor:
    """Pieces (B, F, 1024), one every 256 samples, added up to samples (B, 256·F); see ``istft``."""
    frames, places = pieces.shape[1], FFT // HOP
    total = pieces.new_zeros(len(pieces), frames + places - 1, HOP)
    for place, quarter in enumerate(pieces.unflatten(2, (places, HOP)).unbind(2)):
        total[:, place : place + frames] += quarter
    samples = total.flatten(1)
    return (_wrapped(samples) if loop else samples)[:, _EDGE:-_EDGE]


def _wrapped(x: Tensor) -> Tensor:
    """(B, L) with what lies before the beginning added to the end, and the other way round."""
    x = x.clone()
    before, after = x[:, :_EDGE].clone(), x[:, -_EDGE:].clone()
    x[:, -2 * _EDGE : -_EDGE] += before
    x[:, _EDGE : 2 * _EDGE] += after
    return x


def log_mel(samples: Tensor) -> Tensor:
    """Samples (B, 256·F) to standardised log-mel (B, 80, F): (log(mel) + 5) / 2.5, at least -2.6."""
    mel = _filters(samples.device) @ stft(samples).abs()
    return (mel.clamp(min=FLOOR).log() - CENTRE) / SPREAD


@functools.cache
@torch.inference_mode(False)
def _unmel(device: torch.device) -> Tensor:
    return torch.linalg.pinv(mel_filters().double()).float().to(device)


def log_magnitudes(mel: Tensor) -> Tensor:
    """Log magnitudes (B, 513, F) of standardised log-mel (B, 80, F), by least squares."""
    magnitudes = (mel.mT.float() * SPREAD + CENTRE).exp() @ _unmel(mel.device).mT
    return magnitudes.clamp(min=FLOOR).log().mT


def around(pad: int, loop: bool) -> Callable[[Tensor], Tensor]:
    """Padding along the last axis: what follows the end of a loop is its beginning; else the edge stays."""
    return lambda x: functional.pad(x, (pad, pad), mode="circular" if loop else "replicate")


def log_spectral_distance(one: Tensor, other: Tensor) -> Tensor:
    """Log-spectral distance in dB of samples (B, 256·F) each: (B,).

    The root mean square over bins of the difference of magnitudes in dB, averaged over frames (Gray & Markel
    1976); magnitudes more than 80 dB below the loudest of the first signal count as 80 dB below.
    """
    a, b = stft(one).abs(), stft(other).abs()
    floor = 1e-4 * a.amax((1, 2), keepdim=True).clamp(min=1e-6)
    difference = 20 * (torch.maximum(a, floor).log10() - torch.maximum(b, floor).log10())
    return difference.square().mean(1).sqrt().mean(1)
