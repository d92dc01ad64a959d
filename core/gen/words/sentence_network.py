"""The network that turns a text into a vector: a small transformer over word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional

BEGIN, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
LONGEST_WORD = 40
"""A word of more characters is unknown."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Args:
        pieces: Word pieces.
        narrow: Numbers that stand for a piece.
        width: Channels, a multiple of ``heads``.
        layers: Blocks of attention and two linear layers.
        heads: Of an attention.
        hidden: Channels between the linear layers.
        length: Most pieces of a text, with those for its beginning and its end.
        out: Numbers of a text's vector.
    """

    pieces: int
    narrow: int
    width: int
    layers: int
    heads: int
    hidden: int
    length: int
    out: int

    @property
    def numbers(self) -> list[int]:
        """The sizes in the order of the arguments."""
        return list(astuple(self))


class SentenceNetwork(nn.Module):
    """BERT's encoder (Devlin et al. 2019) with factorised embeddings (Lan et al. 2020, "ALBERT", 3.1).

    Args:
        shape: Its sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.pieces = nn.Embedding(shape.pieces, shape.narrow)
        self.widen = nn.Linear(shape.narrow, shape.width, bias=False)
        self.places = nn.Embedding(shape.length, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width,
                shape.heads,
                shape.hidden,
                dropout=0.0,
                activation="gelu",
                layer_norm_eps=1e-12,
                batch_first=True,
            )
            for _ in range(shape.layers)
        )
        self.out = nn.Linear(shape.width, shape.out, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Vectors (B, out) float32 of unit length: the mean over the pieces, projected.

        Args:
            ids: (B, L) int64.
            mask: (B, L) bool, true where there is a piece.
        """
        state = self.norm(self.widen(self.pieces(ids)) + self.places.weight[: ids.shape[1]])
        for layer in self.layers:
            state = layer(state, src_key_padding_mask=~mask)
        present = mask[..., None].float()
        mean = (state.float() * present).sum(1) / present.sum(1)
        return functional.normalize(self.out(mean), dim=-1)


def splitter(pieces: Sequence[str], length: int) -> Tokenizer:
    """Texts as word pieces (Wu et al. 2016, section 4.1), in lower case and without accents.

    Args:
        pieces: In the order of their numbers, with ``BEGIN``, ``END`` and ``UNKNOWN``.
        length: Most pieces of a text, with those for its beginning and its end; the rest is cut.
    """
    numbers = {piece: number for number, piece in enumerate(pieces)}
    split = Tokenizer(models.WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))
    split.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    split.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    split.post_processor = processors.BertProcessing((END, numbers[END]), (BEGIN, numbers[BEGIN]))
    split.enable_truncation(length)
    return split


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of numbers as ids (B, L) int64, padded with 0, and their mask (B, L) bool."""
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return ids, torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in rows])
