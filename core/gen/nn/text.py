"""Text as subword ids: words outside the vocabulary fall apart into known pieces."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from gen.diffusion import Condition, Conditioning

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
WEIGHT = re.compile(r"(?<=[(\w\s]):\s*[0-9]*\.?[0-9]+(?=\s*\))")
"""The weight of ``(red:1.3)``, as other programs write it."""

_COMPOUND = re.compile(r"[^\W_]+(?:['-][^\W_]+)+")
_FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "from", "in", "of", "on", "the", "to", "with", ","}
)
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


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
        """Conditioning with ``text`` (route "prepend"): ids (B, L) int64, and their mask (B, L).

        The network reads what captions could say: known words, and the commas between them. Other
        punctuation, characters that no caption held and unknown words are left out, since their subwords
        spoil the effect of the known words. Where no word is known, it reads the unknown ones.
        """
        texts = [self.said(self._read(prompt, params), params) for prompt in prompts]
        ids, mask = self.subwords.batch(texts, self.length)
        longest = max(1, int(mask.sum(1).max()))
        return text_conditions(ids[:, :longest])

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of a prompt that is too long; mostly empty."""
        text, places = self._text(prompt)
        read = self._read(prompt, params)
        return prompt[places[len(read)] :] if len(read) < len(text) else ""

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that no caption held in any form, and symbols such as emoji."""
        pieces = self._pieces(WEIGHT.sub(_blanks, prompt))
        return tuple(dict.fromkeys(piece.written for piece in pieces if not piece.known))

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:  # noqa: ARG002
        """A line about each weight of a word, which is left out."""
        return tuple(
            f"weights of words are not read: {found[0].strip()!r} is left out"
            for found in WEIGHT.finditer(prompt)
        )

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """What is known and nearest in spelling to the unknown words; at most ``count``, mostly fewer."""
        near: list[str] = []
        for word in self.unknown_words(prompt):
            for part in difflib.get_close_matches(word.lower(), sorted(self._known), 2, cutoff=0.8):
                near += [name for name in self.names if part in name.split()][:2] or [part]
        return tuple(dict.fromkeys(near))[:count]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.subwords.plain(word) for word in self.words)

    @cached_property
    def _kept(self) -> re.Pattern[str]:
        """What is written with punctuation in a name, then any word, comma or symbol."""
        spelt = {name for name in self.names if WORD.sub("", name).strip(" ")}
        spelt |= {compound for name in self.names for compound in _COMPOUND.findall(name)}
        known = "|".join(re.escape(text) for text in sorted(spelt, key=len, reverse=True))
        name = rf"(?P<name>(?<!\w)(?:{known})s?(?!\w))|" if spelt else ""
        return re.compile(rf"{name}(?P<word>{WORD.pattern})|(?P<comma>,)|(?P<other>\S)", re.IGNORECASE)

    def _pieces(self, prompt: str) -> Iterator[_Piece]:
        for found in self._kept.finditer(prompt.translate(_APOSTROPHES)):
            written = prompt[found.start() : found.end()]
            if found.lastgroup in ("name", "comma"):
                yield _Piece(found.start(), written, found[0], True, found.lastgroup == "comma")
            elif found.lastgroup == "word":
                word = self.subwords.plain(unicodedata.normalize("NFKC", found[0])).strip()
                form = next((form for form in _forms(word) if form in self._known), "")
                yield _Piece(found.start(), written, form or word, bool(form))
            elif unicodedata.category(written) in ("So", "Co", "Cn"):
                yield _Piece(found.start(), written, "", False)

    def _text(self, prompt: str) -> tuple[str, list[int]]:
        """A prompt as captions are written, and the place in the prompt of each of its characters."""
        pieces = list(self._pieces(WEIGHT.sub(_blanks, prompt)))
        if any(piece.known and piece.plain not in _FUNCTION_WORDS for piece in pieces):
            pieces = [piece for piece in pieces if piece.known]
        text, comma = "", False
        places: list[int] = []
        for piece in pieces:
            if piece.comma or not piece.plain:
                comma = comma or piece.comma
                continue
            between = (", " if comma else " ") if text else ""
            text, comma = f"{text}{between}{piece.plain}", False
            places += [piece.place] * len(between)
            places += [piece.place + min(index, len(piece.written)) for index in range(len(piece.plain))]
        return text, places

    def _read(self, prompt: str, params: Mapping[str, object]) -> str:
        text, _ = self._text(prompt)
        added = len(self.subwords.ids(self.said(text, params))) - len(self.subwords.ids(text))
        return self.subwords.beginning(text, max(self.length - added, 0))


@dataclass(frozen=True)
class _Piece:
    """A word, comma or symbol of a prompt.

    Args:
        place: Where in the prompt it begins.
        written: As it is there.
        plain: As the network reads it; empty for a symbol, which no subword stands for.
        known: Whether captions held it.
        comma: Whether it is a comma.
    """

    place: int
    written: str
    plain: str
    known: bool
    comma: bool = False


def _forms(word: str) -> Iterator[str]:
    """A word, then the same word in other forms: singular, plural and the third person for an -ing."""
    yield word
    if "'" in word:
        word = word.partition("'")[0]
        yield word
    if len(word) < 4:
        return
    yield f"{word}s"
    if word.endswith("s"):
        yield word.removesuffix("s")
        yield word.removesuffix("es")
    if word.endswith("ies"):
        yield f"{word.removesuffix('ies')}y"
    if word.endswith("ing") and len(word) > 5:
        stem = word.removesuffix("ing")
        stems = [stem, f"{stem}e", *([stem[:-1]] if stem[-1] == stem[-2] else [])]
        yield from (f"{form}{ending}" for form in stems for ending in ("s", "es", ""))


def _blanks(found: re.Match[str]) -> str:
    """As many spaces as were found, so that places stay."""
    return " " * len(found[0])
