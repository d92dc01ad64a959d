"""The recipe behind ``gen train video --recipe motion``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from gen.model import save_model
from gen.nn import TextEncoder
from gen.train import LatentBank, Recipe, Settings, halves, trained
from gen_video import bank, codec_training, denoiser_training
from gen_video.data import things
from gen_video.denoiser import ClipTransformer
from gen_video.model import ARCHITECTURE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        codec, decoder, denoiser: How the stages are optimised.
        codec_batch, batch: Frames and clips per step.
        clips: Clips in the bank; 64 kB each.
    """

    codec: Settings
    decoder: Settings
    codec_batch: int
    denoiser: Settings
    batch: int
    clips: int


PRESETS = {
    "cpu": Preset(
        codec=Settings(steps=2000, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.8, ema=0.998),
        decoder=Settings(steps=3000, rate=1e-3, matrix_rate=2e-3, warmup=20, decay=0.8, ema=0.995),
        codec_batch=16,
        denoiser=Settings(steps=5000, rate=1.5e-3, matrix_rate=3.5e-3, warmup=60, decay=0.5, ema=0.997),
        batch=96,
        clips=12_000,
    ),
    "gpu": Preset(
        codec=Settings(steps=40_000, rate=2e-3, matrix_rate=3e-3, warmup=200, decay=0.5, ema=0.999),
        decoder=Settings(steps=20_000, rate=1e-3, matrix_rate=2e-3, warmup=50, decay=0.6, ema=0.999),
        codec_batch=64,
        denoiser=Settings(steps=60_000, rate=2e-3, matrix_rate=4e-3, warmup=200, decay=0.5, ema=0.9995),
        batch=768,
        clips=100_000,
    ),
}


def motion_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """Moving emoji: a latent codec of frames, its decoder refined, and a text-to-video flow transformer.

    Args:
        preset: ``"cpu"`` (a good hour on one core) or ``"gpu"``.
        folder: Of the run; the bank of latents is kept in it.
        report: Called with lines of progress.
    """
    sizes = PRESETS[preset]

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        network = modules["denoiser"]
        assert isinstance(network, ClipTransformer)
        known = things.load()
        kept = LatentBank.load(folder / "bank.safetensors")
        encoder = TextEncoder(
            kept.subwords,
            network.shape.length,
            tuple(names[-1] for names in known.names),
            frozenset(bank.words(known)),
        )
        tensors = {**kept.scale, **halves({"codec": modules["decoder"], "denoiser": network})}
        config = {
            "modality": "video",
            "architecture": ARCHITECTURE,
            "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 16, "guidance": 3.0},
            "shape": dataclasses.asdict(network.shape),
            **encoder.entries,
        }
        save_model(path, tensors, config, trained(CARD, preset, history))

    codec, decoder = codec_training.stages(sizes.codec, sizes.decoder, sizes.codec_batch)
    denoiser = denoiser_training.stage(sizes.denoiser, sizes.batch, sizes.clips, folder, report)
    return Recipe(
        name="motion",
        # The decoder comes last, as the denoiser needs the encoder alone.
        stages=(codec, denoiser, decoder),
        export=export,
    )


CARD: Mapping[str, object] = {
    "summary": "Makes clips of emoji-like things that move, 16 frames of 128 x 128 pixels, from English text "
    "and given frames.",
    "data": "Noto Color Emoji bitmaps (Debian fonts-noto-color-emoji) with CLDR names (Debian "
    "unicode-cldr-core), moved procedurally over backgrounds, with captions from a grammar. The codec "
    "of frames began as that of the model emoji.",
    "data_licence": "OFL-1.1 and Apache-2.0 (Noto), Unicode-DFS-2016 (CLDR)",
    "licence": "Apache-2.0",
    "held_out": "one in twenty of thing x motion",
}
