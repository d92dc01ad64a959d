"""Words that somebody has trained for a text encoder (textual inversion, Gal et al. 2022, arXiv 2208.01618).

A file holds one vector or several for a word: under the word, as diffusers writes it; as ``emb_params``,
or in a pickle as ``string_to_param``, as the web UI of AUTOMATIC1111 does; or as ``clip_l`` and ``clip_g``
for the two encoders of Stable Diffusion XL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from gen.checkpoints.additions import Addition
from gen.checkpoints.text.clip_prompts import ClipPrompts
from gen.checkpoints.weights import Weights
from gen.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

ENCODERS = {"": "clip_l", "_2": "clip_g"}
"""What the vectors of each encoder are called in a file for several, by the encoder's number."""
NAMELESS = (*ENCODERS.values(), "emb_params", "*")
"""Names of tensors that are no words: the file's name is the word."""


def read_embedding(addition: Addition, number: str, several: bool) -> tuple[str, Tensor]:
    """The word of a file, and its vectors (n, D) for one encoder.

    Args:
        addition: The file.
        number: Of the encoder: empty or ``"_2"``.
        several: Whether the checkpoint has several encoders that need vectors.

    Raises:
        ModelError: It cannot be read, or is no embedding of such a checkpoint.
    """
    found = dict(Weights((addition.path,), addition.path.name).tensors())
    names = ENCODERS.values() & found.keys()
    key = ENCODERS[number] if names else next(iter(found), "")
    if not names and len(found) != 1:
        raise ModelError(f"{addition.path.name} is no embedding of a word", "see `docs/checkpoints.md`")
    if key not in found or (several and not names) or ("clip_g" in found and not several):
        raise ModelError(
            f"{addition.path.name} is an embedding for another model: it has {', '.join(sorted(found))}",
            "use one that was trained for this family",
        )
    vectors = found[key]
    word = str(addition.value or (addition.path.stem if key in NAMELESS else key))
    return word, vectors[None] if vectors.ndim == 1 else vectors


def with_words(prompts: ClipPrompts, words: Mapping[str, Tensor]) -> ClipPrompts:
    """An encoder that knows further words, which stand in prompts as they are written.

    Args:
        prompts: The encoder; its network is changed.
        words: The vectors (n, D) of each.

    Raises:
        ModelError: Vectors have another width.
    """
    network, ids = prompts.network, dict[str, list[int]]()
    table = network.tokens.weight
    for word, vectors in words.items():
        if vectors.ndim != 2 or vectors.shape[1] != table.shape[1]:
            raise ModelError(
                f"the embedding of {word} is for another model: "
                f"its vectors have {vectors.shape[-1]} numbers, those of the text encoder {table.shape[1]}",
                "use one that was trained for this family",
            )
        ids[word] = [len(table) + index for index in range(len(vectors))]
        table = torch.cat([table, vectors.to(table)])
    network.tokens = nn.Embedding.from_pretrained(table)
    # Old configurations mean the highest id of a text by its end, which is no longer that of the end.
    network.end = prompts.tokenizer.end
    return replace(
        prompts, tokenizer=replace(prompts.tokenizer, encode=_encoder(prompts.tokenizer.encode, ids))
    )


def _encoder(encode: Callable[[str], list[int]], ids: Mapping[str, list[int]]) -> Callable[[str], list[int]]:
    """Text to ids, with those of further words: whole ones, where they begin or end with a letter."""
    pattern = re.compile("|".join(map(_whole, sorted(ids, key=len, reverse=True))))

    def encoded(text: str) -> list[int]:
        found, start = list[int](), 0
        for match in pattern.finditer(text):
            found += [*encode(text[start : match.start()]), *ids[match[0]]]
            start = match.end()
        return found + encode(text[start:])

    return encoded


def _whole(word: str) -> str:
    front, back = (r"(?<!\w)" if word[0].isalnum() else ""), (r"(?!\w)" if word[-1].isalnum() else "")
    return f"{front}{re.escape(word)}{back}"


def read_words(additions: Iterable[Addition], number: str, several: bool) -> dict[str, Tensor]:
    """The words of all embeddings among additions, for one encoder; see ``read_embedding``."""
    return dict(read_embedding(one, number, several) for one in additions if one.kind == "embedding")
