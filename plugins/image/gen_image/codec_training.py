"""How the latent codec is trained: reconstruct freshly composed scenes."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from gen.train import Settings, Stage, Task, emoji
from gen_image.autoencoder import Autoencoder
from gen_image.data import scenes
from gen_image.data.render import Renderer

LATENT_NOISE = 0.1
KINDS = ("background", "background", "pair", "several", "position", "changed")


def stage(settings: Settings, batch: int) -> Stage:
    """The stage that trains the codec on scenes of every kind.

    Args:
        settings: How it is optimised.
        batch: Pictures per step.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        return _task(Autoencoder(), batch, device)

    return Stage(name="codec", settings=settings, start=start)


def decoder_stage(settings: Settings, batch: int) -> Stage:
    """The stage that goes on with the decoder alone; latents stay what the denoiser was trained on.

    Args: See ``stage``.
    """

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        codec = copy.deepcopy(modules["codec"])
        assert isinstance(codec, Autoencoder)
        codec.requires_grad_(True)
        codec.encoder.requires_grad_(False)
        return _task(codec, batch, device)

    return Stage(name="decoder", settings=settings, start=start)


def _task(codec: Autoencoder, batch: int, device: torch.device) -> Task:
    emoji_set = emoji.load()
    renderer = Renderer(emoji_set)
    tintable = renderer.tintable

    def pictures(seed: int) -> Tensor:
        rng = random.Random(seed)
        drawn = [scenes.draw(rng.choice(KINDS), emoji_set.emoji, tintable, rng) for _ in range(batch)]
        return to_tensor(renderer.render(drawn)).to(device)

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(module, Autoencoder)
        target = pictures(int(torch.randint(2**62, (), generator=generator)))
        latents = module.encode(target)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        return reconstruction_loss(module.decode(latents + LATENT_NOISE * noise), target)

    def preview(module: nn.Module, path: Path) -> None:
        target = pictures(0)[:12]
        with torch.no_grad():
            save_grid(torch.cat([target, module(target)]), path, columns=len(target))

    return Task(
        module=codec.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        loss=loss,
        preview=preview,
        matrix=lambda name: name.endswith("weight") and "norm" not in name,
    )


def reconstruction_loss(pixels: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of pixels (B, 3, H, W) plus half that of their differences along both axes."""
    error = pixels - target
    return error.abs().mean() + 0.5 * (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean())


def to_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 in [-1, 1], channels last in memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return (tensor.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pictures(pixels: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] to (N, H, W, 3) uint8."""
    scaled = (pixels.float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def save_grid(pixels: Tensor, path: Path, columns: int) -> None:
    """Write pictures (N, 3, H, W) as one PNG, row by row; N is a multiple of ``columns``."""
    pictures = functional.pad(pixels.float(), (1, 1, 1, 1), value=1.0)
    rows = [torch.cat(list(row), -1) for row in pictures.split(columns)]
    Image.fromarray(to_pictures(torch.cat(rows, -2)[None])[0]).save(path)
