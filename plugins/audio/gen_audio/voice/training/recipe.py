"""The recipe behind ``gen train audio --recipe voice``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from gen.model import save_model
from gen.train import Recipe, Settings, halves, trained
from gen_audio.training import recipe as sounds
from gen_audio.training import vocoder as vocoder_training
from gen_audio.training.data.shelf import Shelf
from gen_audio.vocoder import Vocoder
from gen_audio.voice.denoiser import SpeechTransformer
from gen_audio.voice.durations import Durations
from gen_audio.voice.model import ARCHITECTURE
from gen_audio.voice.pronouncer import Pronouncer, packed
from gen_audio.voice.training import bank
from gen_audio.voice.training import denoiser as denoiser_training
from gen_audio.voice.training import durations as durations_training
from gen_audio.voice.training import pronouncer as pronouncer_training
from gen_audio.voice.training.data import lexicon


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        pronouncer, durations, denoiser: How the stages are optimised.
        words, sentences, batch: Words, sentences and windows per step.
        hours: Of speech in the bank.
    """

    pronouncer: Settings
    words: int
    durations: Settings
    sentences: int
    denoiser: Settings
    batch: int
    hours: float


PRESETS = {
    "cpu": Preset(
        pronouncer=Settings(steps=2500, rate=3e-3, matrix_rate=5e-3, warmup=50, decay=0.6, ema=0.995),
        words=256,
        durations=Settings(steps=800, rate=2e-3, matrix_rate=3e-3, warmup=50, decay=0.6, ema=0.99),
        sentences=24,
        denoiser=Settings(steps=2600, rate=1.5e-3, matrix_rate=3.5e-3, warmup=60, decay=0.5, ema=0.998),
        batch=16,
        hours=2.5,
    ),
    "gpu": Preset(
        pronouncer=Settings(steps=40_000, rate=2e-3, matrix_rate=3e-3, warmup=200, decay=0.6, ema=0.999),
        words=1024,
        durations=Settings(steps=8000, rate=1e-3, matrix_rate=2e-3, warmup=100, decay=0.6, ema=0.999),
        sentences=96,
        denoiser=Settings(steps=80_000, rate=1.5e-3, matrix_rate=3e-3, warmup=200, decay=0.5, ema=0.9995),
        batch=128,
        hours=12.0,
    ),
}

CARD: Mapping[str, object] = {
    "summary": "Speaks English text with a female or a male voice, 22,050 samples per second.",
    "data": "Sentences of a grammar with words of Unicode's CLDR, of the documentation in Python's standard "
    "library and of the first chapters of Alice's Adventures in Wonderland, spoken by flite's voices slt and "
    "rms; the pronunciations that flite gives to the words of CMUdict.",
    "data_licence": "flite's BSD-like licence, BSD-2-Clause (CMUdict), Unicode-DFS-2016 (CLDR), PSF-2.0 "
    "(Python), public domain (Alice)",
    "licence": "Apache-2.0",
    "held_out": "one sentence in twenty, one word in twenty",
}


def voice_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """The voice: how words are pronounced, how long phones are held, speech from phones, and a vocoder.

    Args:
        preset: ``"cpu"`` (an hour and a half) or ``"gpu"``.
        folder: Of the run; lexicon and bank are kept in it. The vocoder is that of the recipe ``sounds``: one
            that was trained there is used when its ``vocoder.safetensors`` and ``shelf`` are put here.
        report: Called with lines of progress.
    """
    sizes = PRESETS[preset]
    vocoding = sounds.PRESETS[preset]

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        pronouncer, durations = modules["pronouncer"], modules["durations"]
        network, vocoder = modules["denoiser"], modules["vocoder"]
        assert isinstance(pronouncer, Pronouncer)
        assert isinstance(durations, Durations)
        assert isinstance(network, SpeechTransformer)
        assert isinstance(vocoder, Vocoder)
        kept = bank.load(folder / "bank.safetensors")
        words = lexicon.load_or_build(folder / "lexicon.json", report)
        # What errs is asked of the weights that are stored.
        pronouncer.half().float()
        exceptions = pronouncer_training.exceptions(pronouncer, words)
        report(f"export: {len(exceptions)} of {len(words)} words are exceptions")
        scale = {"latents.mean": kept.mean, "latents.std": kept.std}
        tensors = {**scale, "exceptions": packed(exceptions), **halves(modules)}
        config = {
            "modality": "audio",
            "architecture": ARCHITECTURE,
            # The text decides it.
            "params": {"duration": None},
            "defaults": {
                "solver": denoiser_training.SOLVER,
                "grid": denoiser_training.GRID,
                "steps": denoiser_training.STEPS,
                "guidance": 1.0,
            },
            "voices": list(bank.VOICES),
            "pronouncer": dataclasses.asdict(pronouncer.shape),
            "durations": dataclasses.asdict(durations.shape),
            "denoiser": dataclasses.asdict(network.shape),
            "vocoder": dataclasses.asdict(vocoder.shape),
        }
        save_model(path, tensors, config, trained(CARD, preset, history))

    return Recipe(
        name="voice",
        stages=(
            pronouncer_training.stage(sizes.pronouncer, sizes.words, folder, report),
            durations_training.stage(sizes.durations, sizes.sentences, sizes.hours, folder, report),
            denoiser_training.stage(sizes.denoiser, sizes.batch, sizes.hours, folder, report),
            vocoder_training.stage(
                vocoding.vocoder,
                vocoding.vocoder_batch,
                Shelf(folder / "shelf", dict(vocoding.clips), report),
            ),
        ),
        export=export,
    )
