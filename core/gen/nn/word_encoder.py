"""Words of the shared table as tokens of a network, which learns order, counts, colours and places itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.diffusion import Conditioning
from gen.nn.text_transformer import S, TextTransformer
from gen.nn.transformer import TransformerBlock
from gen.words import word_table

DEPTH = 2
NOISE = 0.3
"""Length of the noise on unit vectors in training, so that words never met are read as those near them."""


class WordEncoder(nn.Module):
    """Rows of the table of words (B, L), 0 where a text has ended, to tokens (B, 1 + L, width).

    The vectors are frozen: they are those of ``gen.words.word_table``, and in no file of a model. A word of a
    closed class ("two", "red", "left") has a learned vector beside its own, since a sentence model takes such
    words for nearly the same. The first token stands for the text as a whole, and for one without words: it
    begins as the mean of the words, rare ones counting more, by which a prompt's nearest names are found too.

    Args:
        width: Of the tokens.
        heads: Of the blocks.
        length: Most words.
    """

    vectors: Tensor
    weights: Tensor

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        words = word_table()
        # No module's parameters: neither trained nor saved.
        self.register_buffer("vectors", torch.from_numpy(words.vectors), persistent=False)
        self.register_buffer("weights", torch.from_numpy(words.weights), persistent=False)
        self.project = nn.Linear(words.width, width)
        self.summary = nn.Linear(words.width, width, bias=False)
        self.closed = nn.Embedding(words.closed, width, padding_idx=0)
        self.whole = nn.Parameter(torch.zeros(width))
        self.position = nn.Parameter(0.02 * torch.randn(1 + length, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, 2 * width) for _ in range(DEPTH))
        self.modulation = nn.Parameter(torch.zeros(DEPTH, 6, 1, 1, width))
        self.norm = nn.RMSNorm(width, eps=1e-6)
        nn.init.normal_(self.closed.weight, std=0.3)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, 1 + L, width), and which of them there are, (B, 1 + L) bool."""
        present = functional.pad(rows != 0, (1, 0), value=True)
        weight = self.project.weight
        vectors = functional.normalize(
            self.vectors[rows.to(self.vectors.device)].to(weight), dim=-1, eps=1e-6
        )
        if self.training:
            vectors = vectors + torch.randn_like(vectors) * (NOISE / vectors.shape[-1] ** 0.5)
        # Projected as if they were of unit variance, so that they are learned as fast as other inputs.
        words = self.project(vectors * vectors.shape[-1] ** 0.5)
        words = words + self.closed(rows.where(rows < self.closed.num_embeddings, 0))
        shares = self.weights[rows.to(self.weights.device)].to(weight)
        mean = functional.normalize(shares[:, None] @ vectors, dim=-1, eps=1e-6)
        whole = self.whole + self.summary(mean * mean.shape[-1] ** 0.5)
        tokens = torch.cat([whole, words], 1) + self.position[: 1 + rows.shape[1]]
        tokens = tokens * present[..., None]
        mask = present[:, None, None]
        for block, parts in zip(self.blocks, self.modulation.unbind(0), strict=True):
            tokens = block(tokens, _gated(parts), mask)
        return self.norm(tokens) * present[..., None], present


class ReadsWords(TextTransformer[S]):
    """A ``TextTransformer`` of rows of the table of words, where others read subwords.

    Stands before the other base: ``class Words(ReadsWords[Shape], SceneTransformer)``. Of the shape,
    ``vocabulary`` is not read.
    """

    def add_text(self) -> None:
        shape = self.shape
        self.words = WordEncoder(shape.width, shape.heads, shape.length)

    def read_text(self, conditioning: Conditioning) -> tuple[Tensor, Tensor, Tensor]:
        tokens, present = self.words(conditioning["text"].value)
        return tokens, present, tokens[:, 0]


def _gated(parts: Tensor) -> Tensor:
    """Learned modulation with gates that begin open."""
    shift1, scale1, gate1, shift2, scale2, gate2 = parts.unbind(0)
    return torch.stack([shift1, scale1, 1 + gate1, shift2, scale2, 1 + gate2])
