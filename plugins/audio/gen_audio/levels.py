"""``gen x loudness``: how loud a sound is, as delivery standards ask for it."""

from __future__ import annotations

import math

import torch

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_audio.loudness import BLOCK, loudness, true_peak


def measured(sound: Artifact, target: float) -> dict[str, float | None]:
    """Loudness and true peak of a sound (ITU-R BS.1770-5), and the gain that brings it to a target.

    Args:
        sound: Mono or stereo, of at least ``BLOCK`` seconds.
        target: Integrated loudness to reach, in LUFS.

    Returns:
        ``duration`` in s, ``loudness`` in LUFS, ``true_peak`` in dBTP, ``gain`` in dB and ``peak_after_gain``
        in dBTP. Of silence all but the duration are None.

    Raises:
        UsageError: It is shorter, or has more channels.
    """
    samples, rate = torch.from_numpy(sound.arrays["samples"]), int(sound.attributes["sample_rate"])
    channels, length = samples.shape
    if channels > 2:
        raise UsageError(f"the sound has {channels} channels", "loudness is measured of mono and stereo")
    if length < round(BLOCK * rate):
        raise UsageError(f"the sound is shorter than {BLOCK:g} s", "loudness is measured in blocks of that")
    level, peak = loudness(samples, rate), true_peak(samples, rate)
    silent = math.isinf(level)
    return {
        "duration": round(length / rate, 3),
        "loudness": None if silent else round(level, 2),
        "true_peak": None if silent else round(peak, 2),
        "gain": None if silent else round(target - level, 2),
        "peak_after_gain": None if silent else round(peak + target - level, 2),
    }
