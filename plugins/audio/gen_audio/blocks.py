"""The block that the codec is built from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time, then a feed-forward network, whose output is added to the input.

    (B, T, width) -> same.

    Liu et al. 2022, "A ConvNet for the 2020s", section 2, in one dimension as in Vocos (arXiv 2306.00814).
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.gain = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.gain * self.down(functional.gelu(self.up(h), approximate="tanh"))


def is_matrix(name: str) -> bool:
    """Whether the parameter of that name is a matrix inside a block, for Muon."""
    return name.endswith(("up.weight", "down.weight"))
