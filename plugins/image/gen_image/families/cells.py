"""Latents as the tokens of transformers, which take the cells of a picture row by row."""

from __future__ import annotations

import torch
from torch import Tensor


def tokens_of(x: Tensor) -> Tensor:
    """(B, C, h, w) as tokens, (B, h w, C)."""
    return x.flatten(2).transpose(1, 2)


def cells_of(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``tokens_of``; tokens behind the first h w are left out."""
    return tokens[:, : height * width].transpose(1, 2).unflatten(2, (height, width))


def places(height: int, width: int, first: int = 0) -> Tensor:
    """The place of each token on axes of a rotary embedding, (h w, 3): ``first``, row, column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.full_like(rows, first), rows, columns], -1).flatten(0, 1)
