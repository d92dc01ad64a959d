"""A bank of speech: log-mel frames with the phone that each belongs to, rendered once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gen.atomic import atomic_file
from gen_audio.mel import HOP, RATE, log_mel
from gen_audio.resampling import resampled_as_in_training
from gen_audio.voice import phones
from gen_audio.voice.alignment import aligned
from gen_audio.voice.training.data import flite, sentences

VOICES = tuple(flite.VOICES)


@dataclass(frozen=True, eq=False)
class Bank:
    """Sentences of every voice, one after another.

    Args:
        mel: (80, F) float16, standardised per band.
        aligned: (4, F) float16: what the network is told of each frame, see ``alignment.aligned``.
        mean, std: (80,) float32: what the bands were standardised by.
        ids, first, seconds: (P,): every phone, whether it begins a word, and how long it is.
        starts: (S, 2) int64: the first frame and the first phone of each sentence.
        voices: (S,) int64: who says it, the place in ``VOICES``; each voice's sentences stand together.
    """

    mel: Tensor
    aligned: Tensor
    mean: Tensor
    std: Tensor
    ids: Tensor
    first: Tensor
    seconds: Tensor
    starts: Tensor
    voices: Tensor


def load_or_build(path: Path, hours: float, report: Callable[[str], None]) -> Bank:
    """Read the bank at ``path``, or have flite speak, and write it.

    Args:
        path: A ``.safetensors`` file.
        hours: Of speech, shared alike by the voices.
        report: Called with lines of progress.
    """
    if not path.exists():
        _build(path, hours, report)
    return load(path)


def load(path: Path) -> Bank:
    """Read the bank at ``path``."""
    with safe_open(path, "pt") as file:
        return Bank(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def mel_of(speech: flite.Speech) -> Tensor:
    """Standardised log-mel (80, F) of what was said; the end is filled with silence to a whole frame."""
    samples = torch.from_numpy(speech.samples).float()[None] / 32768
    samples = resampled_as_in_training(samples, flite.RATE, RATE)
    return log_mel(torch.nn.functional.pad(samples, (0, -samples.shape[1] % HOP)))[0]


def _build(path: Path, hours: float, report: Callable[[str], None]) -> None:
    teacher = flite.Flite()
    each = int(hours * 3600 * RATE / HOP / len(VOICES))
    drawn = iter(sentences.draw(int(hours * 1500) + 100, seed=1))
    mels: list[Tensor] = []
    told: list[Tensor] = []
    ids: list[int] = []
    first: list[bool] = []
    seconds: list[float] = []
    starts: list[tuple[int, int]] = []
    voices: list[int] = []
    frames = 0
    for voice, name in enumerate(VOICES):
        while frames < each * (voice + 1):
            speech = teacher.say(next(drawn), name)
            mel = mel_of(speech)
            lengths = np.diff(speech.ends, prepend=0.0)
            starts.append((frames, len(ids)))
            told.append(aligned(phones.ids(speech.phones), speech.first, lengths.tolist(), mel.shape[1]))
            mels.append(mel)
            ids += phones.ids(speech.phones)
            first += speech.first
            seconds += lengths.tolist()
            voices.append(voice)
            frames += mel.shape[1]
            if len(starts) % 200 == 0:
                report(f"bank: {frames * HOP / RATE / 60:.0f} of {hours * 60:.0f} minutes spoken")
    mel = torch.cat(mels, 1)
    # Above 8 kHz flite is silent: bands that hardly vary are not blown up.
    mean, std = mel.mean(1), mel.std(1).clamp(min=0.2)
    tensors = {
        "mel": ((mel - mean[:, None]) / std[:, None]).half(),
        "aligned": torch.cat(told, 1).half(),
        "mean": mean,
        "std": std,
        "ids": torch.tensor(ids),
        "first": torch.tensor(first),
        "seconds": torch.tensor(seconds),
        "starts": torch.tensor(starts),
        "voices": torch.tensor(voices),
    }
    with atomic_file(path, overwrite=True) as file:
        file.write(save(tensors))
