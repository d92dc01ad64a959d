"""Tensors of files under the names that the networks of diffusers and transformers give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gen.checkpoints.weights import Tensors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Target:
    """Where a tensor of a file goes, whole or in part.

    Args:
        name: In the network.
        part, parts, span: Its rows in ``parts`` equal parts: ``span`` of them, from ``part`` on.
        form: ``"matrix"`` drops the kernel of a convolution of 1 × 1; ``"transposed"`` swaps rows and
            columns.
    """

    name: str
    part: int = 0
    parts: int = 1
    span: int = 1
    form: Literal["", "matrix", "transposed"] = ""

    def shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in the network of a tensor of this shape."""
        shape = (stored[0] // self.parts * self.span, *stored[1:]) if stored and self.parts > 1 else stored
        return shape[:2] if self.form == "matrix" else shape[::-1] if self.form == "transposed" else shape

    def tensor(self, stored: torch.Tensor) -> torch.Tensor:
        """The tensor in the network; a view where it can be."""
        if self.parts > 1:
            rows = len(stored) // self.parts
            stored = stored[self.part * rows : (self.part + self.span) * rows]
        if self.form == "transposed":
            return stored.T.contiguous()
        return stored.flatten(1) if self.form == "matrix" and stored.ndim > 2 else stored


@dataclass(frozen=True)
class Converted:
    """Some of the tensors of files, under other names.

    Args:
        source: The files.
        table: Where each tensor goes, by its name in the files; those that are absent are left out.
    """

    source: Tensors
    table: Mapping[str, tuple[Target, ...]]

    @property
    def files(self) -> tuple[Path, ...]:
        """Where they are."""
        return self.source.files

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by its new name."""
        return {
            target.name: target.shape(shape)
            for name, shape in self.source.shapes.items()
            for target in self.table.get(name, ())
        }

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor with its new name."""
        for name, tensor in self.source.tensors():
            for target in self.table.get(name, ()):
                yield target.name, target.tensor(tensor)
