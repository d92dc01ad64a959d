"""How much codec and vocoder lose, on clips that training never saw, beside Griffin–Lim."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gen_audio.autoencoder import Autoencoder, decoder_noise
from gen_audio.mel import HOP, RATE, log_mel, log_spectral_distance
from gen_audio.training.data import clips, effects, music, speech
from gen_audio.vocoder import GriffinLim, Vocoder

COUNT = 16
FRAMES = 432


def measure(vocoder: Vocoder, codec: Autoencoder) -> Mapping[str, str]:
    """Log-spectral distances in dB to the sounds, and seconds for 5 s.

    Args:
        vocoder: From log-mels to samples.
        codec: Log-mels to latents and back.

    Raises:
        UsageError: The programs that render the clips are not installed.
    """
    rng, draws = random.Random("quality"), torch.Generator().manual_seed(0)
    sets = {
        "music": clips.render([music.draw(rng) for _ in range(COUNT)], FRAMES * HOP),
        "effects": clips.render([effects.draw(rng) for _ in range(COUNT)], FRAMES * HOP),
        "speech": speech.speak(COUNT, FRAMES * HOP / RATE, RATE, seed=10**6),
    }

    def coded(mel: Tensor) -> Tensor:
        noise = decoder_noise(len(mel), FRAMES // 16, draws)
        return vocoder.sound(codec.decode(codec.encode(mel), noise))

    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "vocoder": vocoder.sound,
        "Griffin–Lim": GriffinLim().sound,
        "codec and vocoder": coded,
    }
    result = {}
    with torch.no_grad():
        for way, make in ways.items():
            total = 0.0
            for kind, sounds in sets.items():
                target = torch.from_numpy(sounds)
                mel = log_mel(target)
                started = time.process_time()
                # One at a time, as sounds are delivered.
                made = torch.cat([make(one[None]) for one in mel])
                total += time.process_time() - started
                distance = float(log_spectral_distance(target, made).mean())
                result[f"{way}, {kind}"] = f"{distance:.2f} dB"
            result[f"{way}, processor time for 5 s"] = f"{total / (3 * COUNT):.3f} s"
    return result
