"""The noise that a file would come of: sampling run backwards from the state of the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gen.diffusion import Conditioning, Denoiser, Process, Solver, Step, TimeGrid, invert
from gen.model import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Inversion:
    """How a run begins that continues from a file.

    Args:
        denoiser: What is run backwards.
        conditioning: What the file shows, for the rows of the batch.
        amount: Share of new noise, see ``mixed``.
        shares: Where each row lies between two files.
    """

    denoiser: Denoiser
    conditioning: Conditioning
    amount: float
    shares: Sequence[float]

    def begin(
        self,
        task: Task,
        process: Process,
        grid: TimeGrid,
        solver: Solver,
        conditioning: Conditioning,
        start: Tensor,
        end: Tensor | None,
        report: Callable[[int, Step], None],
    ) -> Tensor:
        """The state (B, *shape) at the grid's first level.

        Args:
            task: Whose noise is mixed in.
            process: That of the network.
            grid: Falls from noise to data.
            solver: Draws no noise.
            conditioning: ``self.conditioning``, of this piece.
            report: Called after each step with the number of the file, from 0.
            start, end: States (1, *shape) of the files; ``end`` is None where there is one.
        """
        rows = len(task.noise.seeds)

        def noise_of(state: Tensor, number: int) -> Tensor:
            x = state.expand(rows, *state.shape[1:]).to(task.device)
            on_step = partial(report, number)
            return invert(
                self.denoiser, process, grid, solver, x, conditioning=conditioning, on_step=on_step
            ).x

        x = noise_of(start, 0)
        if end is not None:
            return between(x, noise_of(end, 1), self.shares)
        if not self.amount:
            return x
        scale = process.prior_scale(process.level(grid.times[0]))
        return mixed(x, task.noise.prior(x.shape[1:]).to(x) * scale, self.amount)


def mixed(old: Tensor, new: Tensor, amount: float) -> Tensor:
    """sqrt(1 - amount**2) old + amount new, of the same variance where both have it."""
    return math.sqrt(1 - amount**2) * old + amount * new


def between(first: Tensor, second: Tensor, shares: Sequence[float]) -> Tensor:
    """Places on the great circles from ``first`` to ``second``, both (B, ...): spherical interpolation
    (Shoemake 1985, "Animating rotation with quaternion curves", sec. 3.3).

    Args:
        first, second: The ends.
        shares: For each row, 0 is the first and 1 the second, bit for bit.
    """
    places = []
    for one, other, share in zip(first, second, shares, strict=True):
        cosine = torch.nn.functional.cosine_similarity(one.flatten().double(), other.flatten().double(), 0)
        angle = math.acos(max(-1.0, min(1.0, float(cosine))))
        if share in (0, 1) or math.sin(angle) < 1e-6:
            places.append((1 - share) * one + share * other)
        else:
            weights = (math.sin((1 - share) * angle), math.sin(share * angle))
            places.append((weights[0] * one + weights[1] * other) / math.sin(angle))
    return torch.stack(places)
