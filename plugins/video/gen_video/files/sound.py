"""Sound of any number of channels as mono or stereo, which is what clips hold."""

from __future__ import annotations

import av
import numpy as np
from av.audio.resampler import AudioResampler

from gen.errors import UsageError

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""How channels stand in WAV and FLAC files by their number (RFC 9639, section 9.1.3), as FFmpeg names it."""


def check_channels(count: int) -> None:
    """Refuse a number of channels of which nobody knows where they stand.

    Raises:
        UsageError: More than eight.
    """
    if count not in LAYOUTS:
        raise UsageError(f"sound of {count} channels cannot go with a clip: give it at most {max(LAYOUTS)}")


def at_most_stereo(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples (1 to 8 channels, L) as they are, or of more than two channels a stereo downmix (2, L).

    The downmix is that of FFmpeg, which a clip's own sound gets too, by the coefficients of ITU-R BS.775:
    the centre and the surrounds are added at -3 dB, low frequencies left out. A mix that exceeds full scale
    is made quieter as a whole.
    """
    if len(samples) <= 2:
        return samples
    interleaved = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(interleaved, "flt", LAYOUTS[len(samples)])
    frame.sample_rate = rate
    resampler = AudioResampler(format="fltp", layout="stereo", rate=rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    mixed = np.concatenate([part.to_ndarray() for part in parts], axis=1)
    return np.ascontiguousarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)
