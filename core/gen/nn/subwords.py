"""Text as subword ids: words outside the vocabulary fall apart into known pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class Subwords:
    """A vocabulary of subwords over lower-case text.

    Args:
        definition: JSON as written by ``to_json``.

    Raises:
        ValueError: It is something else.
    """

    def __init__(self, definition: str) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(definition)
        except Exception as error:  # the library has no narrower one
            raise ValueError(f"the vocabulary cannot be read: {error}") from None

    @classmethod
    def train(cls, words: Sequence[str], others: Iterable[str], pieces: int) -> Subwords:
        """Build a vocabulary: whole words, and pieces for everything else.

        Text is cut greedily into the longest known subwords (Wu et al. 2016, section 4.1), so that the words
        given here stay whole, while others fall apart into pieces that byte-pair encoding finds
        (Sennrich et al. 2016, algorithm 1). Id 0 is padding, id 1 a character never seen.

        Args:
            words: Lower-case words that become one id each.
            others: Text from which the pieces are learned.
            pieces: Number of pieces; each gets two ids, for the start and for the inside of a word.
        """
        learner = Tokenizer(models.BPE())
        learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        learner.train_from_iterator(others, trainers.BpeTrainer(vocab_size=pieces, show_progress=False))
        found = sorted(learner.get_vocab())
        entries = ["[padding]", "[unknown]", *words, *found, *(f"##{piece}" for piece in found)]
        vocabulary = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[unknown]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return cls(tokenizer.to_str())

    def to_json(self) -> str:
        """The definition, for the model file."""
        return self._tokenizer.to_str()

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def ids(self, text: str) -> list[int]:
        """Subword ids of a text."""
        return self._tokenizer.encode(text).ids

    def beginning(self, text: str, count: int) -> str:
        """As much of a text as its first ``count`` subwords stand for."""
        encoding = self._tokenizer.encode(text)
        return text[: encoding.offsets[count][0]] if len(encoding.ids) > count else text

    def plain(self, text: str) -> str:
        """A text as the vocabulary compares it: in lower case, without accents and control characters."""
        normalizer = self._tokenizer.normalizer
        return normalizer.normalize_str(text) if normalizer else text

    def batch(self, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """Encode texts, cut or padded to one length.

        Returns:
            ids (B, length) int64 and mask (B, length) bool, True where there is a subword.
        """
        rows = [encoding.ids[:length] for encoding in self._tokenizer.encode_batch(list(texts))]
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows], dtype=torch.int64)
        return ids.reshape(len(rows), length), ids.reshape(len(rows), length) != 0

    @staticmethod
    def words(text: str) -> list[str]:
        """The words of a text in lower case, without punctuation."""
        return WORD.findall(text.lower())
