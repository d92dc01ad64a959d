"""What the voice's networks share: transformer blocks that also look at their neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gen.nn import Modulation, TransformerBlock


class LocalTransformer(nn.Module):
    """Transformer blocks, a depthwise convolution before each: (B, N, width) -> same.

    Speech is local: a sound depends on its neighbours first. The convolutions say what is where, so that no
    positions need to be learned and sequences may have any length (as in the Conformer, Gulati et al. 2020,
    arXiv 2005.08100, whose blocks hold a convolution beside attention).

    Args:
        width, depth, heads, hidden: Of the blocks.
        reach: Tokens to each side that a convolution sees.
    """

    def __init__(self, width: int, depth: int, heads: int, hidden: int, reach: int = 3) -> None:
        super().__init__()
        self.modulation = Modulation(width, depth)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, hidden) for _ in range(depth))
        self.local = nn.ModuleList(
            nn.Conv1d(width, width, 2 * reach + 1, padding=reach, groups=width) for _ in range(depth)
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        # Blocks are the identity at first; a little of everything lets gradients through at once.
        nn.init.constant_(self.modulation.offset[:, 2], 0.3)
        nn.init.constant_(self.modulation.offset[:, 5], 0.3)

    def forward(self, x: Tensor, condition: Tensor, present: Tensor | None = None) -> Tensor:
        """Transform tokens.

        Args:
            x: (B, N, width).
            condition: (B, width): shifts, scales and gates every block.
            present: (B, N) bool, True where there is a token; None where there is one everywhere.
        """
        mask = None if present is None else present[:, None, None]
        for block, local, parts in zip(self.blocks, self.local, self.modulation(condition), strict=True):
            if present is not None:
                x = x * present[..., None]
            x = block(x + local(x.transpose(1, 2)).transpose(1, 2), parts, mask)
        return self.norm(x)


def padded(rows: list[list[int]]) -> Tensor:
    """Rows of ids as one tensor (B, longest), filled with 0."""
    longest = max(1, *(len(row) for row in rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows], device="cpu")
