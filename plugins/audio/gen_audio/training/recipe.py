"""The recipe behind ``gen train audio --recipe sounds``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from gen.model import save_model
from gen.nn import TextEncoder
from gen.train import LatentBank, Recipe, Settings, further, halves, trained
from gen_audio import composition, score
from gen_audio.autoencoder import Autoencoder
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.model import ARCHITECTURE
from gen_audio.training import bank, quality
from gen_audio.training import codec as codec_training
from gen_audio.training import denoiser as denoiser_training
from gen_audio.training import vocoder as vocoder_training
from gen_audio.training.data import effects
from gen_audio.training.data.shelf import Shelf
from gen_audio.training.start import Start
from gen_audio.vocoder import Vocoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        vocoder, codec, denoiser, decoder: How the stages are optimised.
        vocoder_batch, codec_batch, batch: Pieces and clips per step.
        clips: Clips on the shelf, by kind.
    """

    vocoder: Settings
    vocoder_batch: int
    codec: Settings
    codec_batch: int
    denoiser: Settings
    batch: int
    decoder: Settings
    clips: Mapping[str, int]


PRESETS = {
    "cpu": Preset(
        vocoder=Settings(steps=4000, rate=1.5e-3, matrix_rate=3e-3, warmup=50, decay=0.6, ema=0.998),
        vocoder_batch=12,
        codec=Settings(steps=2000, rate=2e-3, matrix_rate=4e-3, warmup=50, decay=0.6, ema=0.995),
        codec_batch=24,
        denoiser=Settings(steps=5000, rate=1.5e-3, matrix_rate=3.5e-3, warmup=60, decay=0.5, ema=0.998),
        batch=96,
        decoder=Settings(steps=3000, rate=1.5e-3, matrix_rate=3e-3, warmup=50, decay=0.7, ema=0.998),
        clips={"music": 3200, "notes": 3200, "effects": 2400, "speech": 160},
    ),
    "gpu": Preset(
        vocoder=Settings(steps=60_000, rate=1e-3, matrix_rate=2e-3, warmup=200, decay=0.6, ema=0.999),
        vocoder_batch=48,
        codec=Settings(steps=30_000, rate=2e-3, matrix_rate=3e-3, warmup=200, decay=0.6, ema=0.999),
        codec_batch=96,
        denoiser=Settings(steps=80_000, rate=2e-3, matrix_rate=4e-3, warmup=200, decay=0.5, ema=0.9995),
        batch=1024,
        decoder=Settings(steps=20_000, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.7, ema=0.999),
        clips={"music": 24_000, "notes": 24_000, "effects": 16_000, "speech": 2000},
    ),
}

SAMPLED: Mapping[str, object] = {
    "params": {"duration": None},
    "defaults": {"solver": "default", "grid": "uniform", "steps": 16, "guidance": 3.0},
}
"""How the model is sampled; notes of a prompt decide the duration."""

SHIPPED = Path(__file__).parents[1] / "weights" / "sounds.safetensors"

FURTHER = further.Preset(
    denoiser=Settings(steps=3000, rate=1e-3, matrix_rate=2e-3, warmup=60, decay=0.6, ema=0.998),
    batch=96,
    items={"music": 4800, "notes": 6400, "effects": 2400},
)

CARD: Mapping[str, object] = {
    "summary": "Makes music and sound effects, 22,050 samples per second, from English text and notes.",
    "data": "Music rendered from a grammar of tunes and from random notes with the sound font FluidR3 GM "
    "(Debian fluid-soundfont-gm) by fluidsynth; sound effects synthesised by code of this project; for the "
    "vocoder also sentences spoken by flite's voices kal16, slt, awb and rms.",
    "data_licence": "MIT (FluidR3 GM), flite's BSD-like licence",
    "licence": "Apache-2.0",
    "held_out": "one in fourteen of instrument x figure (random notes are of every instrument), one in "
    "twelve of effect x variation",
}


def sounds_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """Sounds: a vocoder, a latent codec of log-mels, a text-to-sound flow transformer, the decoder refined.

    Args:
        preset: ``"cpu"`` (two and a half hours), ``"gpu"`` or ``"further"``: trains the shipped model on.
        folder: Of the run; the rendered clips and the bank of latents are kept in it.
        report: Called with lines of progress.
    """
    if preset == "further":
        return _further(folder, report)
    sizes = PRESETS[preset]
    shelf = Shelf(folder / "shelf", dict(sizes.clips), report)

    def kept(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: bank.build(codec, shelf, Shape.length, report)
        )

    def begin(modules: Mapping[str, nn.Module]) -> tuple[Autoencoder, SoundTransformer]:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        vocabulary = len(kept(codec).vocabulary)
        shape = Shape(vocabulary=vocabulary, channels=codec.shape.channels, score=score.SIZE)
        return codec, SoundTransformer(shape)

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        vocoder, codec, network = modules["vocoder"], modules["decoder"], modules["denoiser"]
        assert isinstance(vocoder, Vocoder)
        assert isinstance(codec, Autoencoder)
        assert isinstance(network, SoundTransformer)
        found = LatentBank.load(folder / "bank.safetensors")
        encoder = TextEncoder(
            found.subwords,
            network.shape.length,
            (*composition.RANGES, *effects.EFFECTS),
            frozenset(bank.words()),
        )
        tensors = {**found.scale, **halves({"vocoder": vocoder, "codec": codec, "denoiser": network})}
        config = {
            "modality": "audio",
            "architecture": ARCHITECTURE,
            **SAMPLED,
            "shape": dataclasses.asdict(network.shape),
            "codec": dataclasses.asdict(codec.shape),
            "vocoder": dataclasses.asdict(vocoder.shape),
            **encoder.entries,
        }
        report("measuring codec and vocoder beside Griffin–Lim")
        lost = dict(quality.measure(vocoder, codec))
        save_model(path, tensors, config, {**trained(CARD, preset, history), "quality": lost})

    codec, decoder = codec_training.stages(sizes.codec, sizes.decoder, sizes.codec_batch, shelf)
    return Recipe(
        name="sounds",
        stages=(
            vocoder_training.stage(sizes.vocoder, sizes.vocoder_batch, shelf),
            codec,
            denoiser_training.stage(sizes.denoiser, sizes.batch, shelf, kept, begin),
            decoder,
        ),
        export=export,
    )


def _further(folder: Path, report: Callable[[str], None]) -> Recipe:
    """The recipe that trains the denoiser of the shipped model on."""
    start = Start(SHIPPED)
    shelf = Shelf(folder / "shelf", dict(FURTHER.items), report)

    def kept(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors",
            lambda: bank.build(codec, shelf, start.shape.length, report, start),
        )

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        config = {**SAMPLED, "shape": dataclasses.asdict(start.shape)}
        card = {**CARD, "quality": start.file.card.get("quality", {})}
        start.save(path, modules["denoiser"], config, card, history)

    denoiser = denoiser_training.stage(
        FURTHER.denoiser, FURTHER.batch, shelf, kept, lambda _: (start.codec(), start.denoiser())
    )
    return Recipe(name="sounds", stages=(denoiser,), export=export)
