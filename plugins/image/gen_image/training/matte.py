"""The recipe behind ``gen train image --recipe matte``: what cuts things out of pictures that were drawn."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gen.atomic import atomic_file
from gen.model import save_model
from gen.nn import Matte, laid, lifted
from gen.train import Recipe, Settings, Stage, Task, emoji, halves, trained
from gen.train.emoji import EmojiSet
from gen.train.pictures import save_grid
from gen_image.autoencoder import Autoencoder
from gen_image.cutting import ARCHITECTURE, WIDTHS
from gen_image.training.codec import to_tensor
from gen_image.training.data import scenes
from gen_image.training.data.render import Renderer, backdrop
from gen_image.training.data.scenes import BACKGROUNDS, Background, Pool, Scene, Thing
from gen_image.training.recipe import SHIPPED
from gen_image.training.start import Start

KINDS = ("plain", "plain", "plain", "background", "background", "position", "pair", "several", "changed")
"""Of scenes, each as often as it stands here."""
NOISE = 0.3
"""Most noise on latents of unit variance: what is sampled is no latent of a clean picture."""
SHOWN = 12
"""Columns of a preview."""
BATCH = 32
"""Pictures that pass through the codec at once."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of a run.

    Args:
        matte: How the network is optimised.
        batch: Pictures per step.
        scenes: Pictures in all.
    """

    matte: Settings
    batch: int
    scenes: int


PRESETS = {
    "cpu": Preset(
        matte=Settings(steps=700, rate=2e-3, matrix_rate=2e-3, warmup=30, decay=0.6, ema=0.99),
        batch=8,
        scenes=2000,
    ),
    "gpu": Preset(
        matte=Settings(steps=20_000, rate=2e-3, matrix_rate=2e-3, warmup=100, decay=0.6, ema=0.999),
        batch=64,
        scenes=60_000,
    ),
}


def matte_recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """What the shipped codec makes of scenes, taken apart into things with alpha and what is behind them.

    Args:
        preset: ``"cpu"`` (a quarter of an hour on one core) or ``"gpu"``.
        folder: Of the run; the pictures are kept in it.
        report: Called with lines of progress.
    """
    sizes = PRESETS[preset]

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        path = folder / "pictures.safetensors"
        if not path.exists():
            with atomic_file(path, overwrite=True) as file:
                file.write(save(_drawn(sizes.scenes, device, report)))
        return task(load_file(path), sizes.batch, device)

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        config = {"modality": "image", "architecture": ARCHITECTURE}
        save_model(path, halves({"matte": modules["network"]}), config, trained(CARD, preset, history))

    return Recipe(
        name="matte", stages=(Stage(name="network", settings=sizes.matte, start=start),), export=export
    )


def task(pictures: Mapping[str, Tensor], batch: int, device: torch.device) -> Task:
    """The task to take pictures apart.

    Args:
        pictures: As ``taken_apart`` gives them, N at least ``SHOWN``.
        batch: Pictures per step.
        device: Where the network is trained.
    """
    grounds = to_tensor(np.stack([backdrop(ground) for ground in BACKGROUNDS]))

    def part(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen, alpha = pictures["pictures"][rows].float() / 127.5 - 1, pictures["alpha"][rows].float() / 255
        return seen.to(device), alpha.to(device), grounds[pictures["grounds"][rows].long()].to(device)

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        parts = part(torch.randint(len(pictures["alpha"]), (batch,), generator=generator))
        if torch.rand((), generator=generator) < 0.5:
            parts = tuple(each.flip(-1) for each in parts)  # type: ignore[assignment]
        seen, true_alpha, behind = (each.contiguous(memory_format=torch.channels_last) for each in parts)
        alpha, background = module(seen)
        again = laid(lifted(seen, alpha, background), background)
        pairs = ((alpha, true_alpha), (background, behind), (again, seen))
        return sum(((made - true).abs().mean() for made, true in pairs), torch.zeros((), device=device))

    def preview(module: nn.Module, path: Path) -> None:
        seen, true_alpha, _ = part(torch.arange(SHOWN))
        with torch.no_grad():
            alpha, background = module(seen)
        over = lifted(seen, alpha, background)
        masks = (2 * each.expand(-1, 3, -1, -1) - 1 for each in (true_alpha, alpha))
        save_grid(torch.cat([seen, *masks, laid(over, 0 * seen)]), path, SHOWN)

    return Task(
        module=Matte(WIDTHS).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        loss=loss,
        matrix=lambda name: name.endswith("weight") and "norm" not in name,
        preview=preview,
    )


def held_out(name: str) -> bool:
    """Whether training never sees the emoji of a name: one in twenty."""
    return zlib.crc32(f"matte|{name}".encode()) % 20 == 0


def chosen(emoji_set: EmojiSet, unseen: bool) -> EmojiSet:
    """The emoji that training sees, or those that it does not."""
    rows = [row for row, one in enumerate(emoji_set.emoji) if held_out(one.name) == unseen]
    return EmojiSet(tuple(emoji_set.emoji[row] for row in rows), emoji_set.sprites[rows])


@torch.no_grad()
def taken_apart(
    drawn: Sequence[Scene], renderer: Renderer, codec: Autoencoder, start: Start, generator: torch.Generator
) -> dict[str, Tensor]:
    """What a codec makes of scenes, and what they are made of.

    The darker a thing leaves a white background than the same thing a black one, the more it covers:
    on white − on black = (white − black) · (1 − alpha) (Smith & Blinn 1996, "Blue Screen Matting").

    Args:
        drawn: N scenes.
        renderer: Draws them.
        codec: Through which they pass, on any device.
        start: The model of the codec.
        generator: Of the noise on the latents.

    Returns:
        ``pictures`` (N, 3, 128, 128) and ``alpha`` (N, 1, 128, 128), uint8, and ``grounds`` (N,) uint8,
        indices of ``BACKGROUNDS``.
    """
    white, black = (
        renderer.render(replace(scene, background=Background(colour)) for scene in drawn).astype(np.float32)
        for colour in ("white", "black")
    )
    span = backdrop(Background()).astype(np.float32) - backdrop(Background("black"))
    alpha = 1 - ((white - black) / span).mean(-1).clip(0, 1)
    pictures = to_tensor(renderer.render(drawn)).to(next(codec.parameters()).device)
    latents = codec.encode(pictures)
    levels = NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
    noise = levels * torch.randn(latents.shape, generator=generator) * start.scale[1][:, None, None]
    again = codec.decode(latents + noise.to(latents)).clamp(-1, 1)
    return {
        "pictures": ((again.cpu() + 1) * 127.5).round().to(torch.uint8).contiguous(),
        "alpha": torch.from_numpy((alpha * 255).round().astype(np.uint8))[:, None],
        "grounds": torch.tensor([BACKGROUNDS.index(scene.background) for scene in drawn], dtype=torch.uint8),
    }


def draw(pool: Pool, rng: random.Random) -> Scene:
    """A scene of any kind."""
    kind = rng.choice(KINDS)
    return Scene("single", (Thing(pool.draw(rng)),)) if kind == "plain" else scenes.draw(kind, pool, rng)


def _drawn(count: int, device: torch.device, report: Callable[[str], None]) -> dict[str, Tensor]:
    """So many pictures of emoji that are not held out, as ``taken_apart`` gives them."""
    seen = chosen(emoji.with_sequences(emoji.load()), unseen=False)
    renderer, pool, rng = Renderer(seen), Pool(seen.emoji), random.Random(1)
    start, generator = Start(SHIPPED), torch.Generator().manual_seed(1)
    codec = start.codec().to(device)
    parts = []
    for first in range(0, count, BATCH):
        drawn = [draw(pool, rng) for _ in range(min(BATCH, count - first))]
        parts.append(taken_apart(drawn, renderer, codec, start, generator))
        if first % (20 * BATCH) == 0:
            report(f"pictures: {first} of {count}")
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


CARD: Mapping[str, object] = {
    "summary": "Cuts things out of the pictures that the model emoji draws: alpha, and what is behind them.",
    "data": "Noto Color Emoji bitmaps (Debian fonts-noto-color-emoji), composed on plain and patterned "
    "backgrounds, through the codec of the model emoji with noise on its latents.",
    "data_licence": "OFL-1.1 and Apache-2.0 (Noto)",
    "licence": "Apache-2.0",
    "held_out": "one in twenty emoji, by name",
}
