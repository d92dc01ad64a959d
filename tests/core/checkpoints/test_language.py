"""Language models as text encoders: those of transformers, from the files that it saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_languages
import torch

from gen.checkpoints import Component
from gen.checkpoints.text import load_language
from gen.errors import ModelError

MODELS = {
    "qwen-3": (tiny_languages.qwen_3, tiny_languages.qwen_tokenizer),
    "qwen-3-tied": (lambda: tiny_languages.qwen_3(tie_word_embeddings=True), tiny_languages.qwen_tokenizer),
    "qwen-2.5-vl": (tiny_languages.qwen_vl, tiny_languages.qwen_tokenizer),
    "gemma-2": (tiny_languages.gemma_2, tiny_languages.gemma_tokenizer),
}


def saved(folder: Path, part: Any) -> Component:
    part.save_pretrained(folder)
    return Component(folder.name, "transformers", type(part).__name__, folder)


@pytest.mark.parametrize("name", MODELS)
def test_states(name: str, tmp_path: Path) -> None:
    make, tokenizer = MODELS[name]
    theirs, words = make(), tokenizer()
    ours = load_language(saved(tmp_path / "text_encoder", theirs), saved(tmp_path / "tokenizer", words))
    texts = ["a red fox", "tall grass on a fox"]
    read = words(texts, padding="max_length", padding_side="right", max_length=24, return_tensors="pt")
    with torch.no_grad():
        states, mask = ours(texts, 24, padded=True)
        expected = theirs(**read, output_hidden_states=True).hidden_states
        alone, _ = ours(texts[:1], 24)
    assert len(states) == len(expected)
    for one, other in zip(states, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch.equal(mask, read["attention_mask"].bool())
    assert alone[-1].shape[1] == mask[0].sum()
    assert torch.allclose(alone[-1][0], states[-1][0][mask[0]], atol=1e-4)


def test_chats(tmp_path: Path) -> None:
    words = tiny_languages.qwen_tokenizer()
    ours = load_language(
        saved(tmp_path / "text_encoder", tiny_languages.qwen_3()), saved(tmp_path / "tokenizer", words)
    )
    assert ours.chat("a fox", enable_thinking=True) == (
        "<|im_start|>user\na fox<|im_end|>\n<|im_start|>assistant\n"
    )
    assert ours.chat("a fox", enable_thinking=False).endswith("<think>\n")


def test_a_tokenizer_that_is_missing(tmp_path: Path) -> None:
    model = saved(tmp_path / "text_encoder", tiny_languages.qwen_3())
    (tmp_path / "tokenizer").mkdir()
    tokenizer = Component("tokenizer", "transformers", "Qwen2Tokenizer", tmp_path / "tokenizer")
    with pytest.raises(ModelError, match="tokenizer has no vocabulary"):
        load_language(model, tokenizer)
