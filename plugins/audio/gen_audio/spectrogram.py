"""Sounds as pictures that can be heard again: spectrograms with magnitude and phase."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_audio.artifacts import number

FLOOR = -100.0
"""Decibels at black, of a tone of full scale at 0."""


def to_picture(artifact: Artifact, params: Mapping[str, object]) -> Artifact:
    """The short-time Fourier transform of the mixed channels as a picture, the highest frequency on top.

    Red is the magnitude from -100 to 0 dB, green and blue are cosine and sine of the phase. Frames are a
    quarter of ``fft`` apart, so that height and width hold all but the sample rate, which is an attribute.

    Args:
        artifact: A sound.
        params: ``fft``, the samples of a frame, a power of two.
    """
    fft = int(number(params, "fft"))
    if fft & (fft - 1):
        raise UsageError(f"fft must be a power of two, not {fft}")
    samples = torch.from_numpy(artifact.arrays["samples"]).mean(0)
    window = torch.hann_window(fft)
    if len(samples) <= fft // 2:
        samples = torch.nn.functional.pad(samples, (0, fft // 2 + 1 - len(samples)))
    spectrum = torch.stft(samples, fft, fft // 4, window=window, return_complex=True) / (fft / 4)
    level = 20 * spectrum.abs().clamp(min=1e-9).log10()
    phase = torch.polar(torch.ones_like(level), spectrum.angle())
    picture = torch.stack([level / -FLOOR + 1, (phase.real + 1) / 2, (phase.imag + 1) / 2], -1)
    pixels = np.ascontiguousarray(picture.clamp(0, 1).flip(0).numpy())
    return Artifact(
        "image",
        {"pixels": pixels},
        {"sample_rate": artifact.attributes["sample_rate"], "samples": artifact.arrays["samples"].shape[1]},
    )


def to_sound(artifact: Artifact, params: Mapping[str, object]) -> Artifact:
    """The sound of a picture that ``to_picture`` made, or of any other picture as if it were one.

    Args:
        artifact: A picture, one row higher than a power of two. One of a single colour channel has phase 0.
        params: ``sample_rate`` in Hz, where the picture does not tell it: files of pictures do not.

    Raises:
        UsageError: The height fits no transform.
    """
    pixels = torch.from_numpy(artifact.arrays["pixels"]).flip(0)
    half = pixels.shape[0] - 1
    if half < 2 or half & (half - 1):
        raise UsageError(
            f"a spectrogram is one row higher than a power of two, and the picture has {half + 1} rows",
            "scale it to 513 rows",
        )
    fft = 2 * half
    level = (pixels[..., 0] - 1) * -FLOOR
    magnitude = torch.where(pixels[..., 0] > 0, 10 ** (level / 20), 0.0) * (fft / 4)
    spectrum = torch.polar(magnitude, _phase(pixels))
    length = artifact.attributes.get("samples")
    samples = torch.istft(
        spectrum,
        fft,
        fft // 4,
        window=torch.hann_window(fft),
        length=length if isinstance(length, int) else None,
    )
    known = artifact.attributes.get("sample_rate", 22_050)
    rate = int(number(params, "sample_rate", float(known)))
    return Artifact("audio", {"samples": samples.clamp(-1, 1)[None].numpy()}, {"sample_rate": rate})


def _phase(pixels: Tensor) -> Tensor:
    if pixels.shape[-1] < 3:
        return torch.zeros(pixels.shape[:2])
    return torch.atan2(pixels[..., 2] * 2 - 1, pixels[..., 1] * 2 - 1)
