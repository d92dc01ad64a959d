"""Metrics of a voice, on sentences, words and seeds fixed beforehand that it was not trained on."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.evaluation import Share, Trial
from gen.model import EncodingCodec, Model, Task
from gen.plugin.cache import cache_folder
from gen_audio.artifacts import mono
from gen_audio.mel import HOP, RATE, SPREAD, log_mel
from gen_audio.resampling import resampled, resampled_as_in_training
from gen_audio.training.measures import Levels
from gen_audio.voice import phones
from gen_audio.voice.durations import seconds
from gen_audio.voice.model import SpeechEncoder
from gen_audio.voice.pronouncer import guess
from gen_audio.voice.reading import read, words_of
from gen_audio.voice.training.data import flite, lexicon, sentences, sphinx
from gen_audio.voice.training.measures import cepstra, distortion, edits

SEED = 20_250_000
SENTENCES, WORDS = 60, 2000
SILENCE = 50.0


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a voice against flite, its teacher.

    Args:
        trial: The voice. All prompts are 60 sentences, beside 2,000 words.

    Returns:
        Metric to its value as text, in groups.

    Raises:
        UsageError: flite or pocketsphinx is not installed.
    """
    encoder, report = trial.model.encoder, trial.report
    assert isinstance(encoder, SpeechEncoder)
    teacher, ear = flite.Flite(), sphinx.Ear(flite.RATE)
    count = min(trial.samples or SENTENCES, SENTENCES)
    texts = sentences.draw(count, SEED, held=True)
    levels = Levels()

    @cache
    def references() -> list[flite.Speech]:
        found = [teacher.say(text, encoder.voices[0]) for text in texts]
        report(f"{count} sentences spoken by flite")
        return found

    @cache
    def made() -> list[Tensor]:
        found = []
        for number, artifact in enumerate(trial.draw(texts, range(SEED, SEED + count))):
            found.append(mono(artifact))
            levels.add(artifact)
            if (number + 1) % 10 == 0:
                report(f"{number + 1} of {count} sentences spoken by {trial.model.name}")
        return found

    def heights() -> Mapping[str, str]:
        made()
        return levels.told()

    return trial.measure(
        {
            "pronunciation": lambda: _pronunciation(encoder, trial),
            "durations": lambda: _durations(encoder, references()),
            "mel-cepstral distortion": lambda: _distortions(trial.model, made(), references()),
            "word error rate": lambda: _recognised(ear, texts, made(), references()),
            "levels": heights,
        }
    )


def _pronunciation(encoder: SpeechEncoder, trial: Trial) -> Mapping[str, str]:
    entries = lexicon.load_or_build(cache_folder() / "voice-lexicon.json", trial.report)
    words = [word for word in entries if lexicon.held_out(word)]
    words = random.Random(SEED).sample(words, min(trial.samples or WORDS, WORDS, len(words)))
    guessed = guess(encoder.speaking.pronunciation.network, words)
    wrong = sum(edits(made, entries[word]) for word, made in zip(words, guessed, strict=True))
    plain = sum(
        edits([phone.rstrip("01") for phone in made], [phone.rstrip("01") for phone in entries[word]])
        for word, made in zip(words, guessed, strict=True)
    )
    total = sum(len(entries[word]) for word in words)
    right = sum(made == entries[word] for word, made in zip(words, guessed, strict=True))
    return {
        "held-out words right": str(Share(right, len(words))),
        "phone error rate": f"{wrong / total:.1%}",
        "phone error rate without stress": f"{plain / total:.1%}",
    }


def _durations(encoder: SpeechEncoder, references: Sequence[flite.Speech]) -> Mapping[str, str]:
    """Lengths of flite's own phones against those that are predicted for them."""
    errors: list[float] = []
    spreads: list[float] = []
    totals: list[float] = []
    for speech in references:
        true = np.diff(speech.ends, prepend=0.0)
        numbers = phones.ids(speech.phones)
        guessed = np.array(seconds(encoder.speaking.durations, numbers, list(speech.first), 0))
        errors += np.abs(guessed - true).tolist()
        spreads += np.abs(true - np.median(true)).tolist()
        totals.append(guessed.sum() / true.sum())
    return {
        "mean error of a phone": f"{1000 * np.mean(errors):.1f} ms",
        "the same, were all phones of one length": f"{1000 * np.mean(spreads):.1f} ms",
        "sentence against flite's": f"{np.mean(totals):.3f} ± {np.std(totals):.3f}",
    }


def _distortions(
    model: Model, made: Sequence[Tensor], references: Sequence[flite.Speech]
) -> Mapping[str, str]:
    """Distance from the teacher, beside what the vocoder alone loses and what another text has."""
    true = [_spoken(speech) for speech in references]
    vocoded = []
    assert isinstance(model.codec, EncodingCodec)
    for sound in true:
        task = Task(params={"duration": len(sound) / RATE})
        artifact = Artifact("audio", {"samples": sound[None].numpy()}, {"sample_rate": RATE})
        states = model.codec.encode([artifact], task)
        vocoded.append(mono(model.codec.decode(states, task)[0]))
    sides = [[_cepstra(sound) for sound in sounds] for sounds in (true, made, vocoded)]
    others = [*sides[0][1:], sides[0][0]]
    pairs = {"voice": sides[1], "teacher through the vocoder": sides[2], "teacher, another sentence": others}
    return {
        f"{name}, dB": f"{np.mean([distortion(a, b) for a, b in zip(sides[0], side, strict=True)]):.2f}"
        for name, side in pairs.items()
    }


def _recognised(
    ear: sphinx.Ear, texts: Sequence[str], made: Sequence[Tensor], references: Sequence[flite.Speech]
) -> Mapping[str, str]:
    """How many words pocketsphinx mishears of the voice, and of its teacher."""
    rates = {}
    for name, sounds in (
        ("voice", [resampled_as_in_training(sound, RATE, flite.RATE) for sound in made]),
        ("teacher", [torch.from_numpy(speech.samples).float() / 32768 for speech in references]),
    ):
        wrong = total = 0
        for text, sound in zip(texts, sounds, strict=True):
            words = list(words_of(read(text)))
            wrong += edits(words, ear.words((sound.clamp(-1, 1) * 32767).short().numpy()))
            total += len(words)
        rates[name] = f"{wrong / total:.1%}"
    return rates


def _spoken(speech: flite.Speech) -> Tensor:
    return resampled(torch.from_numpy(speech.samples).float() / 32768, flite.RATE, RATE)


def _cepstra(sound: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Cepstra of a sound, for which silence is whatever is ``SILENCE`` dB below the loudest band."""
    frames = math.ceil(len(sound) / HOP)
    padded = torch.nn.functional.pad(sound, (0, frames * HOP - len(sound)))
    level = padded.square().mean().sqrt() + 1e-9
    mel = log_mel(0.1 * padded[None] / level)[0]
    return cepstra(mel.clamp(min=float(mel.max()) - SILENCE / 20 * math.log(10) / SPREAD))
