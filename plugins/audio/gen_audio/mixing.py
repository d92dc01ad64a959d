"""A voice over a score: the score is turned down while somebody speaks, and the whole is levelled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen_audio.artifacts import downmixed, fitted
from gen_audio.loudness import BLOCK, loudness, mastered
from gen_audio.resampling import resampled

BEFORE = -18.0
"""LUFS to which voice and score are brought before they are added."""

SPEECH = 30.0
"""Decibels below the loudest tenth of a second down to which a voice counts as speaking."""

HOLD, RAMP = 0.35, 0.25
"""Seconds that the score stays down after a word, and that it takes to go down and up."""

END = 1.0
"""Seconds in which the score fades out at the end."""


def mixed(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A voice with a score under it, at -14 LUFS and with no true peak above -1 dBTP (ITU-R BS.1770-5).

    Both are brought to the same loudness first. While the voice speaks, the score is ``duck`` decibels lower.

    Args:
        artifact: The voice.
        params: ``score``: a sound, of which so much is used as the voice is long, silence after its end;
            ``duck`` in dB; ``level``: of the score, in dB beside the voice, before it is ducked.

    Returns:
        A sound as long as the voice, at the higher of both rates, stereo where one of them is.
    """
    score: Artifact = params["score"]
    rates = [int(item.attributes["sample_rate"]) for item in (artifact, score)]
    rate = max(rates)
    channels = 1 if {len(item.arrays["samples"]) for item in (artifact, score)} == {1} else 2
    voice, under = (
        resampled(_channelled(torch.from_numpy(item.arrays["samples"]), channels), own, rate)
        for item, own in zip((artifact, score), rates, strict=True)
    )
    under = fitted(under, voice.shape[1])
    voice, under = _levelled(voice, rate, 0.0), _levelled(under, rate, params["level"])
    gain = ducking(voice, rate, params["duck"])
    fade = min(len(gain), round(END * rate))
    gain[len(gain) - fade :] *= torch.linspace(1, 0, fade)
    total = voice + under * gain
    if total.shape[1] >= round(BLOCK * rate):
        total = mastered(total, rate)
    samples = np.ascontiguousarray(total.clamp(-1, 1).float().numpy())
    return Artifact("audio", {"samples": samples}, {"sample_rate": rate})


def ducking(voice: Tensor, rate: int, duck: float) -> Tensor:
    """The factor (L,) by which a score is turned down under a voice (channels, L), without a click.

    Args:
        voice: Any level; silence turns nothing down.
        rate: Samples per second.
        duck: In dB, while the voice speaks.
    """
    block = max(1, round(0.1 * rate))
    length = voice.shape[1]
    power = fitted(voice, -(-length // block) * block).square().mean(0).reshape(-1, block).mean(1)
    level = 10 * power.clamp(min=1e-12).log10()
    speaks = ((level > level.max() - SPEECH) & (level > -70)).float()
    # Down before the first sound of a word, and still between words.
    ahead, behind = math.ceil(RAMP / 0.1), math.ceil(HOLD / 0.1)
    around = functional.pad(speaks[None, None], (behind, ahead))
    held = functional.max_pool1d(around, ahead + behind + 1, 1)[0, 0]
    reach = max(1, round(RAMP * rate / 2))
    steps = held.repeat_interleave(block)[:length]
    padded = functional.pad(steps[None, None], (reach, reach), mode="replicate")
    smooth = functional.avg_pool1d(padded, 2 * reach + 1, 1)[0, 0]
    return torch.pow(10.0, -duck / 20 * smooth)


def _levelled(samples: Tensor, rate: int, above: float) -> Tensor:
    """Samples so many decibels above ``BEFORE``; silence, and what is shorter than a block, as it is."""
    if samples.shape[1] < round(BLOCK * rate):
        return samples
    measured = loudness(samples, rate)
    return samples if math.isinf(measured) else samples * 10 ** ((BEFORE + above - measured) / 20)


def _channelled(samples: Tensor, channels: int) -> Tensor:
    """Samples (any channels, L) with so many channels; more than two become one first."""
    if len(samples) == channels:
        return samples
    return downmixed(samples).expand(channels, -1)
