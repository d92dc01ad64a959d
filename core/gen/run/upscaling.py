"""Pictures made larger in tiles of the size that a model draws, each of which follows the small picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.diffusion import Conditioning, Denoiser, Prediction
from gen.diffusion.denoiser import Memory
from gen.diffusion.inverse import DDNM, BlockAverage
from gen.diffusion.level import Level
from gen.errors import UsageError
from gen.model import Edits, Model, Task
from gen.model.parts import Parts
from gen.plan import Item, Plan
from gen.run.noise import noise_of
from gen.run.progress import StageReport
from gen.run.restoring import PROJECTIONS, follows
from gen.run.stages import run_stages
from gen.run.views import View, view_of

SHARED = 4
"""One part in so many of a tile lies under the next."""

MOST = 400
"""Most tiles at once."""

NEXT_SEED = 0x9E3779B97F4A7C15
"""Added from tile to tile, so that seeds of neighbouring items have other tiles."""


@dataclass(frozen=True, eq=False)
class Upscaling:
    """A picture on its way to a larger one.

    Args:
        view: Between the pixels of a tile and its state.
        given: The small picture (1, h, w, C), continued to at least a tile.
        factor: How many times larger the other is along each side.
        tile: Height and width of what the model draws.
    """

    view: View
    given: Tensor
    factor: int
    tile: tuple[int, int]

    @cached_property
    def places(self) -> tuple[tuple[slice, slice], ...]:
        """Rows and columns of each tile."""
        rows, columns = (
            _starts(size * self.factor, side)
            for size, side in zip(self.given.shape[1:3], self.tile, strict=True)
        )
        height, width = self.tile
        return tuple(
            (slice(row, row + height), slice(column, column + width)) for row in rows for column in columns
        )

    @cached_property
    def enlarged(self) -> Tensor:
        """The small picture, interpolated."""
        size = [side * self.factor for side in self.given.shape[1:3]]
        pixels = self.given.movedim(-1, 1)
        return functional.interpolate(pixels, size, mode="bicubic").clamp(0, 1).movedim(1, -1)

    @property
    def operator(self) -> BlockAverage:
        """From the large picture to the small one."""
        return BlockAverage(self.factor, (-3, -2))

    def start(self, task: Task) -> Tensor:
        """The states of the tiles of the interpolated picture, (tiles, *shape)."""
        return self._encoded(self.enlarged, task)

    def following(self, denoiser: Denoiser, task: Task) -> Denoiser:
        """``denoiser`` of tiles, with predictions that agree where tiles overlap, and with the small picture.

        The mean of what overlaps is that of MultiDiffusion (Bar-Tal et al. 2023, arXiv 2302.08113, eq. 5), in
        pixels; the small picture is followed by DDNM (Wang et al. 2023, arXiv 2212.00490, eq. 13).
        """

        def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
            prediction = denoiser(x, level, conditioning, memory)
            own = self._decoded(prediction.x0, task)
            whole = self._joined(own)
            step = DDNM().correction(self.operator, self.given - self.operator(whole), level, 0.0)
            after = self._encoded((whole + step).clamp(0, 1), task)
            before = torch.cat([self.view.encoded(tile, task.row(row)) for row, tile in enumerate(own)])
            return follows(prediction, prediction.x0 + (after - before).to(prediction.x0), level)

        return denoise

    def picture(self, states: Tensor, task: Task) -> Tensor:
        """The large picture of the states of its tiles, whose blocks have the means of the small one."""
        pixels = self._joined(self._decoded(states, task))
        for _ in range(PROJECTIONS):
            pixels = (pixels + self.operator.inverse(self.given - self.operator(pixels))).clamp(0, 1)
        return pixels

    def _decoded(self, states: Tensor, task: Task) -> list[Tensor]:
        """Pixels (1, height, width, C) of each tile."""
        return [self.view.decoded(state[None], task.row(row)) for row, state in enumerate(states)]

    def _encoded(self, whole: Tensor, task: Task) -> Tensor:
        tiles = [whole[:, rows, columns] for rows, columns in self.places]
        return torch.cat([self.view.encoded(tile, task.row(row)) for row, tile in enumerate(tiles)])

    def _joined(self, tiles: Sequence[Tensor]) -> Tensor:
        """The whole of which tiles are parts: their mean, the middle of each weighing most."""
        whole, total = torch.zeros_like(self.enlarged), torch.zeros_like(self.enlarged[..., :1])
        down, across = (torch.minimum(torch.arange(1, n + 1), torch.arange(n, 0, -1)) for n in self.tile)
        weight = (down[:, None] * across).float()[None, ..., None]
        for tile, (rows, columns) in zip(tiles, self.places, strict=True):
            whole[:, rows, columns] += weight * tile
            total[:, rows, columns] += weight
        return whole / total


def upscaled(
    plan: Plan, model: Model, item: Item, report: StageReport, raised: Sequence[BaseException]
) -> Artifact:
    """The picture of a plan made larger by its factor.

    Args:
        plan: With a picture to start from.
        model: Draws tiles of its own size.
        item: Which.
        report, raised: As of ``run_stages``.

    Raises:
        UsageError: There are too many tiles, or the model draws no pictures.
    """
    assert plan.init is not None
    parts, factor = Parts(model, plan.plugin), plan.editing.upscale
    task = Task(
        prompts=(item.prompt,),
        negatives=(plan.negative,) if plan.negative else None,
        params=plan.values,
        guidance=plan.guidance,
        steps=plan.steps,
        noise=noise_of(plan, [item]),
        device=plan.device,
    )
    task = replace(task, shape=parts.shape(task))
    assert isinstance(task.shape, tuple)
    view = view_of(plan.kind, parts, plan.init, task)
    drawn = view.decoded(torch.zeros(1, *task.shape, device=plan.device), task)
    tile = (drawn.shape[1], drawn.shape[2])
    pixels = view.measured(plan.init, task)
    height, width = pixels.shape[1:3]
    given = _at_least(view.alike(pixels, drawn), [math.ceil(side / factor) for side in tile])
    scaling = Upscaling(view, given, factor, tile)
    count = len(scaling.places)
    if count > MOST:
        raise UsageError(f"{count} tiles of {tile[1]} × {tile[0]} pixels are too many", "make it less large")
    seeds = [replace(item, seed=(item.seed + index * NEXT_SEED) % 2**63) for index in range(count)]
    task = replace(
        task,
        prompts=task.prompts * count,
        negatives=task.negatives and task.negatives * count,
        noise=noise_of(plan, seeds),
    )
    edits = Edits(start=scaling.start(task))
    states = run_stages(plan, model, task, edits, [0.0] * count, report, raised, scaling)
    made = scaling.picture(cast(Tensor, states), task)[:, : height * factor, : width * factor]
    if pixels.shape[-1] == 4:
        alpha = functional.interpolate(pixels[..., 3:].movedim(-1, 1), made.shape[1:3], mode="bicubic")
        made = torch.cat([made, alpha.clamp(0, 1).movedim(1, -1)], -1)
    return view.delivered(made, Artifact(plan.init.kind, dict(plan.init.arrays)))


def _starts(size: int, tile: int) -> list[int]:
    """Where tiles begin that cover so many pixels."""
    last = size - tile
    count = math.ceil(last / (tile - tile // SHARED)) + 1
    return [round(last * index / max(1, count - 1)) for index in range(count)]


def _at_least(pixels: Tensor, sides: Sequence[int]) -> Tensor:
    """Pixels (1, h, w, C), whose last rows and columns are repeated to so many."""
    down, across = (max(0, side - size) for side, size in zip(sides, pixels.shape[1:3], strict=True))
    wide = functional.pad(pixels.movedim(-1, 1), (0, across, 0, down), mode="replicate")
    return wide.movedim(1, -1)
