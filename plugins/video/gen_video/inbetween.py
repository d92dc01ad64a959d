"""Frames between frames, drawn by the denoiser itself: twice the rate, as often as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from gen.diffusion import (
    Condition,
    ModelDenoiser,
    NoiseSource,
    Parameterization,
    Process,
    TimeGrid,
    prior,
    sample,
)
from gen.nn import text_conditions
from gen.presets import solver
from gen_video.denoiser import ClipTransformer
from gen_video.known_frames import condition

STEPS = 4
MAX_DOUBLINGS = 3


@dataclass(frozen=True, eq=False)
class InBetweener:
    """Draws every second frame of a window, given the others, without a text.

    Args:
        network: The denoiser's network, which was trained with such windows.
        process: Its diffusion process.
        parameterization: What it predicts.
    """

    network: ClipTransformer
    process: Process
    parameterization: Parameterization

    def at(self, latents: Tensor, positions: Sequence[Fraction], *, loop: bool) -> Tensor:
        """Latents at positions between those that there are; the nearest after at most three doublings.

        Args:
            latents: (C, T, G, G), standardised.
            positions: In frames of ``latents``, from 0; at most T - 1, or below T for a loop.
            loop: Whether the first frame follows on the last.

        Returns:
            (C, len(positions), G, G).
        """
        count, scale = latents.shape[1], 1
        while scale < 2**MAX_DOUBLINGS and any((position * scale).denominator > 1 for position in positions):
            latents, scale = self.double(latents, loop=loop), scale * 2
        # What lies just behind the last frame of a loop is nearest to the first.
        nearest = [round(position * scale) % (count * scale) for position in positions]
        return latents[:, nearest]

    def double(self, latents: Tensor, *, loop: bool) -> Tensor:
        """Twice as many frames: (C, T, G, G) -> (C, 2T, G, G) for a loop, else (C, 2T - 1, G, G)."""
        frames = self.network.shape.frames
        known = frames // 2
        count = latents.shape[1]
        wanted = count if loop else count - 1
        # Window after window of known frames k .. k + known - 1, of which the last is the next one's first.
        starts = range(0, wanted, known - 1)
        rows = [[start + offset for offset in range(known)] for start in starts]
        index = torch.tensor(rows) % count if loop else torch.tensor(rows).clamp(max=count - 1)
        windows = latents[:, index].transpose(0, 1)
        spread = windows.repeat_interleave(2, 2)
        mask = torch.zeros(len(rows), frames, device=latents.device)
        mask[:, ::2] = 1
        drawn = self._draw(spread.to(latents.device), mask)[:, :, 1:-1:2]
        between = drawn.transpose(0, 1).flatten(1, 2)[:, :wanted]
        pairs = torch.stack([latents[:, :wanted], between], 2).flatten(1, 2)
        return pairs if loop else torch.cat([pairs, latents[:, -1:]], 1)

    def _draw(self, spread: Tensor, mask: Tensor) -> Tensor:
        """(N, C, T, G, G) with what is given at its places, and masks (N, T), to whole windows."""
        told = text_conditions(torch.zeros(1, 1, dtype=torch.int64, device=spread.device))
        grid = TimeGrid.uniform(STEPS)
        made = []
        # One at a time, so that a window does not depend on how many there are beside it.
        for one, given in zip(spread, mask, strict=True):
            noise = NoiseSource([0])
            known = Condition(condition(one[None], given[None]), "channels")
            asked = told.adding(known=known)
            denoiser = ModelDenoiser(self.network, self.process, self.parameterization)
            x = prior(self.process, grid, noise, one.shape, spread.device)
            state = sample(denoiser, self.process, grid, solver("ddim"), x=x, conditioning=asked, noise=noise)
            made.append(state.x)
        return torch.cat(made)
