"""How the network that takes pictures apart is trained: on single frames of freshly drawn clips."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gen.nn import Matte, laid, lifted
from gen.train import Settings, Stage, Task
from gen.train.pictures import save_grid
from gen_video.training.data import clips, things
from gen_video.training.data.backgrounds import Background
from gen_video.training.data.clips import Clip
from gen_video.training.data.render import Renderer

SHOWN = 12
"""Columns of a preview."""


def stage(settings: Settings, batch: int) -> Stage:
    """The stage ``matte``, which needs none before it.

    Args:
        settings: How it is optimised.
        batch: Frames per step; even.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        known = things.load()
        renderer = Renderer(known)

        def draw(seed: int, count: int) -> tuple[Tensor, Tensor]:
            rng = random.Random(seed)
            drawn = [clips.draw(known, renderer.tintable, rng) for _ in range(count // 2)]
            times = np.array([[rng.random(), rng.random()] for _ in drawn])
            pieces = truth(renderer, drawn, times)
            return pieces[0].to(device), pieces[1].to(device)

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            over, behind = draw(int(torch.randint(2**62, (), generator=generator)), batch)
            frames = laid(over, behind).contiguous(memory_format=torch.channels_last)
            alpha, background = module(frames)
            again = laid(lifted(frames, alpha, background), background)
            pairs = ((alpha, over[:, 3:]), (background, behind), (again, frames))
            return sum(((made - true).abs().mean() for made, true in pairs), torch.zeros((), device=device))

        def preview(module: nn.Module, path: Path) -> None:
            frames = laid(*draw(0, SHOWN))
            with torch.no_grad():
                alpha, background = module(frames)
            over = lifted(frames, alpha, background)
            rows = (frames, 2 * alpha.expand(-1, 3, -1, -1) - 1, background, laid(over, 0 * frames))
            save_grid(torch.cat(rows), path, SHOWN)

        return Task(
            module=Matte().to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            loss=loss,
            matrix=lambda name: name.endswith("weight") and "norm" not in name,
            preview=preview,
        )

    return Stage(name="matte", settings=settings, start=start)


def truth(renderer: Renderer, drawn: Sequence[Clip], times: np.ndarray) -> tuple[Tensor, Tensor]:
    """The frames of clips, taken apart; ``laid`` makes the frames of them again.

    The darker a thing leaves a white background than the same thing a black one, the more it covers:
    on white − on black = (white − black) · (1 − alpha) (Smith & Blinn 1996, "Blue Screen Matting").

    Args:
        renderer: Draws the clips.
        drawn: N clips.
        times: (N, T), in clips.

    Returns:
        Things (N·T, 4, 128, 128) in [0, 1], premultiplied, and backgrounds (N·T, 3, 128, 128) in [-1, 1].
    """
    white, black = (
        [replace(clip, background=Background(colour), scroll="") for clip in drawn]
        for colour in ("white", "black")
    )
    nothing = Clip(())
    ground = renderer.render([nothing, replace(nothing, background=Background("black"))], np.zeros(1))
    behind, on_white, on_black = (
        renderer.render(each, times).flatten(0, 1)
        for each in ([replace(clip, actors=(), strides=False) for clip in drawn], white, black)
    )
    through = (on_white - on_black).mean(1, keepdim=True) / (ground[0] - ground[1]).mean()
    alpha = (1 - through).clamp(0, 1)
    return lifted(on_black, alpha, ground[1]), behind
