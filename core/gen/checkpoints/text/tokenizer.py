"""Texts as ids of a checkpoint's vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import torch
from tokenizers import Regex, models, normalizers, pre_tokenizers
from torch import Tensor

from gen.checkpoints.checkpoint import Component, read_json
from gen.errors import ModelError, line_of

CLIP_PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""What CLIP cuts a text into before its pairs of bytes are joined (Radford et al. 2021, published code)."""


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary.

    Args:
        encode: Text to ids, without those of start and end.
        start: Id that a text begins with; None for none.
        end: Id that it ends with.
        padding: Id that fills what is left.
        length: Ids of the longest text, start and end included.
    """

    encode: Callable[[str], list[int]]
    start: int | None
    end: int
    padding: int
    length: int

    def wrapped(self, ids: Sequence[int], length: int) -> list[int]:
        """Ids with start and end, cut and padded to ``length``."""
        first = [] if self.start is None else [self.start]
        row = [*first, *ids[: length - len(first) - 1], self.end]
        return row + [self.padding] * (length - len(row))

    def batch(self, texts: Sequence[str], length: int | None = None) -> tuple[Tensor, Tensor]:
        """Ids (B, L) int64 of texts, cut or padded to ``length``; and (B, L) bool, False at padding."""
        length = length or self.length
        bare = [self.encode(text) for text in texts]
        ids = torch.tensor([self.wrapped(row, length) for row in bare])
        sizes = torch.tensor([min(len(row) + 1 + (self.start is not None), length) for row in bare])
        return ids, torch.arange(length)[None] < sizes[:, None]

    def unread(self, text: str, length: int | None = None) -> int:
        """How many ids of a text are cut off at ``length``."""
        room = (length or self.length) - 1 - (self.start is not None)
        return max(0, len(self.encode(text)) - room)


def load_tokenizer(component: Component) -> Tokenizer:
    """The vocabulary of a part of a checkpoint: CLIP's, T5's, or any with a ``tokenizer.json``.

    Args:
        component: Such as ``tokenizer``.

    Raises:
        ModelError: Its files are missing or unreadable, or a library is missing.
    """
    folder, clip = component.folder, component.class_name.startswith("CLIP")
    options = {**_options(folder), **(component.given_config or {})}
    try:
        encode, ids = _encoder(folder, clip)
    except ModelError:
        raise
    except Exception as error:  # the libraries have no narrower one
        raise ModelError(f"{component.name} cannot be read: {line_of(error)}", "download it again") from None
    end = _special(options, "eos_token", "<|endoftext|>" if clip else "</s>")
    start = _special(options, "bos_token", "<|startoftext|>") if clip else ""
    padding = _special(options, "pad_token", "<|endoftext|>" if clip else "<pad>")
    missing = [token for token in (start, end, padding) if token and ids(token) is None]
    if missing:
        raise ModelError(f"the vocabulary of {component.name} lacks {missing[0]!r}", "download it again")
    length = options.get("model_max_length")
    return Tokenizer(
        encode,
        ids(start) if start else None,
        ids(end) or 0,
        ids(padding) or 0,
        length if isinstance(length, int) and length < 2**20 else 77 if clip else 512,
    )


def _options(folder: Path) -> dict[str, object]:
    """``special_tokens_map.json`` and ``tokenizer_config.json``, as far as they are there."""
    options: dict[str, object] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            options |= read_json(folder / name)
    return options


def _special(options: dict[str, object], key: str, default: str) -> str:
    value = options.get(key, default)
    if isinstance(value, dict):
        value = value.get("content", default)
    return value if isinstance(value, str) else default


def _encoder(folder: Path, clip: bool) -> tuple[Callable[[str], list[int]], Callable[[str], int | None]]:
    """Text to ids without special ones, and a token to its id."""
    if (folder / "tokenizer.json").is_file():
        made = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        made.no_truncation()
        made.no_padding()
    elif clip and (folder / "merges.txt").is_file():
        made = _clip(folder)
    elif (folder / "spiece.model").is_file():
        return _sentencepiece(folder / "spiece.model")
    else:
        raise ModelError(f"there is no vocabulary in {folder}", "download the checkpoint again")
    return (lambda text: list(made.encode(text, add_special_tokens=False).ids)), made.token_to_id


def _clip(folder: Path) -> tokenizers.Tokenizer:
    """CLIP's byte pairs from ``merges.txt``, with the ids of ``vocab.json`` or, without it, CLIP's own."""
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if not line.startswith("#version"))
    pairs = [(row[0], row[1]) for row in rows if len(row) == 2]
    if (folder / "vocab.json").is_file():
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    else:
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        entries = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, pairs)]
        entries += ["<|startoftext|>", "<|endoftext|>"]
        vocabulary = {entry: index for index, entry in enumerate(entries)}
    made = tokenizers.Tokenizer(
        models.BPE(vocabulary, pairs, end_of_word_suffix="</w>", unk_token="<|endoftext|>")
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return made


def _sentencepiece(
    file: Path,
) -> tuple[Callable[[str], list[int]], Callable[[str], int | None]]:
    try:
        from sentencepiece import SentencePieceProcessor
    except ModuleNotFoundError:
        raise ModelError(
            f"{file.name} needs sentencepiece, which is not installed", "pip install 'gen-toolkit[hub]'"
        ) from None
    made = SentencePieceProcessor(model_file=str(file))

    def id_of(token: str) -> int | None:
        found = int(made.piece_to_id(token))
        return None if made.id_to_piece(found) != token else found

    return (lambda text: list(map(int, made.encode(text)))), id_of
