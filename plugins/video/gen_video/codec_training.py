"""How the latent codec is trained: reconstruct single frames of freshly drawn clips."""

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

from gen.train import Settings, Stage, Task
from gen_video.autoencoder import Autoencoder
from gen_video.data import clips, things
from gen_video.data.render import Renderer

LATENT_NOISE = 0.1


def stage(settings: Settings, batch: int) -> Stage:
    """The stage that trains the codec.

    Args:
        settings: How it is optimised.
        batch: Frames per step; even.
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
    known = things.load()
    renderer = Renderer(known)

    def frames(seed: int) -> Tensor:
        rng = random.Random(seed)
        drawn = [clips.draw(known, renderer.tintable, rng) for _ in range(batch // 2)]
        times = np.array([[rng.random(), rng.random()] for _ in drawn])
        pictures = renderer.render(drawn, times).flatten(0, 1)
        return pictures.to(device).contiguous(memory_format=torch.channels_last)

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(module, Autoencoder)
        target = frames(int(torch.randint(2**62, (), generator=generator)))
        latents = module.encode(target)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        return reconstruction_loss(module.decode(latents + LATENT_NOISE * noise), target)

    def preview(module: nn.Module, path: Path) -> None:
        target = frames(0)[:12]
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


def save_grid(pixels: Tensor, path: Path, columns: int) -> None:
    """Write pictures (N, 3, H, W) in [-1, 1] as one PNG, row by row; N is a multiple of ``columns``."""
    pictures = functional.pad(pixels.float(), (1, 1, 1, 1), value=1.0)
    sheet = torch.cat([torch.cat(list(row), -1) for row in pictures.split(columns)], -2)
    scaled = ((sheet.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(scaled.permute(1, 2, 0).cpu().numpy()).save(path)
