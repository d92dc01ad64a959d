"""The recipe behind ``gen train image --recipe emoji``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from gen.model import save_model
from gen.nn import PromptEncoder
from gen.train import LatentBank, Recipe, Settings, emoji, further, halves, trained
from gen_image.autoencoder import DOWNSAMPLING, Autoencoder
from gen_image.captions import PROMPTS
from gen_image.denoiser import Shape, WordSceneTransformer
from gen_image.model import WORDS_ARCHITECTURE
from gen_image.training import codec as codec_training
from gen_image.training import denoiser as denoiser_training
from gen_image.training.bank import build
from gen_image.training.start import Start


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        codec, denoiser, decoder: How the stages are optimised.
        codec_batch, batch: Pictures and scenes per step.
        shape: Sizes of the denoiser.
        scenes: Scenes of each kind in the bank.
    """

    codec: Settings
    codec_batch: int
    denoiser: Settings
    shape: Shape
    batch: int
    scenes: Mapping[str, int]
    decoder: Settings


CAPTIONS = 6
"""Of each scene in the bank; reading them takes most of the time of a build."""
FEW_CAPTIONS = 2
"""Of each scene where it is drawn only a few times."""
SMALL = Shape(vocabulary=0, width=320, depth=6, heads=5, hidden=1024)
"""Of the network that ships: with its codec it takes less than 24 MB."""

PRESETS = {
    "cpu": Preset(
        codec=Settings(steps=5000, rate=3e-3, matrix_rate=4e-3, warmup=50, decay=0.6, ema=0.998),
        codec_batch=16,
        denoiser=Settings(steps=20_000, rate=1.5e-3, matrix_rate=3.5e-3, warmup=60, decay=0.5, ema=0.998),
        shape=SMALL,
        batch=128,
        scenes={
            "background": 22_000,
            "position": 14_000,
            "pair": 48_000,
            "several": 22_000,
            "changed": 24_000,
            "groups": 30_000,
        },
        decoder=Settings(steps=3000, rate=1e-3, matrix_rate=2e-3, warmup=20, decay=0.8, ema=0.998),
    ),
    "gpu": Preset(
        codec=Settings(steps=40_000, rate=2e-3, matrix_rate=3e-3, warmup=200, decay=0.5, ema=0.999),
        codec_batch=64,
        denoiser=Settings(steps=60_000, rate=2e-3, matrix_rate=4e-3, warmup=200, decay=0.5, ema=0.9995),
        shape=SMALL,
        batch=1024,
        scenes={
            "background": 120_000,
            "position": 60_000,
            "pair": 300_000,
            "several": 60_000,
            "changed": 40_000,
            "groups": 150_000,
        },
        decoder=Settings(steps=20_000, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.6, ema=0.999),
    ),
}


SHIPPED = Path(__file__).parents[1] / "weights" / "emoji.safetensors"

FURTHER = further.Preset(
    denoiser=Settings(steps=8000, rate=8e-4, matrix_rate=2e-3, warmup=60, decay=0.6, ema=0.998),
    batch=96,
    items={
        "background": 14_000,
        "position": 9000,
        "pair": 36_000,
        "several": 16_000,
        "changed": 20_000,
        "groups": 40_000,
    },
)


def emoji_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """Emoji scenes: a latent codec, its decoder refined, and a text-to-image flow transformer on its latents.

    Args:
        preset: ``"cpu"`` (hours on two cores), ``"gpu"`` or ``"further"``: trains the shipped model on.
        folder: Of the run; the bank of latents is kept in it.
        report: Called with lines of progress.
    """
    if preset == "further":
        return _further(folder, report)
    sizes = PRESETS[preset]

    def bank(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors",
            lambda: build(codec, sizes.scenes, CAPTIONS, sizes.shape.length, folder / "bank", report),
        )

    def begin(modules: Mapping[str, nn.Module]) -> tuple[Autoencoder, WordSceneTransformer]:
        codec = modules["codec"]
        assert isinstance(codec, Autoencoder)
        return codec, WordSceneTransformer(sizes.shape)

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        _save(path, modules["decoder"], modules["denoiser"], folder, trained(CARD, preset, history))

    return Recipe(
        name="emoji",
        stages=(
            *codec_training.stages(sizes.codec, sizes.decoder, sizes.codec_batch),
            denoiser_training.stage(sizes.denoiser, sizes.batch, bank, begin),
        ),
        export=export,
    )


def _further(folder: Path, report: Callable[[str], None]) -> Recipe:
    """The recipe that trains the denoiser of the shipped model on."""
    start = Start(SHIPPED)

    def bank(codec: Autoencoder) -> LatentBank:
        return LatentBank.load_or_build(
            folder / "bank.safetensors",
            lambda: build(
                codec, FURTHER.items, FEW_CAPTIONS, start.shape.length, folder / "bank", report, start.scale
            ),
        )

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        card = {**trained(CARD, "further", history), "start": start.file.sha256}
        _save(path, start.codec(), modules["denoiser"], folder, card)

    denoiser = denoiser_training.stage(
        FURTHER.denoiser, FURTHER.batch, bank, lambda _: (start.codec(), start.denoiser())
    )
    return Recipe(name="emoji", stages=(denoiser,), export=export)


def _save(path: Path, codec: nn.Module, network: nn.Module, folder: Path, card: Mapping[str, object]) -> None:
    """Write the model file.

    Args:
        path: Of the file.
        codec, network: What was trained.
        folder: Of the run, with the bank.
        card: Of the model.
    """
    assert isinstance(network, WordSceneTransformer)
    kept = LatentBank.load(folder / "bank.safetensors")
    side = network.shape.grid * DOWNSAMPLING
    every = emoji.with_sequences(emoji.load()).emoji
    keywords: dict[str, dict[str, None]] = {}
    for one in every:
        keywords.setdefault(one.name, {}).update(dict.fromkeys(one.keywords))
    encoder = PromptEncoder(network.shape.length, tuple(keywords), kept.words)
    tensors = {**kept.scale, **halves({"codec": codec, "denoiser": network})}
    config = {
        "modality": "image",
        "architecture": WORDS_ARCHITECTURE,
        "params": {"width": side, "height": side},
        "defaults": {"solver": "default", "grid": "uniform", "steps": 12, "guidance": 2.0},
        "shape": dataclasses.asdict(network.shape),
        **encoder.entries,
        "prompts": PROMPTS,
        "keywords": {name: "|".join(words) for name, words in keywords.items() if words},
    }
    save_model(path, tensors, config, card)


CARD: Mapping[str, object] = {
    "summary": "Draws emoji-like pictures of everyday things, 128 x 128 pixels, from English text.",
    "data": "Noto Color Emoji bitmaps (Debian fonts-noto-color-emoji) with CLDR names and keywords "
    "(Debian unicode-cldr-core), composed procedurally with captions of names from a grammar; prompts become "
    "such captions by the table of gen.words.",
    "data_licence": "OFL-1.1 and Apache-2.0 (Noto), Unicode-DFS-2016 (CLDR)",
    "licence": "Apache-2.0",
    "held_out": "one in twenty of thing x background, thing x thing, thing x position and thing x colour; "
    "all words beside names",
}
