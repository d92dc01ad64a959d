"""Transformer blocks for small denoisers: few wide tokens, shared modulation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.diffusion.attention import dot_product_attention


class TimeEmbedding(nn.Module):
    """A noise level as a vector: (B,) in [0, 1] -> (B, width).

    Sinusoids of geometrically spaced frequencies (Vaswani et al. 2017, section 3.5) and a two-layer network.
    """

    def __init__(self, width: int, frequencies: int = 64) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.network = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, level: Tensor) -> Tensor:
        steps = torch.arange(self.frequencies, device=level.device) / (self.frequencies - 1)
        angles = level[:, None].float() * torch.exp(math.log(1000.0) * steps)
        return self.network(torch.cat([angles.cos(), angles.sin()], -1).to(next(self.parameters()).dtype))


class Modulation(nn.Module):
    """Shift, scale and gate for the two halves of every block, from one shared projection.

    adaLN-single (Chen et al. 2023, "PixArt-alpha", section 2.3): one projection of the condition, and a
    learned offset per block. (B, width) -> (depth, 6, B, 1, width).
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 6 * width)
        self.offset = nn.Parameter(torch.zeros(depth, 6, 1, 1, width))
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, condition: Tensor) -> Tensor:
        shared = self.project(functional.silu(condition)).unflatten(-1, (6, -1))
        return shared.transpose(0, 1)[None, :, :, None] + self.offset


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward network, each modulated: (B, N, width) -> same.

    Peebles and Xie 2023, "Scalable Diffusion Models with Transformers", section 3.2 (adaLN-Zero), with
    queries and keys normalised (Dehghani et al. 2023, "Scaling Vision Transformers to 22 Billion
    Parameters", section 2).
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.RMSNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm2 = nn.RMSNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm_q = nn.RMSNorm(width // heads, eps=1e-6)
        self.norm_k = nn.RMSNorm(width // heads, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, modulation: Tensor, mask: Tensor | None) -> Tensor:
        """Transform tokens.

        Args:
            x: (B, N, width).
            modulation: (6, B, 1, width): shift, scale, gate of attention, then of the feed-forward network.
            mask: (B, 1, 1, N) bool, True where a token may be attended to; None for all.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.unbind(0)
        x = x + gate1 * self._attend(self.norm1(x) * (1 + scale1) + shift1, mask)
        hidden = functional.gelu(self.up(self.norm2(x) * (1 + scale2) + shift2), approximate="tanh")
        return x + gate2 * self.down(hidden)

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(
            dot_product_attention(self.norm_q(q), self.norm_k(k), v, mask).transpose(1, 2).flatten(2)
        )
