"""Spoken sentences for the vocoder, by the program flite."""

from __future__ import annotations

import random
import shutil
import subprocess

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from gen.atomic import temporary_folder
from gen.errors import UsageError
from gen_audio.resampling import resampled_as_in_training

VOICES = ("kal16", "slt", "awb", "rms")
SUBJECTS = [
    "the old fisherman",
    "my younger sister",
    "a curious zebra",
    "their teacher",
    "the quiet engineer",
    "every child",
    "a thousand birds",
    "the judge",
    "our neighbour",
    "one yellow taxi",
    "the choir",
    "his grandfather",
    "a vague rumour",
]
VERBS = [
    "watched",
    "bought",
    "painted",
    "forgot",
    "described",
    "measured",
    "enjoyed",
    "chased",
    "wrote about",
    "joked with",
    "thanked",
    "shook",
    "crossed",
    "sang for",
    "jumped over",
]
OBJECTS = [
    "the frozen river",
    "a bright orange balloon",
    "these wooden chairs",
    "the measure of treasure",
    "a foggy beach",
    "two huge potatoes",
    "the moon",
    "a joyful noise",
    "her warm gloves",
    "the king of spades",
    "fresh bread and cheese",
    "an empty house",
    "the usual question",
]
ENDINGS = [
    "last Thursday",
    "in the early morning",
    "for no reason",
    "with great pleasure",
    "under the bridge",
    "as though nothing had happened",
    "near the church",
    "until it rained",
    "at a quarter past five",
    "without a sound",
]


def sentence(rng: random.Random) -> str:
    """A sentence; together they hold all sounds of English."""
    parts = (rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS), rng.choice(ENDINGS))
    return " ".join(parts) + "."


def speak(count: int, seconds: float, rate: int, seed: int = 0) -> NDArray[np.float32]:
    """Three sentences each by one of the voices, (count, samples) in [-1, 1], cut or padded with silence.

    Raises:
        UsageError: The program is not installed.
    """
    if shutil.which("flite") is None:
        raise UsageError("training on speech needs the program flite", "apt-get install flite")
    rng = random.Random(seed)
    result = np.zeros((count, round(seconds * rate)), np.float32)
    with temporary_folder() as folder:
        path = folder / "said.wav"
        for index, row in enumerate(result):
            text = f"{sentence(rng)} {sentence(rng)} {sentence(rng)}"
            voice = VOICES[index % len(VOICES)]
            subprocess.run(
                ["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, capture_output=True
            )
            samples, own = soundfile.read(path, dtype="float32")
            there = resampled_as_in_training(torch.from_numpy(samples), own, rate).numpy()[: len(row)]
            row[: len(there)] = there
    return result
