"""Tiny checkpoints with random weights, of diffusers' and transformers' own classes, saved as they save.

The weights are larger than those that training starts from, so that every part of a network shows in what it
gives.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from tokenizers import pre_tokenizers

from gen.checkpoints.libraries import without_broken_libraries

with without_broken_libraries():
    import diffusers
    import transformers

    # What they import, they import when a first network is asked for.
    assert diffusers.AutoencoderKL
    assert transformers.CLIPTextModel

diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()

WORDS = ("red", "fox", "a", "on", "grass", "tall")


def seeded(build: Any, **options: Any) -> Any:
    """A network with weights that depend on nothing but its class."""
    with torch.random.fork_rng():
        torch.manual_seed(sum(map(ord, build.__name__)))
        network = build(**options).eval()
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
                torch.nn.init.normal_(parameter, 1.0, 0.1)
            else:
                torch.nn.init.normal_(parameter, 0.0, 0.5 / max(1, parameter[0].numel()) ** 0.5)
    return network


@functools.cache
def clip_vocabulary() -> tuple[dict[str, int], list[str]]:
    """Bytes, their forms at the end of a word, and a few words made of them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append(f"{parts[-2]} {parts[-1]}")
            parts[-2:] = ["".join(parts[-2:])]
            vocabulary.append(parts[-1])
    entries = dict.fromkeys([*vocabulary, "<|startoftext|>", "<|endoftext|>"])
    return {entry: index for index, entry in enumerate(entries)}, list(dict.fromkeys(merges))


def clip_tokenizer(**options: Any) -> Any:
    vocabulary, merges = clip_vocabulary()
    return transformers.CLIPTokenizer(
        vocab=vocabulary, merges=[tuple(pair.split()) for pair in merges], model_max_length=77, **options
    )


def clip_config(width: int = 16, **options: Any) -> Any:
    vocabulary, _ = clip_vocabulary()
    return transformers.CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        **options,
    )


def clip(width: int = 16, projected: bool = False, **options: Any) -> Any:
    made = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return seeded(made, config=clip_config(width, projection_dim=width, **options))


def t5_tokenizer(length: int = 24) -> Any:
    letters = [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz,.0123456789"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters]
    pieces += [(f"▁{word}", -3.0) for word in WORDS]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def t5(width: int = 16, **options: Any) -> Any:
    sizes = {"vocab_size": 64, "d_model": width, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    return seeded(
        transformers.T5EncoderModel,
        config=transformers.T5Config(**{**sizes, "feed_forward_proj": "gated-gelu", **options}),
    )


def umt5(width: int = 16) -> Any:
    sizes = {"vocab_size": 64, "d_model": width, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    return seeded(transformers.UMT5EncoderModel, config=transformers.UMT5Config(**sizes))
