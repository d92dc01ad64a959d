"""A transformer over the few wide tokens of a state, with the text in its context."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from gen.diffusion import Conditioning
from gen.diffusion.cache import BlockStack
from gen.nn.layers import Layers
from gen.nn.transformer import Modulation, TimeEmbedding, TransformerBlock


@dataclass(frozen=True)
class TextTransformerShape:
    """Sizes that every ``TextTransformer`` has; a subclass adds those of its states.

    Args:
        vocabulary: Number of subword ids.
        width, depth, heads, hidden: Of the transformer; ``hidden`` is inside the feed-forward networks.
        length: Longest text in subwords.
    """

    vocabulary: int
    width: int
    depth: int
    heads: int
    hidden: int
    length: int


S = TypeVar("S", bound=TextTransformerShape)


class TextTransformer(nn.Module, ABC, Generic[S]):
    """(x (B, C, ...), c_noise (B,), conditioning) -> F of the same shape.

    Tokens of the state and of the text stand in one sequence, in which each attends to all others. The noise
    level and the mean of the subwords modulate every block. A subclass says how states become
    tokens: two methods make the layers for it, two use them.

    Conditions (``gen.nn.text_conditions`` makes them): ``text`` (route "prepend": subword ids (B, L), L at
    most ``shape.length``, and mask), ``known`` (route "channels": (B, 1 + C, ...), a mask that is 1 where the
    state is given, and what it is there; absent when nothing is).
    """

    completes = True
    """It sees what is given of a state; read by ``gen.model.Stage``."""

    def __init__(self, shape: S) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        # The order is that of the parameters in checkpoints.
        self.add_text()
        self.add_input()
        self.time = TimeEmbedding(width)
        self.modulation = Modulation(width, shape.depth)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, shape.heads, shape.hidden) for _ in range(shape.depth)
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        output = self.add_output()
        nn.init.zeros_(output.weight)
        nn.init.zeros_(output.bias)

    @property
    def stack(self) -> BlockStack:
        """The blocks, for caches."""
        return BlockStack(tuple(f"blocks.{i}" for i in range(len(self.blocks))), "blocks.0.qkv")

    def declare_layers(self, shape: Sequence[int]) -> Layers:
        """Every block has self-attention, in which the text takes part; see ``LayeredNetwork``."""
        nothing = self.norm.weight.new_zeros(1, 1 + 2 * shape[0], *shape[1:])
        with torch.no_grad():
            count = self.tokens(nothing).shape[1]
        blocks = self.stack.blocks
        return Layers(self.stack, blocks, blocks, slice(0, count), self.token_grid(shape))

    def token_grid(self, shape: Sequence[int]) -> tuple[int, ...] | None:  # noqa: ARG002
        """Places of the tokens of a state (C, ...), see ``Layers.grid``; by default they have none."""
        return None

    def add_text(self) -> None:
        """Make the parameters of ``read_text``: by default one vector for each subword and each place."""
        shape = self.shape
        self.subwords = nn.Embedding(shape.vocabulary, shape.width)
        self.text_position = nn.Parameter(0.02 * torch.randn(shape.length, shape.width))
        nn.init.normal_(self.subwords.weight, std=0.3)

    def read_text(self, conditioning: Conditioning) -> tuple[Tensor, Tensor, Tensor]:
        """The condition ``text`` as tokens.

        Returns:
            Tokens (B, L, width), which of them there are, (B, L) bool, and what modulates the blocks,
            (B, width).
        """
        text = conditioning["text"]
        present = text.mask if text.mask is not None else torch.ones_like(text.value, dtype=torch.bool)
        words = self.subwords(text.value) * present[..., None]
        mean = words.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        return words + self.text_position[: words.shape[1]], present, mean

    @abstractmethod
    def add_input(self) -> None:
        """Make the parameters of ``tokens``: what is learned of places, and a layer to ``shape.width``."""

    @abstractmethod
    def add_output(self) -> nn.Linear:
        """Make the layer of ``state``, from ``shape.width``, and return it; it starts at zero."""

    @abstractmethod
    def tokens(self, x: Tensor) -> Tensor:
        """State, mask and what is known (B, C + 1 + C, ...) as tokens (B, N, width) that know their place."""

    @abstractmethod
    def state(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) as F (B, C, ...)."""

    def read_state(self, x: Tensor, conditioning: Conditioning) -> Tensor:
        """The state (B, C, ...), and the conditions that have numbers for its places, as tokens."""
        known = conditioning.get("known")
        given = known.value.to(x) if known else x.new_zeros(x.shape[0], 1 + x.shape[1], *x.shape[2:])
        return self.tokens(torch.cat([x, given], 1))

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        seen = self.read_state(x, conditioning)
        words, present, mean = self.read_text(conditioning)
        modulation = self.modulation(self.time(c_noise) + mean)
        tokens = torch.cat([seen, words], 1)
        mask = torch.cat([present.new_ones(seen.shape[:2]), present], 1)[:, None, None]
        for block, parts in zip(self.blocks, modulation, strict=True):
            tokens = block(tokens, parts, mask)
        return self.state(self.norm(tokens[:, : seen.shape[1]]))
