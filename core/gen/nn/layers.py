"""What a network says about its layers, so that guidance and caches can change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gen.diffusion.cache import BlockStack


@dataclass(frozen=True)
class Layers:
    """Layers by their dotted names, as ``torch.nn.Module.named_modules`` has them.

    Args:
        stack: The blocks that run one after the other, for caches.
        attention: The layers with self-attention of the state's tokens, in the order of evaluation.
        text_attention: The layers in which the state attends to the text.
        tokens: The tokens of the state where those of a text stand in the same sequence; None where all are
            of the state.
        grid: Places of the state's tokens: height and width, or length, or frames, height and width, row by
            row; None where it has none.
    """

    stack: BlockStack | None = None
    attention: tuple[str, ...] = ()
    text_attention: tuple[str, ...] = ()
    tokens: slice | None = None
    grid: tuple[int, ...] | None = None


@runtime_checkable
class LayeredNetwork(Protocol):
    """A network that declares its layers."""

    def declare_layers(self, shape: Sequence[int]) -> Layers:
        """The layers for a state of one item of this shape, (C, ...)."""
