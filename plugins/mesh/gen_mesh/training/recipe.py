"""The recipe behind ``gen train mesh --recipe shapes``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from gen.model import save_model
from gen.nn import PromptEncoder
from gen.train import LatentBank, Recipe, Settings, further, halves, trained
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.denoiser import Shape, WordShapeTransformer
from gen_mesh.model import WORDS_ARCHITECTURE
from gen_mesh.training import codec as codec_training
from gen_mesh.training import denoiser as denoiser_training
from gen_mesh.training.bank import build
from gen_mesh.training.data.builder import FAMILIES
from gen_mesh.training.start import Start


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        codec, denoiser, decoder: How the stages are optimised.
        codec_batch, batch: Shapes per step.
        shapes: In the bank.
    """

    codec: Settings
    codec_batch: int
    denoiser: Settings
    batch: int
    shapes: int
    decoder: Settings


PRESETS = {
    "cpu": Preset(
        codec=Settings(steps=1500, rate=3e-3, matrix_rate=4e-3, warmup=40, decay=0.6, ema=0.998),
        codec_batch=8,
        denoiser=Settings(steps=6800, rate=1.5e-3, matrix_rate=3.5e-3, warmup=60, decay=0.5, ema=0.998),
        batch=128,
        shapes=40_000,
        decoder=Settings(steps=3500, rate=1e-3, matrix_rate=2e-3, warmup=20, decay=0.8, ema=0.998),
    ),
    "gpu": Preset(
        codec=Settings(steps=30_000, rate=2e-3, matrix_rate=3e-3, warmup=200, decay=0.5, ema=0.999),
        codec_batch=32,
        denoiser=Settings(steps=60_000, rate=2e-3, matrix_rate=4e-3, warmup=200, decay=0.5, ema=0.9995),
        batch=1024,
        shapes=600_000,
        decoder=Settings(steps=10_000, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.6, ema=0.999),
    ),
}

SAMPLED: Mapping[str, object] = {
    "defaults": {"solver": "default", "grid": "uniform", "steps": 16, "guidance": 3.0},
}
"""How the model is sampled."""

SHIPPED = Path(__file__).parents[1] / "weights" / "shapes.safetensors"

FURTHER = further.Preset(
    denoiser=Settings(steps=2000, rate=8e-4, matrix_rate=1.8e-3, warmup=30, decay=0.8, ema=0.99),
    batch=128,
    items=40_000,
)
SHARE = 0.75
"""How far the weights go from those that shipped to those of the training: with all of it, more thin walls
have holes."""


def shapes_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """Coloured shapes: a latent codec, a text-to-shape flow transformer, and the decoder refined.

    Args:
        preset: ``"cpu"`` (an hour or two on one core), ``"gpu"`` or ``"further"``: trains the shipped
            model on.
        folder: Of the run; the bank of latents is kept in it.
        report: Called with lines of progress.
    """
    if preset == "further":
        return _further(folder, report)
    sizes = PRESETS[preset]

    def bank(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors", lambda: build(codec, sizes.shapes, Shape.length, report)
        )

    def begin(modules: Mapping[str, nn.Module]) -> tuple[Autoencoder, WordShapeTransformer]:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        return codec, WordShapeTransformer(Shape(vocabulary=0))

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        network = modules["denoiser"]
        assert isinstance(network, WordShapeTransformer)
        kept = LatentBank.load(folder / "bank.safetensors")
        names = tuple(name for family in FAMILIES.values() for name in family.names)
        encoder = PromptEncoder(network.shape.length, names, kept.words)
        tensors = {**kept.scale, **halves({"codec": modules["decoder"], "denoiser": network})}
        config = {
            "modality": "mesh",
            "architecture": WORDS_ARCHITECTURE,
            "params": {},
            **SAMPLED,
            "shape": dataclasses.asdict(network.shape),
            **encoder.entries,
        }
        save_model(path, tensors, config, trained(CARD, preset, history))

    codec, decoder = codec_training.stages(sizes.codec, sizes.decoder, sizes.codec_batch)
    return Recipe(
        name="shapes",
        stages=(
            codec,
            denoiser_training.stage(sizes.denoiser, sizes.batch, bank, begin),
            decoder,
        ),
        export=export,
    )


def _further(folder: Path, report: Callable[[str], None]) -> Recipe:
    """The recipe that trains the denoiser of the shipped model on."""
    start = Start(SHIPPED)

    def bank(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors",
            lambda: build(codec, FURTHER.items, start.shape.length, report, start.scale),
        )

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        denoiser = further.between(start.denoiser(), modules["denoiser"], SHARE)
        start.save(path, denoiser, SAMPLED, CARD, history)

    denoiser = denoiser_training.stage(
        FURTHER.denoiser, FURTHER.batch, bank, lambda _: (start.codec(), start.denoiser())
    )
    return Recipe(name="shapes", stages=(denoiser,), export=export)


CARD: Mapping[str, object] = {
    "summary": f"Makes coloured shapes of {len(FAMILIES)} kinds of everyday things from English text.",
    "data": f"{len(FAMILIES)} parametric families of coloured signed distances, written for this model, with "
    "captions from a grammar; words are read by the table of gen.words.",
    "data_licence": "Apache-2.0",
    "licence": "Apache-2.0",
    "held_out": "one in twelve of family x colour and of family x size or proportion",
}
