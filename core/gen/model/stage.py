"""A stage of a model: one network that is sampled once, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gen.diffusion import Parameterization, Process
    from gen.diffusion.denoiser import Network
    from gen.model.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """How a model is sampled when nobody says otherwise.

    Args:
        solver: Name in ``gen.presets.SOLVERS``.
        grid: Name in ``gen.presets.GRIDS``.
        steps: Steps of the grid, at least 1.
        guidance: Classifier-free guidance scale; 1 is no guidance.
    """

    solver: str
    grid: str
    steps: int
    guidance: float


@dataclass(frozen=True, kw_only=True)
class Window:
    """How a model makes what is longer than it was trained on: piece by piece along one axis of the state.

    Every piece is given the end of the one before it, by the condition ``known``. Where the modality has a
    parameter ``loop`` and it is true, the place where the end meets the beginning is drawn anew, given what
    is on both sides of it.

    A state may begin with cells that hold for the whole of what is made: a head. Every piece has it, the
    first draws it, the others are given it. No seam is in it.

    Args:
        axis: The axis of the state of one item, (C, T) -> 1; conditions on the route "channels" are cut along
            it too, and have the head as the state has.
        size: Cells of a piece behind the head.
        overlap: Cells behind the head that a piece is given, and that are drawn anew at the seam of a loop;
            less than ``size``.
        head: Cells at the beginning of the axis that belong to every piece, so that the network takes up to
            ``head + size``.

    Raises:
        ValueError: If the numbers are none of a window.
    """

    axis: int
    size: int
    overlap: int
    head: int = 0

    def __post_init__(self) -> None:
        if self.axis < 1 or not 0 < self.overlap < self.size or self.head < 0:
            raise ValueError(f"a window needs axis >= 1, 0 < overlap < size and head >= 0, not {self}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A part of a model that is sampled by itself: all of it, or one of several that follow each other.

    Args:
        name: How messages and progress name it; empty where the model has no other.
        process: The diffusion process that it was trained on.
        parameterization: What its network predicts.
        network: ``(x_in (B, *shape), c_noise (B,), conditioning) -> (B, *shape)``.
        encoder: Prompts to conditioning.
        window: How it makes what is longer than a piece; None where its shapes fit the network.
        defaults: How it is sampled whatever the plan says; None leaves it to the plan.
    """

    name: str = ""
    process: Process
    parameterization: Parameterization
    network: Network
    encoder: Encoder
    window: Window | None = None
    defaults: Defaults | None = None
