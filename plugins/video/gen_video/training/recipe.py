"""The recipe behind ``gen train video --recipe motion``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from gen.model import save_model
from gen.nn import PromptEncoder
from gen.train import LatentBank, Recipe, Settings, further, halves, trained
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import Shape, WordClipTransformer
from gen_video.model import WORDS_ARCHITECTURE
from gen_video.training import bank
from gen_video.training import codec as codec_training
from gen_video.training import denoiser as denoiser_training
from gen_video.training import matte as matte_training
from gen_video.training.data import things
from gen_video.training.start import Start


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        codec, decoder, matte, denoiser: How the stages are optimised.
        picture_batch, batch: Pictures and clips per step.
        clips: Clips in the bank; 16 kB each.
    """

    codec: Settings
    decoder: Settings
    matte: Settings
    picture_batch: int
    denoiser: Settings
    batch: int
    clips: int


PRESETS = {
    "cpu": Preset(
        codec=Settings(steps=1500, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.8, ema=0.995),
        decoder=Settings(steps=800, rate=1e-3, matrix_rate=2e-3, warmup=20, decay=0.8, ema=0.995),
        matte=Settings(steps=3000, rate=2e-3, matrix_rate=2e-3, warmup=30, decay=0.6, ema=0.99),
        picture_batch=16,
        denoiser=Settings(steps=5000, rate=1.5e-3, matrix_rate=3.5e-3, warmup=60, decay=0.5, ema=0.997),
        batch=96,
        clips=60_000,
    ),
    "gpu": Preset(
        codec=Settings(steps=40_000, rate=2e-3, matrix_rate=3e-3, warmup=200, decay=0.5, ema=0.999),
        decoder=Settings(steps=20_000, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.6, ema=0.999),
        matte=Settings(steps=20_000, rate=1e-3, matrix_rate=2e-3, warmup=100, decay=0.6, ema=0.999),
        picture_batch=64,
        denoiser=Settings(steps=60_000, rate=2e-3, matrix_rate=4e-3, warmup=200, decay=0.5, ema=0.9995),
        batch=768,
        clips=500_000,
    ),
}

SAMPLED: Mapping[str, object] = {
    "defaults": {"solver": "default", "grid": "uniform", "steps": 16, "guidance": 1.5},
}
"""How the model is sampled."""

SHIPPED = Path(__file__).parents[1] / "weights" / "motion.safetensors"

FURTHER = further.Preset(
    denoiser=Settings(steps=3600, rate=8e-4, matrix_rate=1.8e-3, warmup=30, decay=0.8, ema=0.99),
    batch=96,
    items=40_000,
)

CARD: Mapping[str, object] = {
    "summary": "Makes clips of emoji-like things that move, from English text and given frames: pictures of "
    "at most two things and of a background, 128 x 128 pixels, and their poses in 16 frames.",
    "data": "Noto Color Emoji bitmaps (Debian fonts-noto-color-emoji) with CLDR names (Debian "
    "unicode-cldr-core), moved procedurally over backgrounds, with captions from a grammar; words are read "
    "by the table of gen.words. The codec began as that of the model emoji.",
    "data_licence": "OFL-1.1 and Apache-2.0 (Noto), Unicode-DFS-2016 (CLDR)",
    "licence": "Apache-2.0",
    "held_out": "one in twenty of thing x motion",
}


def motion_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """Moving emoji: a latent codec of layers, a text-to-clip flow transformer, the decoder refined, a matte.

    Args:
        preset: ``"cpu"`` (an hour and a half on two cores), ``"gpu"`` or ``"further"``: trains the shipped
            model on.
        folder: Of the run; the bank of latents is kept in it.
        report: Called with lines of progress.
    """
    if preset == "further":
        return _further(folder, report)
    sizes = PRESETS[preset]

    def kept(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: bank.build(codec, sizes.clips, Shape.length, report)
        )

    def begin(modules: Mapping[str, nn.Module]) -> tuple[Autoencoder, WordClipTransformer]:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        return codec, WordClipTransformer(Shape(vocabulary=0))

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        network = modules["denoiser"]
        assert isinstance(network, WordClipTransformer)
        names = tuple(names[-1] for names in things.load().names)
        found = LatentBank.load(folder / "bank.safetensors")
        encoder = PromptEncoder(network.shape.length, names, found.words)
        tensors = {
            **found.scale,
            **halves({"codec": modules["decoder"], "matte": modules["matte"], "denoiser": network}),
        }
        config = {
            "modality": "video",
            "architecture": WORDS_ARCHITECTURE,
            **SAMPLED,
            "shape": dataclasses.asdict(network.shape),
            **encoder.entries,
        }
        save_model(path, tensors, config, trained(CARD, preset, history))

    codec, decoder = codec_training.stages(sizes.codec, sizes.decoder, sizes.picture_batch)
    denoiser = denoiser_training.stage(sizes.denoiser, sizes.batch, kept, begin)
    matte = matte_training.stage(sizes.matte, sizes.picture_batch)
    return Recipe(
        name="motion",
        # The decoder comes last, as the denoiser needs the encoder alone.
        stages=(codec, denoiser, decoder, matte),
        export=export,
    )


def _further(folder: Path, report: Callable[[str], None]) -> Recipe:
    """The recipe that trains the denoiser of the shipped model on."""
    start = Start(SHIPPED)

    def kept(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors",
            lambda: bank.build(codec, FURTHER.items, start.shape.length, report, start),
        )

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        start.save(path, modules["denoiser"], SAMPLED, CARD, history)

    denoiser = denoiser_training.stage(
        FURTHER.denoiser, FURTHER.batch, kept, lambda _: (start.codec(), start.denoiser())
    )
    return Recipe(name="motion", stages=(denoiser,), export=export)
