"""States longer than a network takes: made window by window, and closed to a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from gen.diffusion import Conditioning
from gen.model import Window


@dataclass(frozen=True)
class Cut:
    """What one run of the sampler makes.

    Args:
        index: Number of the run, from 0.
        dim: Dimension of the batched state along which it is cut.
        start: First cell along it, counted from the end of the head.
        size: Number of cells from there.
        shift: By how many cells what is behind the head was rolled first; not 0 only for the seam of a loop.
        head: Number of cells at the beginning of the dimension that come before those.
    """

    index: int
    dim: int
    start: int
    size: int
    shift: int = 0
    head: int = 0

    def cells(self, tensor: Tensor) -> Tensor:
        """Where the cells of the cut, (head + size,), are in a tensor that reaches along the whole state."""
        cells = torch.arange(-self.head, self.size, device=tensor.device)
        behind = (cells + self.start + self.shift) % (tensor.shape[self.dim] - self.head)
        return torch.where(cells < 0, cells, behind) + self.head

    def of(self, tensor: Tensor) -> Tensor:
        """The part (B, C, …), a copy, of a tensor that reaches along the whole state."""
        return tensor.index_select(self.dim, self.cells(tensor))

    def put(self, part: Tensor, tensor: Tensor) -> None:
        """Write a part (B, C, …) to its place in a whole tensor; the head is taken from run 0 alone."""
        skip = self.head if self.index else 0
        taken = part.narrow(self.dim, skip, self.head + self.size - skip)
        tensor.index_copy_(self.dim, self.cells(tensor)[skip:], taken.to(tensor))

    def conditioning(self, conditioning: Conditioning) -> Conditioning:
        """Conditioning with its conditions on the route "channels" cut; those that do not vary are whole."""
        cut = {
            name: replace(condition, value=self.of(condition.value))
            if condition.route == "channels"
            else condition
            for name, condition in conditioning.items()
        }
        uncond = None if conditioning.uncond is None else self.conditioning(conditioning.uncond)
        return Conditioning(cut, uncond, tuple(map(self.conditioning, conditioning.others)))


Draw: TypeAlias = Callable[[Cut, Tensor, Tensor], Tensor]
"""(cut, keep (B, 1, …), known (B, C, …)) -> the state of the cut, given what is known where keep is 1."""


def cuts(total: int, window: Window | None, *, loop: bool) -> tuple[Cut, ...]:
    """The runs that a state needs.

    Args:
        total: Cells along the window's axis, with the head.
        window: None for one run.
        loop: Whether the end has to meet the beginning, which is the first cell behind the head.

    Raises:
        ValueError: The state has no cell behind the head.
    """
    if window is None:
        return (Cut(0, 1, 0, total),)
    if total <= window.head:
        raise ValueError(f"a state of {total} cells has none behind its head of {window.head}")
    dim, head, length = window.axis + 1, window.head, total - window.head
    size = min(window.size, length)
    last = length - size
    starts = [*range(0, last, size - window.overlap), last] if last else [0]
    runs = [Cut(index, dim, start, size, head=head) for index, start in enumerate(starts)]
    if loop:
        # Rolled by half, the seam is in the middle.
        runs.append(Cut(len(runs), dim, last // 2, size, length // 2, head))
    return tuple(runs)


def assemble(draw: Draw, runs: tuple[Cut, ...], window: Window | None, keep: Tensor, known: Tensor) -> Tensor:
    """The whole state (B, C, …), each run given what the runs before it have made.

    Args:
        draw: Runs the sampler once.
        runs: See ``cuts``.
        window: As there.
        keep: (B, 1, …), 1 where the state is given from the start.
        known: (B, C, …), the state there.
    """
    if window is None:
        return draw(runs[0], keep, known)
    given, keep, known = keep, keep.clone(), known.clone()
    for run in runs:
        asked = run.of(keep)
        if run.shift:
            width = min(window.overlap, run.size // 2)
            asked.narrow(run.dim, run.head + run.size // 2 - width // 2, width).fill_(0)
            # What the user gave is kept at the seam too.
            asked = asked.maximum(run.of(given))
        run.put(draw(run, asked, run.of(known)), known)
        keep.index_fill_(run.dim, run.cells(keep), 1)
    return known
