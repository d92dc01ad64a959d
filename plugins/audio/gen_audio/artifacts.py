"""Between artifacts and states: how models of audio read sounds and masks, and deliver what they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.run.compositing import AUDIBLE, keep_samples, sounding
from gen_audio.loudness import mastered
from gen_audio.mel import RATE, around
from gen_audio.resampling import resampled

_LOW_FREQUENCIES = {6: 3, 8: 3}
"""Number of the channel of low frequencies by the number of channels, in the order of WAV and FLAC."""


def number(params: Mapping[str, object], name: str, default: float | None = None) -> float:
    """The number that a parameter is.

    Raises:
        UsageError: It is none.
    """
    value = params.get(name, default)
    if not isinstance(value, int | float):
        raise UsageError(f"{name} must be a number, not {value!r}")
    return float(value)


def mono(artifact: Artifact, rate: int = RATE) -> Tensor:
    """One channel of a sound at a model's rate, (L,): see ``downmixed``."""
    samples = downmixed(torch.from_numpy(artifact.arrays["samples"]))
    return resampled(samples, int(artifact.attributes["sample_rate"]), rate)


def downmixed(samples: Tensor) -> Tensor:
    """Channels (channels, L) as one, (L,): their mean, or where they cancel out, the one of most power.

    They cancel out where the mean has less than a fifth of the power that it has of unrelated channels: an
    inverted second channel leaves nothing of it. Of 5.1 and 7.1, the channel of low frequencies is left out.
    """
    rows = [row for row in range(len(samples)) if _LOW_FREQUENCIES.get(len(samples)) != row]
    power, mean = samples[rows].square().mean(1), samples[rows].mean(0)
    if mean.square().mean() < 0.2 * power.mean() / len(rows):
        return samples[rows[int(power.argmax())]]
    return mean


def fitted(sound: Tensor, length: int) -> Tensor:
    """Samples (..., L) cut or padded with silence, (..., length)."""
    return functional.pad(sound[..., :length], (0, max(0, length - sound.shape[-1])))


def kept(mask: Artifact, cells: int, size: int, rate: int = RATE) -> Tensor:
    """A sound, not silent where something is made anew, as (1, 1, cells): 1 where states are kept.

    Args:
        mask: Any sound.
        cells: Length of the states.
        size: Samples that a cell stands for.
        rate: Of these, samples per second.
    """
    loudest = fitted(mono(mask, rate), cells * size).abs().reshape(cells, size).amax(1)
    return (loudest <= AUDIBLE).float()[None, None]


def beginning(
    params: Mapping[str, object], size: int, cells: int, rate: int = RATE
) -> tuple[Artifact, int] | None:
    """What the parameter ``extend`` gives, and how many whole cells that is; None where it is not given.

    Args:
        params: Values of the modality's parameters.
        size: Samples that a cell stands for.
        cells: What is made.
        rate: Samples per second.

    Raises:
        UsageError: It is not shorter than what is made, or shorter than a cell.
    """
    start = params.get("extend")
    if not isinstance(start, Artifact):
        return None
    samples, own = start.sizes["samples"], int(start.attributes["sample_rate"])
    count = samples * rate // (own * size)
    if not 0 < count < cells:
        raise UsageError(
            f"extend needs a sound of at least {size / rate:.2f} s that is shorter than the duration, "
            f"not {samples / own:.2f} s"
        )
    return start, count


def there_and_back(sound: Tensor, length: int) -> Tensor:
    """Samples (..., L), behind them their mirror image, and so on: (..., length).

    In training no sound broke off where it was given up to.
    """
    both = torch.cat([sound, sound.flip(-1)], -1)
    return torch.cat([both] * -(-length // both.shape[-1]), -1)[..., :length]


def delivered(
    states: Tensor, params: Mapping[str, object], sound: Callable[[Tensor], Tensor]
) -> list[Artifact]:
    """Sounds of the rate that is asked for, levelled; of a loop, exactly of the duration.

    Args:
        states: (B, C, T).
        params: Values of the modality's parameters.
        sound: From one of them, (1, C, T), to samples (channels, L) at the models' rate.
    """
    rate = int(number(params, "sample_rate", RATE))
    made = []
    with torch.no_grad():
        # One at a time: a batch may take another path through the kernels and differ in the last bit.
        for state in states:
            # Levelling filters in double precision, which not every device has.
            samples = sound(state[None]).cpu()
            if params.get("loop"):
                period, beyond = turned(samples, round(number(params, "duration") * rate)), rate // 4
                samples = mastered(around(beyond, loop=True)(period), rate, beyond)
            else:
                samples = mastered(resampled(samples, RATE, rate), rate)
            made.append(samples.clamp(-1, 1).contiguous().numpy())
    return [Artifact("audio", {"samples": samples}, {"sample_rate": rate}) for samples in made]


def composited(
    made: Artifact, init: Artifact | None, mask: Artifact | None, params: Mapping[str, object]
) -> Artifact:
    """A sound with the inputs' own samples where the mask is silent, and where ``extend`` gives the start.

    The inputs are brought to the rate and the channels of what was made; where they have these already, their
    samples stay the same bits. What was made is as loud as what is kept, and the whole is not levelled.
    """
    rate = int(made.attributes["sample_rate"])
    samples = made.arrays["samples"]
    if init is not None and mask is not None:
        marks = as_delivered(mask, samples.shape, rate)
        samples = keep_samples(samples, as_delivered(init, samples.shape, rate), sounding(marks, rate), rate)
    start = params.get("extend")
    if isinstance(start, Artifact):
        given = as_delivered(start, samples.shape, rate)
        count = -(-start.sizes["samples"] * rate // int(start.attributes["sample_rate"]))
        samples = keep_samples(samples, given, np.arange(samples.shape[1]) >= count, rate)
    return Artifact("audio", {"samples": samples}, {"sample_rate": rate})


def as_delivered(artifact: Artifact, shape: tuple[int, ...], rate: int) -> NDArray[np.float32]:
    """A sound at another rate, of so many channels and samples, (channels, L): cut or padded with silence."""
    channels, length = shape
    samples = torch.from_numpy(artifact.arrays["samples"])
    if len(samples) != channels:
        samples = downmixed(samples).expand(channels, -1)
    at_rate = resampled(samples, int(artifact.attributes["sample_rate"]), rate)
    found: NDArray[np.float32] = fitted(at_rate, length).clamp(-1, 1).contiguous().numpy()
    return found


def turned(period: Tensor, length: int) -> Tensor:
    """A period (channels, L) in as many samples as are wanted, (channels, length): by its Fourier series."""
    before = period.shape[1]
    # The partial at half a rate has no phase that could be kept.
    partials = torch.fft.rfft(period)[:, : (min(before, length) + 1) // 2]
    return torch.fft.irfft(partials, length) * (length / before)
