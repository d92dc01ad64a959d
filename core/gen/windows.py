"""States longer than a network takes: made window by window, and closed to a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import Tensor

from gen.diffusion import Conditioning
from gen.model import Window


@dataclass(frozen=True)
class Cut:
    """What one run of the sampler makes.

    Args:
        index: Number of the run, from 0.
        dim: Dimension of the batched state along which it is cut.
        start: First cell along it.
        size: Number of cells.
        shift: By how many cells the state was rolled first; not 0 only for the seam of a loop.
    """

    index: int
    dim: int
    start: int
    size: int
    shift: int = 0

    def of(self, tensor: Tensor) -> Tensor:
        """The part (B, C, …) of a tensor that reaches along the whole state."""
        rolled = tensor.roll(-self.shift, self.dim) if self.shift else tensor
        return rolled.narrow(self.dim, self.start, self.size)

    def told(self, conditioning: Conditioning) -> Conditioning:
        """Conditioning with its conditions on the route "channels" cut; those that do not vary are whole."""
        cut = {
            name: replace(condition, value=self.of(condition.value))
            if condition.route == "channels"
            else condition
            for name, condition in conditioning.items()
        }
        return Conditioning(cut, None if conditioning.null is None else self.told(conditioning.null))


Draw: TypeAlias = Callable[[Cut, Tensor, Tensor], Tensor]
"""(cut, keep (B, 1, …), known (B, C, …)) -> the state of the cut, given what is known where keep is 1."""


def cuts(total: int, window: Window | None, *, loop: bool) -> tuple[Cut, ...]:
    """The runs that a state needs.

    Args:
        total: Cells along the window's axis.
        window: None for one run.
        loop: Whether the end has to meet the beginning.
    """
    if window is None:
        return (Cut(0, 1, 0, total),)
    dim, size = window.axis + 1, min(window.size, total)
    last = total - size
    starts = [*range(0, last, size - window.overlap), last] if last else [0]
    runs = [Cut(index, dim, start, size) for index, start in enumerate(starts)]
    if loop:
        # Rolled by half, the seam is in the middle.
        runs.append(Cut(len(runs), dim, (total - size) // 2, size, total // 2))
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
        if run.shift:
            middle = run.start + run.size // 2 - window.overlap // 2
            open_ = run.of(keep).clone()
            open_.narrow(run.dim, middle - run.start, min(window.overlap, run.size)).fill_(0)
            # What the user gave is kept at the seam too.
            made = draw(run, open_.maximum(run.of(given)), run.of(known))
            rolled = known.roll(-run.shift, run.dim)
            rolled.narrow(run.dim, run.start, run.size).copy_(made)
            known = rolled.roll(run.shift, run.dim)
        else:
            made = draw(run, run.of(keep), run.of(known))
            known.narrow(run.dim, run.start, run.size).copy_(made)
            keep.narrow(run.dim, run.start, run.size).fill_(1)
    return known
