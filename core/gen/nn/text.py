"""Text as subword ids: words outside the vocabulary fall apart into known pieces."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from gen.diffusion import Condition, Conditioning

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


def text_conditions(ids: Tensor, known: Tensor | None = None) -> Conditioning:
    """What a ``TextTransformer`` is told.

    Args:
        ids: Subword ids (B, L) int64, 0 where a text has ended.
        known: (B, 1 + C, ...), a mask that is 1 where the state is given, and what it is there; None where
            nothing is.
    """
    found = {"text": Condition(ids, "prepend", ids != 0)}
    if known is not None:
        found["known"] = Condition(known, "channels")
    return Conditioning(found)


def unchanged(prompt: str, params: Mapping[str, object]) -> str:  # noqa: ARG001
    """The prompt, whatever the parameters."""
    return prompt


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Prompts as subword ids, for networks that embed them; an encoder of ``gen.model.Model``.

    Args:
        subwords: The vocabulary.
        length: Most subwords that the network is told; a prompt that leaves no room for what is said of the
            parameters is cut.
        names: What the model can make.
        words: Every word that its captions held.
        said: (prompt, params) -> what the network is told: parameters in words, as captions say them.
    """

    subwords: Subwords
    length: int
    names: tuple[str, ...]
    words: frozenset[str]
    said: Callable[[str, Mapping[str, object]], str] = unchanged

    @classmethod
    def of(
        cls,
        config: Mapping[str, object],
        length: int,
        said: Callable[[str, Mapping[str, object]], str] = unchanged,
    ) -> TextEncoder:
        """The encoder that a model file describes.

        Args:
            config: Of the file, with ``subwords`` (by ``Subwords.to_json``), ``names`` (divided by ``|``) and
                ``words`` (divided by spaces).
            length, said: See the class.

        Raises:
            KeyError: An entry is missing.
            ValueError: The vocabulary cannot be read.
        """
        names, words = str(config["names"]).split("|"), str(config["words"]).split()
        return cls(Subwords(str(config["subwords"])), length, tuple(names), frozenset(words), said)

    @property
    def entries(self) -> dict[str, str]:
        """What ``of`` reads."""
        return {
            "subwords": self.subwords.to_json(),
            "names": "|".join(self.names),
            "words": " ".join(sorted(self.words)),
        }

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """Conditioning with ``text`` (route "prepend"): ids (B, L) int64, and their mask (B, L)."""
        texts = [self.said(self._read(prompt, params), params) for prompt in prompts]
        ids, mask = self.subwords.batch(texts, self.length)
        longest = max(1, int(mask.sum(1).max()))
        return text_conditions(ids[:, :longest])

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of a prompt that is too long; mostly empty."""
        return prompt[len(self._read(prompt, params)) :]

    def _read(self, prompt: str, params: Mapping[str, object]) -> str:
        added = len(self.subwords.ids(self.said(prompt, params))) - len(self.subwords.ids(prompt))
        return self.subwords.beginning(prompt, max(self.length - added, 0))

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that no caption held."""
        return tuple(dict.fromkeys(word for word in self.subwords.words(prompt) if word not in self.words))

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """Names nearest in spelling to the unknown words, filled up with others; at most ``count``."""
        near: list[str] = []
        for word in self.unknown_words(prompt):
            parts = difflib.get_close_matches(word, sorted({w for n in self.names for w in n.split()}), 2)
            near += [name for part in parts for name in self.names if part in name.split()][:2]
        return tuple(dict.fromkeys([*near, *self.names[:: max(1, len(self.names) // count)]]))[:count]
